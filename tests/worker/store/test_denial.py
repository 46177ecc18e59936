"""Proofs of what does not exist: the answers of RFC 4035 appendix B and RFC 5155 appendix B, and beyond."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import pytest

from shardns.worker.plugin import SetupError
from shardns.worker.store.hashed import Chain, digest, hash_of, label
from shardns.worker.store.walk import walk
from shardns.worker.wire.names import from_text
from shardns.worker.wire.packed import unpack

from .prover import Bogus, Prover
from .serving import Server

# The zone of RFC 4035 appendix A, which is nearly that of RFC 5155 appendix A.
RECORDS = """
@ SOA ns1 bugs.x.w 1081539377 3600 300 3600000 3600
@ NS ns1
@ NS ns2
@ MX 1 xx
@ DNSKEY 257 3 8 AQOy1bZVvpPqhg4j7EJoM9rI3ZmyEx2OzDBVrZy/lvI5CQePxXHZS4i8dANH4DX3tbHol61ek8EFMcsGXxKciJFHyhl94C+NwILQ
a NS ns1.a
a NS ns2.a
a DS 57855 5 1 B6DCD485719ADCA18E5F3D48A2331627FDD3636B
ns1.a A 192.0.2.5
ns2.a A 192.0.2.6
ai A 192.0.2.9
ai HINFO "KLH-10" "ITS"
ai AAAA 2001:db8:0:0:0:0:f00:baa9
b NS ns1.b
b NS ns2.b
ns1.b A 192.0.2.7
ns2.b A 192.0.2.8
ns1 A 192.0.2.1
ns2 A 192.0.2.2
*.w MX 1 ai
x.w MX 1 xx
x.y.w MX 1 xx
xx A 192.0.2.10
xx HINFO "KLH-10" "TOPS-20"
xx AAAA 2001:db8:0:0:0:0:f00:baaa
"""
NSEC = """
@ NSEC a.example. NS SOA MX RRSIG NSEC DNSKEY
a NSEC ai.example. NS DS RRSIG NSEC
ai NSEC b.example. A HINFO AAAA RRSIG NSEC
b NSEC ns1.example. NS RRSIG NSEC
ns1 NSEC ns2.example. A RRSIG NSEC
ns2 NSEC *.w.example. A RRSIG NSEC
*.w NSEC x.w.example. MX RRSIG NSEC
x.w NSEC x.y.w.example. MX RRSIG NSEC
x.y.w NSEC xx.example. MX RRSIG NSEC
xx NSEC example. A HINFO AAAA RRSIG NSEC
"""
CHAIN = """
0p9mhaveqvm6t7vbl5lop2u3t2rp3tom 2t7b4g4vsa5smi47k61mv5bv1a22bojr MX DNSKEY NS SOA NSEC3PARAM RRSIG
2t7b4g4vsa5smi47k61mv5bv1a22bojr 2vptu5timamqttgl4luu9kg21e0aor3s A RRSIG
2vptu5timamqttgl4luu9kg21e0aor3s 35mthgpgcu1qg68fab165klnsnk3dpvl MX RRSIG
35mthgpgcu1qg68fab165klnsnk3dpvl b4um86eghhds6nea196smvmlo4ors995 NS DS RRSIG
b4um86eghhds6nea196smvmlo4ors995 gjeqe526plbf1g8mklp59enfd789njgi MX RRSIG
gjeqe526plbf1g8mklp59enfd789njgi ji6neoaepv8b5o6k4ev33abha8ht9fgc HINFO A AAAA RRSIG
ji6neoaepv8b5o6k4ev33abha8ht9fgc k8udemvp1j2f7eg6jebps17vp3n8i58h
k8udemvp1j2f7eg6jebps17vp3n8i58h kohar7mbb8dc2ce8a9qvl8hon4k53uhi
kohar7mbb8dc2ce8a9qvl8hon4k53uhi q04jkcevqvmu85r014c7dkba38o0ji5r A RRSIG
q04jkcevqvmu85r014c7dkba38o0ji5r r53bq7cc2uvmubfu5ocmm6pers9tk9en A RRSIG
r53bq7cc2uvmubfu5ocmm6pers9tk9en t644ebqk9bibcna874givr6joj62mlhv MX RRSIG
t644ebqk9bibcna874givr6joj62mlhv 0p9mhaveqvm6t7vbl5lop2u3t2rp3tom HINFO A AAAA RRSIG
"""
# The name whose address RFC 5155 has beside the others: the hash of an NSEC3 owner, as a name of its own.
NAMED_LIKE_A_HASH = "2t7b4g4vsa5smi47k61mv5bv1a22bojr A 192.0.2.127\n"
CUTS = ("a", "b", "c")
GLUE = tuple(f"ns{number}.{cut} " for number in (1, 2) for cut in CUTS)
SIGNATURE = "8 {labels} 3600 20450101000000 20240101000000 38519 example. AAAA"


def signed(records: str) -> str:
    """Return the records with an empty signature for each set that a signer would sign."""
    lines = ["$ORIGIN example.", "$TTL 3600"]
    seen: set[tuple[str, str]] = set()
    for line in records.split("\n"):
        lines.append(line)
        if not line or line.startswith(GLUE):
            continue
        owner, rtype = line.split()[:2]
        if (owner, rtype) in seen or (owner in CUTS and rtype == "NS"):
            continue
        seen.add((owner, rtype))
        labels = 1 if owner == "@" else 1 + len(owner.removeprefix("*.").split("."))
        lines.append(f"{owner} RRSIG {rtype} " + SIGNATURE.format(labels=labels))
    return "\n".join(lines) + "\n"


def hashed(flags: int = 1) -> str:
    """Return the zone of RFC 5155 appendix A."""
    chain = "\n".join(
        f"{owner} NSEC3 1 {flags} 12 aabbccdd {rest}"
        for owner, rest in (line.split(" ", 1) for line in CHAIN.strip().split("\n"))
    )
    records = re.sub(r"\bb\b", "c", RECORDS)  # there the unsigned delegation has another name
    return signed(f"{records}{NAMED_LIKE_A_HASH}@ NSEC3PARAM 1 0 12 aabbccdd\n{chain}\n")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def serve(folder: Path) -> Iterator[object]:
    made: list[Server] = []

    def start(text: str, more: str = "") -> Server:
        (folder / "db").write_text(text)
        server = Server(f"example {{\n file {folder}/db {{\n {more}\n }}\n}}", folder)
        made.append(server)
        server.load()
        return server

    yield start
    for server in made:
        server.stores.close()


def ask(server: Server, name: str, rtype: str) -> dns.message.Message:
    """Return the answer to a client that wants proofs."""
    query = dns.message.make_query(name, rtype, want_dnssec=True, payload=4096)
    wire = server.exchange(query.to_wire(), "tcp")
    assert wire is not None
    return dns.message.from_wire(wire)


def proof(answer: dns.message.Message) -> set[str]:
    """Return the owners of the denials, hashes cut to four characters as the RFC's authors speak of them."""
    found = {
        r.name.relativize(dns.name.from_text("example.")).to_text() for r in answer.authority if r.rdtype in (47, 50)
    }
    return {owner[:4] if len(owner) == 32 else owner for owner in found}


