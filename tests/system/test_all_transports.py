"""The same rules on every way in: one table of cases over all of them."""

from __future__ import annotations

import struct
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.tsig
import pytest

from tests.bench.run import free_port
from tests.certify import certify

from .harness import Server, until
from .ways import SCHEMES, SILENCE, WAYS, Reply, Way

pytestmark = pytest.mark.system

SECRET = "NoTCJU+DMqFWywaPyxSijrDEA/eC3nK0xi3AMEZuPVk="
KEY = dns.name.from_text("key.test.")
BLOCKS = """{all} {{
    bind 127.0.0.1
    tls {folder}/cert.pem {folder}/key.pem
    view streams {{
        expr proto() == 'tcp'
    }}
    prometheus 127.0.0.1:{metrics}
    log . "query {{name}} {{proto}} {{rcode}}"
    acl {{
        block type MX
        drop type SRV
        allow
    }}
    template IN A {{
        answer "{{{{ .Name }}}} 60 IN A 192.0.2.6"
    }}
    template IN TXT {{
{lines}
    }}
}}
{all} {{
    bind 127.0.0.1
    tls {folder}/cert.pem {folder}/key.pem
    prometheus 127.0.0.1:{metrics}
    log . "query {{name}} {{proto}} {{rcode}}"
    acl {{
        block type MX
        drop type SRV
        allow
    }}
    template IN A {{
        answer "{{{{ .Name }}}} 60 IN A 192.0.2.17"
    }}
    template IN TXT {{
{lines}
    }}
}}
{signed} {{
    bind 127.0.0.1
    tls {folder}/cert.pem {folder}/key.pem
    tsig {{
        secret key.test. {secret}
        require all
        require_opcode all
    }}
    transfer {{
        to *
    }}
    file {folder}/db.signed
}}
"""
LINE = '        answer "{{{{ .Name }}}} 60 IN TXT {n:02}{filler}"'
ZONE = "$TTL 60\n@ SOA ns admin 1 60 60 60 60\n@ NS ns\nns A 192.0.2.1\nwww A 192.0.2.6\n"
TEXTS = 20  # of 202 octets: more than any datagram takes that was not asked for


@dataclass
class World:
    """A server with every way in, and where each of them is."""

    server: Server
    ports: dict[str, int]
    metrics: int

    def way(self, kind: type[Way]) -> Way:
        """Return a client of a transport."""
        return kind(self.ports[kind.scheme], self.server.folder)

    def counted(self, way: type[Way]) -> float:
        """Return how many queries were counted on a transport's address."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics}/metrics", timeout=5) as page:
            text = page.read().decode()
        label = f'coredns_dns_requests_total{{family="1",proto="{way.proto}",server="{way.scheme}://127.0.0.1:'
        return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(label))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Start the server that all cases share."""
    server = Server(tmp_path_factory.mktemp("ways"))
    certify(server.folder)
    (server.folder / "db.signed").write_text(ZONE)
    ports = {scheme: free_port() for scheme in SCHEMES}
    metrics = free_port()

    def keys(zone: str) -> str:
        return " ".join(f"{scheme}://{zone}:{port}" for scheme, port in ports.items())

    lines = (
        "\n".join(LINE.format(n=n, filler="x" * 198) for n in range(TEXTS)).replace("{{{{", "{{").replace("}}}}", "}}")
    )
    text = BLOCKS.format(
        all=keys("a.test"),
        signed=keys("signed.test"),
        folder=server.folder,
        metrics=metrics,
        secret=SECRET,
        lines=lines,
    )
    server.configure(text)
    with server:
        yield World(server.start(), ports, metrics)
        assert "Traceback" not in server.log


@pytest.fixture(params=WAYS, ids=lambda way: way.name)
def way(request: pytest.FixtureRequest, world: World) -> Way:
    """Each way in turn."""
    kind: type[Way] = request.param
    return world.way(kind)


def query(name: str = "w.a.test.", qtype: str = "A", **more: object) -> dns.message.Message:
    """Return a query; DNS over QUIC wants 0 for its ID, so all have that."""
    made = dns.message.make_query(name, qtype, **more)  # type: ignore[arg-type]  # passed on as they are
    made.id = 0
    return made


def changed(wire: bytes, **fields: int) -> bytes:
    """Return a message with other header fields: `flags` are or-ed, counts are replaced."""
    header = list(struct.unpack("!6H", wire[:12]))
    header[1] |= fields.pop("flags", 0)
    for name, value in fields.items():
        header[("", "", "qd", "an", "ns", "ar").index(name)] = value
    return struct.pack("!6H", *header) + wire[12:]


