"""The same rules over QUIC as everywhere: acl, tsig, sizes, views, metrics, log, by DoQ and by HTTP/3."""

from __future__ import annotations

import re
import time
import urllib.request
from collections.abc import Iterator

import dns.flags
import dns.message
import dns.rcode
import dns.tsig
import dns.tsigkeyring
import pytest

from tests.bench.run import free_port

from .harness import Server, until

pytest.importorskip("aioquic")
from .qh3_client import Qh3
from .quic import Client, Quic, question

pytestmark = pytest.mark.system
SECRET = "Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4"
OTHER = "d3Jvbmd3cm9uZ3dyb25nd3Jvbmc="
RULES = """    prometheus 127.0.0.1:{metrics}
    log . "said {{name}} {{proto}} {{>bufsize}} {{rcode}}"
    acl drop.test {{
        drop
    }}
    acl blocked.test {{
        block
    }}
    template IN TXT long.test {{
        answer "{{{{ .Name }}}} 60 IN TXT {text}"
        answer "{{{{ .Name }}}} 60 IN TXT b{text}"
        answer "{{{{ .Name }}}} 60 IN TXT c{text}"
    }}"""
MORE = """https3://view.test:{h3} quic://view.test:{port} {{
    bind 127.0.0.1
    tls {folder}/cert.pem {folder}/key.pem
    view ours {{
        expr type() == 'AAAA'
    }}
    template ANY ANY {{
        rcode NXDOMAIN
    }}
}}
https3://signed.test:{h3} quic://signed.test:{port} {{
    bind 127.0.0.1
    tls {folder}/cert.pem {folder}/key.pem
    tsig {{
        secret key.test. {secret}
        require all
    }}
    whoami
}}
"""