def judge(answer: dns.message.Message) -> None:
    """Let a validator look at an answer; the signatures themselves are empty."""
    Prover(dns.name.from_text("example."), None).check(answer)


@pytest.mark.parametrize(
    ("name", "rtype", "rcode", "wanted"),
    [
        pytest.param("x.w.example.", "MX", "NOERROR", set(), id="B.1 answer"),
        pytest.param("ml.example.", "A", "NXDOMAIN", {"b", "@"}, id="B.2 name error"),
        pytest.param("ns1.example.", "MX", "NOERROR", {"ns1"}, id="B.3 no data"),
        pytest.param("mc.a.example.", "MX", "NOERROR", set(), id="B.4 referral to a signed zone"),
        pytest.param("mc.b.example.", "MX", "NOERROR", {"b"}, id="B.5 referral to an unsigned zone"),
        pytest.param("a.z.w.example.", "MX", "NOERROR", {"x.y.w"}, id="B.6 wildcard expansion"),
        pytest.param("a.z.w.example.", "AAAA", "NOERROR", {"x.y.w", "*.w"}, id="B.7 wildcard no data"),
        pytest.param("example.", "DS", "NOERROR", {"@"}, id="B.8 DS of the child"),
        pytest.param("y.w.example.", "A", "NOERROR", {"x.w"}, id="empty non-terminal"),
        pytest.param("zz.example.", "A", "NXDOMAIN", {"xx", "@"}, id="behind the last name"),
        pytest.param("bb.example.", "A", "NXDOMAIN", {"b", "@"}, id="behind glue"),
        pytest.param("b.example.", "DS", "NOERROR", {"b"}, id="DS of an unsigned delegation"),
    ],
)  # fmt: skip
def test_an_nsec_zone_answers_as_rfc_4035_shows(
    name: str, rtype: str, rcode: str, wanted: set[str], serve: object
) -> None:
    answer = ask(serve(signed(RECORDS + NSEC), "complete_proofs"), name, rtype)  # type: ignore[operator]  # the fixture
    assert dns.rcode.to_text(answer.rcode()) == rcode
    assert proof(answer) == wanted
    judge(answer)