def answered(reply: Reply) -> dns.message.Message:
    """Return a reply that is a DNS message."""
    assert isinstance(reply, bytes), reply
    return dns.message.from_wire(reply)


# What is answered -----------------------------------------------------------------------------------------------------


def test_an_address_is_answered_by_the_view_of_the_protocol(way: Way) -> None:
    reply = answered(way.ask(query("MiXed.A.test.").to_wire()))
    assert [str(rdata) for rdata in reply.answer[0]] == ["192.0.2.6" if way.proto == "tcp" else "192.0.2.17"]
    assert reply.question[0].name.to_text() == "MiXed.A.test."
    assert reply.id == 0 and reply.flags & dns.flags.QR


@pytest.mark.parametrize("size", [None, 1232, 4096])
def test_answers_are_cut_where_datagrams_are_and_only_there(way: Way, size: int | None) -> None:
    asked = query(qtype="TXT", use_edns=0, payload=size) if size else query(qtype="TXT")
    raw = way.ask(asked.to_wire())
    reply = answered(raw)
    whole = len(reply.answer[0]) == TEXTS
    assert whole is not bool(reply.flags & dns.flags.TC)
    if way.proto == "tcp":
        assert whole
    else:
        assert len(raw) <= (size or 512)


@pytest.mark.parametrize(
    ("changes", "rcode"),
    [
        ({"use_edns": 1}, dns.rcode.BADVERS),
        ({"rdclass": dns.rdataclass.CH}, dns.rcode.REFUSED),
        ({"qname": "elsewhere.example."}, dns.rcode.REFUSED),
        ({"qtype": "MX"}, dns.rcode.REFUSED),  # acl
    ],
    ids=["edns-1", "chaos", "zone", "acl-block"],
)
def test_what_is_refused_is_refused_everywhere(way: Way, changes: dict[str, object], rcode: dns.rcode.Rcode) -> None:
    wanted = {"qname": "w.a.test.", "qtype": "A", **changes}
    made = query(str(wanted.pop("qname")), str(wanted.pop("qtype")), **wanted)
    reply = answered(way.ask(made.to_wire()))
    assert reply.rcode() == rcode
    assert not reply.answer


def test_octets_behind_a_message_are_ignored(way: Way) -> None:
    assert answered(way.ask(query().to_wire() + b"more")).rcode() == dns.rcode.NOERROR


def test_a_query_that_is_dropped_gets_what_the_transport_has_for_it(way: Way) -> None:
    found = way.ask(query(qtype="SRV").to_wire())
    assert found == way.dropped


def test_a_notify_goes_its_way(way: Way) -> None:
    made = query()
    made.set_opcode(dns.opcode.NOTIFY)
    reply = answered(way.ask(made.to_wire()))
    assert reply.opcode() == dns.opcode.NOTIFY
    assert reply.rcode() != dns.rcode.NOTIMP


@pytest.mark.parametrize("octets", [0, 77])
def test_padding_is_answered_with_padding_where_nobody_reads_along(way: Way, octets: int) -> None:
    sent = dns.edns.GenericOption(dns.edns.OptionType.PADDING, bytes(octets))
    reply = way.ask(query(use_edns=0, options=[sent]).to_wire())
    found = [option for option in answered(reply).options if option.otype == dns.edns.OptionType.PADDING]
    assert len(found) == 1
    if way.name in ("udp", "tcp"):
        assert len(found[0].to_wire()) == octets  # as the reference, which sends it back
    else:
        assert len(reply) == 468


def test_only_clients_of_tls_are_told_how_long_they_may_be_idle(way: Way) -> None:
    if way.name == "doq":  # a protocol error there, RFC 9250 §5.5.2
        return
    sent = dns.edns.GenericOption(dns.edns.OptionType.KEEPALIVE, b"")
    (found,) = answered(way.ask(query(use_edns=0, options=[sent]).to_wire())).options
    assert found.to_wire() == ((100).to_bytes(2, "big") if way.name == "dot" else b"")


# What is no query -----------------------------------------------------------------------------------------------------

OPCODES = [number for number in range(1, 16) if number != dns.opcode.NOTIFY]
WIRE = query().to_wire()