class Rules:
    """A server with many rules, and the two ways to ask it."""

    def __init__(self, quic: Quic, metrics: int) -> None:
        self.quic = quic
        self.metrics = metrics

    def ask(self, way: str, query: dns.message.Message | bytes) -> dns.message.Message | int:
        """Return the answer, or what there is instead: the code of a reset, or an HTTP status."""
        wire = query if isinstance(query, bytes) else query.to_wire()
        return self._doq(wire) if way == "doq" else self._doh3(wire)

    def _doq(self, wire: bytes) -> dns.message.Message | int:
        with Client(self.quic.port) as client:
            stream = client.write(len(wire).to_bytes(2, "big") + wire, True)
            client.until(lambda: stream in client.ended or stream in client.resets)
            if stream in client.resets:
                return client.resets[stream]
            return dns.message.from_wire(client.got[stream][2:], keyring=False, ignore_trailing=True)

    def _doh3(self, wire: bytes) -> dns.message.Message | int:
        client = Qh3(self.quic.h3, "h3")
        try:
            status, _, body = client.request(b"POST", b"/dns-query", wire)
        finally:
            client.close()
        return status if status != 200 else dns.message.from_wire(body, keyring=False, ignore_trailing=True)

    def figure(self, pattern: str) -> float:
        """Return the sum of the metrics whose line matches."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics}/metrics", timeout=5) as response:
            lines = response.read().decode().splitlines()
        return sum(float(line.split()[-1]) for line in lines if re.match(pattern, line))


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rules]:
    """Return a running server."""
    metrics = free_port()
    with Server(tmp_path_factory.mktemp("rules")) as server:
        quic = Quic(server, RULES.format(metrics=metrics, text="x" * 240))
        more = MORE.format(h3=quic.h3, port=quic.port, folder=server.folder, secret=SECRET)
        server.configure(quic.text() + more)
        server.start()
        yield Rules(quic, metrics)


WAYS = pytest.mark.parametrize("way", ["doq", "doh3"])


@WAYS
def test_acl_drops_and_blocks(rules: Rules, way: str) -> None:
    assert rules.ask(way, question("a.drop.test")) == (5 if way == "doq" else 500)
    answer = rules.ask(way, question("a.blocked.test"))
    assert isinstance(answer, dns.message.Message) and answer.rcode() == dns.rcode.REFUSED


@WAYS
@pytest.mark.parametrize(("size", "truncated"), [(None, True), (600, True), (1400, False)])
def test_answers_are_as_long_as_over_udp(rules: Rules, way: str, size: int | None, truncated: bool) -> None:
    query = question("a.long.test", "TXT")
    if size is not None:
        query.use_edns(0, payload=size)
    answer = rules.ask(way, query)
    assert isinstance(answer, dns.message.Message)
    assert bool(answer.flags & dns.flags.TC) is truncated
    assert len(answer.to_wire()) <= (size or 512)


@WAYS
@pytest.mark.parametrize(
    ("key", "secret", "late_s", "rcode"),
    [
        pytest.param("key.test.", SECRET, 0, dns.rcode.NOERROR, id="rightly signed"),
        pytest.param("key.test.", OTHER, 0, dns.rcode.NOTAUTH, id="another secret"),
        pytest.param("other.test.", SECRET, 0, dns.rcode.NOTAUTH, id="another key"),
        pytest.param("key.test.", SECRET, 600, dns.rcode.NOTAUTH, id="too late"),
        pytest.param("", "", 0, dns.rcode.REFUSED, id="not signed"),
    ],
)
def test_only_rightly_signed_queries_pass(
    rules: Rules, way: str, key: str, secret: str, late_s: int, rcode: dns.rcode.Rcode
) -> None:
    query = question("a.signed.test")
    if key:
        query.use_tsig(dns.tsigkeyring.from_text({key: secret}), key, algorithm=dns.tsig.HMAC_SHA256)
    with pytest.MonkeyPatch.context() as patch:
        then = time.time() - late_s
        patch.setattr(time, "time", lambda: then)
        wire = query.to_wire()
    answer = rules.ask(way, wire)
    assert isinstance(answer, dns.message.Message) and answer.rcode() == rcode


@WAYS
def test_views_choose_by_the_query(rules: Rules, way: str) -> None:
    wanted = rules.ask(way, question("a.view.test", "AAAA"))
    assert isinstance(wanted, dns.message.Message) and wanted.rcode() == dns.rcode.NXDOMAIN
    other = rules.ask(way, question("a.view.test", "A"))
    assert isinstance(other, dns.message.Message) and other.rcode() == dns.rcode.NOERROR


@pytest.mark.parametrize(("way", "status"), [("doq", "0x0"), ("doh3", "200")])
def test_answers_are_counted_and_logged(rules: Rules, way: str, status: str) -> None:
    name, label = ("quic", rules.quic.port) if way == "doq" else ("https3", rules.quic.h3)
    server = f"{'quic' if way == 'doq' else 'https3'}://127.0.0.1:{label}"
    responses = rf'coredns_dns_{name}_responses_total{{server="{server}",status="{status}"}}'
    requests = rf'coredns_dns_requests_total{{.*proto="udp",server="{server}".*'
    before = rules.figure(responses), rules.figure(requests)
    for _ in range(4):  # the last ones out of the memo
        answer = rules.ask(way, question(f"{way}.example.org"))
        assert isinstance(answer, dns.message.Message)
    assert (rules.figure(responses), rules.figure(requests)) == (before[0] + 4, before[1] + 4)
    until(lambda: rules.quic.server.count(f"[INFO] said {way}.example.org. udp 512 NOERROR") == 4)


def _headers() -> list[object]:
    good = question().to_wire()

    def changed(at: int, value: int) -> bytes:
        return good[:at] + bytes((value,)) + good[at + 1 :]

    return [
        pytest.param(changed(2, good[2] | 0x80), id="a response"),
        *(pytest.param(changed(2, code << 3), id=f"opcode {code}") for code in (1, 2, 3, 5, 6, 15)),
        pytest.param(changed(5, 0), id="no question"),
        pytest.param(changed(5, 2), id="two questions"),
        pytest.param(good[:4] + b"\xff\xff" + good[6:], id="65535 questions"),
        pytest.param(changed(7, 2), id="two answers"),
        pytest.param(changed(11, 3), id="three additional"),
        pytest.param(good[:11], id="11 octets"),
    ]


@WAYS
@pytest.mark.parametrize("wire", _headers())
def test_what_is_no_query_is_refused(rules: Rules, way: str, wire: bytes) -> None:
    if way == "doh3":
        assert rules.ask(way, wire) == 400
        return
    with Client(rules.quic.port) as client:
        client.write(len(wire).to_bytes(2, "big") + wire, True)
        assert client.wait_closed() == 2