@pytest.mark.parametrize(
    ("name", "rtype", "rcode", "wanted"),
    [
        pytest.param("a.c.x.w.example.", "A", "NXDOMAIN", {"0p9m", "b4um", "35mt"}, id="B.1 name error"),
        pytest.param("ns1.example.", "MX", "NOERROR", {"2t7b"}, id="B.2 no data"),
        pytest.param("y.w.example.", "A", "NOERROR", {"ji6n"}, id="B.2.1 empty non-terminal"),
        pytest.param("mc.c.example.", "MX", "NOERROR", {"35mt", "0p9m"}, id="B.3 referral to an opt-out delegation"),
        pytest.param("a.z.w.example.", "MX", "NOERROR", {"q04j"}, id="B.4 wildcard expansion"),
        pytest.param("a.z.w.example.", "AAAA", "NOERROR", {"k8ud", "q04j", "r53b"}, id="B.5 wildcard no data"),
        pytest.param("example.", "DS", "NOERROR", {"0p9m"}, id="B.6 DS of the child"),
        pytest.param("mc.a.example.", "MX", "NOERROR", set(), id="referral to a signed zone"),
        pytest.param("c.example.", "DS", "NOERROR", {"35mt", "0p9m"}, id="DS of an opt-out delegation"),
        pytest.param("35mthgpgcu1qg68fab165klnsnk3dpvl.example.", "NSEC3", "NXDOMAIN", {"0p9m", "gjeq"},
                     id="the owner of an NSEC3 record is no name"),
    ],
)  # fmt: skip
def test_an_nsec3_zone_answers_as_rfc_5155_shows(
    name: str, rtype: str, rcode: str, wanted: set[str], serve: object
) -> None:
    answer = ask(serve(hashed()), name, rtype)  # type: ignore[operator]  # the fixture
    assert dns.rcode.to_text(answer.rcode()) == rcode
    assert proof(answer) == wanted
    judge(answer)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("example.", b"0p9mhaveqvm6t7vbl5lop2u3t2rp3tom"),
        ("a.example.", b"35mthgpgcu1qg68fab165klnsnk3dpvl"),
        ("*.w.example.", b"r53bq7cc2uvmubfu5ocmm6pers9tk9en"),
        ("x.y.w.example.", b"2vptu5timamqttgl4luu9kg21e0aor3s"),
        ("2t7b4g4vsa5smi47k61mv5bv1a22bojr.example.", b"kohar7mbb8dc2ce8a9qvl8hon4k53uhi"),
    ],
)
def test_names_are_hashed_as_rfc_5155_appendix_a_lists_them(name: str, wanted: bytes) -> None:
    value = digest(from_text(name), Chain(12, bytes.fromhex("aabbccdd")))
    assert label(value) == b"\x20" + wanted
    assert hash_of(label(value) + from_text("example.")) == value


# Beyond the appendices --------------------------------------------------------------------------------------------

MORE = """
*.al CNAME ai
gone CNAME nowhere
lacks CNAME ns1
dn DNAME w
"""
MORE_NSEC = """
@ NSEC a.example. NS SOA MX RRSIG NSEC DNSKEY
a NSEC ai.example. NS DS RRSIG NSEC
ai NSEC *.al.example. A HINFO AAAA RRSIG NSEC
*.al NSEC b.example. CNAME RRSIG NSEC
b NSEC dn.example. NS RRSIG NSEC
dn NSEC gone.example. DNAME RRSIG NSEC
gone NSEC lacks.example. CNAME RRSIG NSEC
lacks NSEC ns1.example. CNAME RRSIG NSEC
ns1 NSEC ns2.example. A RRSIG NSEC
ns2 NSEC *.w.example. A RRSIG NSEC
*.w NSEC x.w.example. MX RRSIG NSEC
x.w NSEC x.y.w.example. MX RRSIG NSEC
x.y.w NSEC xx.example. MX RRSIG NSEC
xx NSEC example. A HINFO AAAA RRSIG NSEC
"""
LEFT_OUT = [
    pytest.param("mc.b.example.", "MX", id="insecure referral"),
    pytest.param("a.z.w.example.", "AAAA", id="wildcard no data"),
    pytest.param("x.al.example.", "A", id="wildcard alias"),
    pytest.param("gone.example.", "A", id="alias to nothing"),
    pytest.param("lacks.example.", "MX", id="alias to a name without the type"),
    pytest.param("z.y.w.example.", "A", id="below an empty non-terminal"),
]