@pytest.mark.parametrize(
    ("wire", "rcode"),
    [
        *(pytest.param(changed(WIRE, flags=code << 11), dns.rcode.NOTIMP, id=f"opcode-{code}") for code in OPCODES),
        *(pytest.param(changed(WIRE, qd=count), dns.rcode.FORMERR, id=f"qd-{count}") for count in (0, 2, 65535)),
        pytest.param(changed(WIRE, an=2), dns.rcode.FORMERR, id="an-2"),
        pytest.param(changed(WIRE, ns=2), dns.rcode.FORMERR, id="ns-2"),
        pytest.param(changed(WIRE, ar=3), dns.rcode.FORMERR, id="ar-3"),
        pytest.param(WIRE[:20], dns.rcode.FORMERR, id="cut"),
        pytest.param(WIRE[:12] + b"\xc0\xff\0\1\0\1", dns.rcode.FORMERR, id="pointer"),
    ],
)
def test_what_is_no_query_is_screened(way: Way, wire: bytes, rcode: dns.rcode.Rcode) -> None:
    found = way.ask(wire)
    if way.rejects:
        assert found == way.rejects
        return
    assert isinstance(found, bytes)
    assert found[3] & 15 == rcode
    assert found[2] & 0x80


@pytest.mark.parametrize("wire", [changed(WIRE, flags=0x8000), WIRE[:11]], ids=["response", "short"])
def test_what_must_not_be_answered_is_not(way: Way, wire: bytes) -> None:
    assert way.ask(wire) == (way.rejects or SILENCE)


# Signatures -----------------------------------------------------------------------------------------------------------


def signed(kind: str, qtype: str, opcode: dns.opcode.Opcode) -> bytes:
    """Return a query that is signed in one way."""
    made = query("signed.test.", qtype)
    made.set_opcode(opcode)
    if kind == "none":
        return made.to_wire()
    secret = b"other" if kind == "bad mac" else SECRET
    name = dns.name.from_text("unknown.test.") if kind == "bad key" else KEY
    keyring = {name: dns.tsig.Key(name, secret, dns.tsig.HMAC_SHA256)}
    made.use_tsig(keyring, name, original_id=0)
    shift = 3600 if kind == "bad time" else 0
    real = time.time
    time.time = lambda: real() - shift  # dnspython asks the clock itself
    try:
        wire: bytes = made.to_wire()
    finally:
        time.time = real
    return cut_mac(wire) if kind == "cut mac" else wire


def cut_mac(wire: bytes) -> bytes:
    """Return a signed message with half of its MAC."""
    mac: bytes = dns.message.from_wire(wire, ignore_trailing=True, keyring=False).tsig[0].mac  # type: ignore[index]
    at = wire.rindex(mac) - 2
    short = mac[:8]
    rdata_end = wire[at + 2 + len(mac) :]
    head = wire[:at]
    length_at = head.rindex(b"\x0bhmac-sha256\0") - 2
    size = int.from_bytes(head[length_at : length_at + 2], "big") - len(mac) + len(short)
    return head[:length_at] + size.to_bytes(2, "big") + head[length_at + 2 :] + b"\0\x08" + short + rdata_end


@pytest.mark.parametrize(("qtype", "opcode"), [("SOA", 0), ("AXFR", 0), ("SOA", 4)], ids=["query", "axfr", "notify"])
@pytest.mark.parametrize("kind", ["none", "bad key", "bad mac", "bad time", "cut mac", "good"])
def test_only_good_signatures_pass(way: Way, kind: str, qtype: str, opcode: int) -> None:
    wire = signed(kind, qtype, dns.opcode.Opcode(opcode))
    found = way.ask(wire)
    if kind == "good" and opcode == dns.opcode.NOTIFY:
        assert found == way.dropped  # it got as far as `file`, which drops it: the zone is nobody's secondary
        return
    assert isinstance(found, bytes), found
    rcode = found[3] & 15
    if kind == "none":
        assert rcode == dns.rcode.REFUSED
    elif kind == "good":
        refused = way.proto == "udp" and qtype == "AXFR"
        assert (rcode == dns.rcode.REFUSED) if refused else rcode != dns.rcode.NOTAUTH
    else:
        assert rcode == dns.rcode.NOTAUTH
        error = {"bad key": 17, "bad mac": 16, "bad time": 18, "cut mac": 16}[kind]
        assert int.from_bytes(found[-(4 if error != 18 else 10) :][:2], "big") == error
    if kind != "good":
        assert found[6:8] == b"\0\0"  # nothing of the zone


# What is seen of it ---------------------------------------------------------------------------------------------------


def test_every_query_is_counted_and_logged(way: Way, world: World) -> None:
    kind = type(way)
    before = world.counted(kind)
    name = f"seen-{kind.name}.a.test."
    for _ in range(3):
        way.ask(query(name).to_wire())
    until(lambda: world.counted(kind) >= before + 3)
    assert world.counted(kind) == before + 3
    until(lambda: world.server.log.count(f"[INFO] query {name} {kind.proto} NOERROR") == 3)


def test_nobody_died_of_it(world: World) -> None:
    assert "died" not in world.server.log
    assert "Recovered from panic" not in world.server.log