@pytest.mark.parametrize(("name", "rtype"), LEFT_OUT)
def test_what_the_reference_leaves_out_is_there_on_request(name: str, rtype: str, serve: object) -> None:
    judge(ask(serve(signed(RECORDS + MORE + MORE_NSEC), "complete_proofs"), name, rtype))  # type: ignore[operator]


@pytest.mark.parametrize("chain", ["NSEC", "NSEC3"])
def test_no_answer_depends_on_what_was_asked_before(chain: str, serve: object) -> None:
    server = serve(signed(RECORDS + NSEC) if chain == "NSEC" else hashed(), "complete_proofs")  # type: ignore[operator]
    names = ["y.w", "z.y.w", "a.y.w", "w", "z.w", "y.z.w", "x.x.w", "ai", "m.ai", "b.ai", "q", "r.q", "xx", "*.y.w"]
    questions = [(f"{name}.example.", rtype) for name in names for rtype in ("A", "TXT", "MX")]
    order = questions * 4
    random.Random(5).shuffle(order)
    seen: dict[tuple[str, str], str] = {}
    for question in order:
        answer = ask(server, *question)
        judge(answer)
        answer.id = 0
        assert seen.setdefault(question, answer.to_text()) == answer.to_text()


@pytest.mark.parametrize(("name", "rtype"), LEFT_OUT)
def test_without_the_request_answers_are_the_reference_s(name: str, rtype: str, serve: object) -> None:
    with pytest.raises(Bogus):
        judge(ask(serve(signed(RECORDS + MORE + MORE_NSEC)), name, rtype))  # type: ignore[operator]  # the fixture


def test_a_client_without_do_gets_no_proofs(serve: object) -> None:
    server = serve(hashed())  # type: ignore[operator]  # the fixture
    wire = server.exchange(dns.message.make_query("ml.example.", "A").to_wire(), "tcp")
    assert [r.rdtype for r in dns.message.from_wire(wire).authority] == [dns.rdatatype.SOA]


@pytest.mark.parametrize(
    ("change", "name"),
    [
        pytest.param(lambda text: text.replace("@ NSEC3PARAM 1 0 12 aabbccdd\n", ""), "", id="without parameters"),
        pytest.param(lambda text: text.replace("NSEC3PARAM 1 0 12", "NSEC3PARAM 1 0 13"), "example.", id="of others"),
        pytest.param(lambda text: text.replace("NSEC3PARAM 1 0 12", "NSEC3PARAM 1 1 12"), "example.", id="with flags"),
        pytest.param(lambda text: text.replace("k8ud", "k9ud", 1), "example.", id="a gap"),
        pytest.param(lambda text: signed(RECORDS + "@ NSEC3PARAM 1 0 12 aabbccdd\n"), "example.", id="no chain"),
    ],
)
def test_a_chain_that_proves_nothing_refuses_the_zone(change: object, name: str, serve: object) -> None:
    with pytest.raises(SetupError, match=rf"NSEC3 zone is not supported, dropping RR: \S*{name} for zone: example\."):
        serve(change(hashed()))  # type: ignore[operator]  # the fixture


def test_an_nsec3_zone_is_transferred_whole(serve: object) -> None:
    server = serve(hashed())  # type: ignore[operator]  # the fixture
    store = server.stores.store
    store.begin()
    zone = server.files[0].transferable(from_text("example."))
    owners = [rrset.owner for names in walk(zone) for wire, _ in names for rrset in unpack(wire) if rrset.rtype == 50]
    store.end()
    assert len(owners) == 12
    assert owners == sorted(owners) and all(len(owner) == 33 + len(from_text("example.")) for owner in owners)
