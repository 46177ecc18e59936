"""`dnssec`: keys, what is signed with which times, denials made for the question, the cache of signatures."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import dns.dnssec
import dns.message
import dns.name
import dns.rdatatype
import dns.rrset
import pytest
from dns.rdatatype import DNSKEY, DS, NSEC, RRSIG, SOA

from shardns.config.draft import Draft
from shardns.plugins.dnssec import load
from shardns.plugins.dnssec.dnssec import Dnssec
from shardns.plugins.dnssec.lies import after, after_below
from shardns.plugins.dnssec.options import AWS, Keys, Options
from shardns.plugins.dnssec.signatures import Signatures
from shardns.worker.plugin import SetupError
from shardns.worker.query import Query
from shardns.worker.reply import Reply, ServFail
from shardns.worker.wire.codes import TYPE_CODE, A
from shardns.worker.wire.edns import DO, Edns
from shardns.worker.wire.names import from_text
from shardns.worker.wire.records import EMPTY, RRset, Section
from shardns.worker.zone.keys import KeyPair, base_name, pair, public
from tests.plugins.keys import write_pair
from tests.plugins.small import message, options, refusal
from tests.worker.fakes import FakeSite, query
from tests.worker.store.serving import Server

ZONE = """
$TTL 1800
@ SOA ns1 hostmaster 1 7200 3600 1209600 300
@ NS ns1
@ MX 10 A
a A 192.0.2.1
a AAAA 2001:db8::1
www CNAME a
*.wild TXT "wild"
deleg NS ns.deleg
deleg DS 4711 13 2 0102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F20
ns.deleg A 192.0.2.2
unsigned NS ns.unsigned
ns.unsigned A 192.0.2.3
dn DNAME a
far CNAME target.example.com.
"""
ORIGIN = dns.name.from_text("miek.nl.")
APEX_TYPES = "A NS SOA HINFO MX TXT AAAA LOC SRV CERT SSHFP RRSIG NSEC DNSKEY TLSA HIP OPENPGPKEY SPF"
NAME_TYPES = "A HINFO TXT AAAA LOC SRV CERT SSHFP RRSIG NSEC TLSA HIP OPENPGPKEY SPF"
CUT_TYPES = "A NS HINFO TXT AAAA LOC SRV CERT SSHFP RRSIG NSEC TLSA HIP OPENPGPKEY SPF"
Ask = Callable[..., dns.message.Message]


def plugin(folder: Path, *keys: str, zones: str = "miek.nl") -> Dnssec:
    """Return the plugin with keys from a folder."""
    lines = "".join(f" key file {key}\n" for key in keys)
    found = options(Options, f"dnssec {zones} {{\n{lines}}}" if lines else f"dnssec {zones}")
    return Dnssec(found, cast(Any, FakeSite()))


def signed(layer: Dnssec, asked: Query, below: Callable[[Query], Reply]) -> Reply:
    """Return what the layer makes of the reply from below."""
    steps = layer.around(asked)
    item = next(steps)
    if isinstance(item, Query):
        item = steps.send(below(item))
    assert isinstance(item, Reply)
    return item


def do(name: str, rtype: str, wants: bool = True) -> Query:
    """Return a query, by default one that wants signatures."""
    return query(name, TYPE_CODE[rtype], via="tcp", opt=Edns(4096, flags=DO) if wants else None)


@pytest.fixture
def ask(tmp_path: Path) -> Iterator[Ask]:
    (tmp_path / "db").write_text(ZONE)
    server = Server(f"miek.nl {{\n file {tmp_path}/db\n}}", tmp_path)
    server.load()

    def answer(layer: Dnssec, name: str, rtype: str, wants: bool = True) -> dns.message.Message:
        server.stores.store.begin()
        try:
            asked = do(name, rtype, wants)
            reply = signed(layer, asked, lambda inner: cast(Reply, server.resolve(inner)))
            wire = message(asked, reply).to_wire()
        finally:
            server.stores.store.end()
        return dns.message.from_wire(wire)

    yield answer
    server.stores.close()


def validate(layer: Dnssec, section: list[dns.rrset.RRset], at: dns.name.Name = ORIGIN) -> int:
    """Validate all signed sets of a section; returns how many there are."""
    keys = dns.rrset.from_rdata_list(
        at, 60, [dns.rdata.from_wire("IN", DNSKEY, key.rdata, 0, len(key.rdata)) for key in layer.keys]
    )
    found = 0
    for signature in (rrset for rrset in section if rrset.rdtype == RRSIG):
        covered = next(r for r in section if r.name == signature.name and r.rdtype == signature.covers)
        dns.dnssec.validate(covered, signature, {at: keys})
        found += 1
    return found


def nsec_of(section: list[dns.rrset.RRset]) -> str:
    """Return the NSEC record of a section as text."""
    return next(rrset.to_text() for rrset in section if rrset.rdtype == NSEC)


# Set-up ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("dnssec {\n key\n}", "Wrong argument count or unexpected line ending after 'key'"),
        ("dnssec {\n key file\n}", "Wrong argument count or unexpected line ending after 'file'"),
        ("dnssec {\n key aws_secretsmanager\n}", "unexpected line ending after 'aws_secretsmanager'"),
        ("dnssec {\n cache_capacity\n}", "unexpected line ending after 'cache_capacity'"),
        ("dnssec {\n cache_capacity 1 2\n}", "unknown property '2'"),
        ("dnssec {\n cache_capacity x\n}", 'strconv.Atoi: parsing "x": invalid syntax'),
        ("dnssec {\n nothing\n}", "unknown property 'nothing'"),
        ("dnssec {\n key other x\n}", "unknown property 'x'"),
        ("dnssec\ndnssec", "this plugin can only be used once per Server Block"),
    ],
)
def test_a_wrong_line_is_refused_as_the_reference_refuses_it(text: str, wanted: str) -> None:
    assert wanted in refusal(Options, text)


def test_the_defaults_and_a_source_that_is_not_known_are_accepted() -> None:
    assert options(Options, "dnssec").cache_capacity == 10000
    assert options(Options, "dnssec {\n key other\n}").key[0].names == ()


def test_relative_key_names_stand_below_root() -> None:
    found = options(Options, "dnssec {\n key file K1 /K2.key\n}", Draft(root="/keys"))
    assert found.key[0].names == ("/keys/K1", "/K2.key")
    assert [base_name(name) for name in found.key[0].names] == ["/keys/K1", "/K2"]


def test_a_key_for_another_zone_is_refused(tmp_path: Path) -> None:
    base = write_pair(tmp_path, "cluster.local.")
    with pytest.raises(
        SetupError, match=r"^plugin/dnssec: key cluster\.local\. \(keyid: \d+\) can not sign any of the"
    ):
        plugin(tmp_path, base, zones="example.org")
    assert len(plugin(tmp_path, base, zones="example.org a.cluster.local").keys) == 1


@pytest.mark.parametrize(
    ("suffix", "text", "wanted"),
    [
        (".key", None, r"open .*\.key: no such file or directory"),
        (".private", None, r"open .*\.private: no such file or directory"),
        (".key", "", "no public key found"),
        (".key", "miek.nl. A 192.0.2.1\n", "no public key found"),
        (".private", "", "no private key found"),
        (".private", "Private-key-format: v1.3\nAlgorithm: 8 (RSASHA256)\n", "bad private key algorithm"),
        (".private", "Private-key-format: v1.3\nAlgorithm: 13 (ECDSAP256SHA256)\n", "bad private key"),
    ],
)
def test_a_key_that_cannot_be_read_is_refused(suffix: str, text: str | None, wanted: str, tmp_path: Path) -> None:
    base = write_pair(tmp_path, "miek.nl.")
    path = Path(base + suffix)
    path.unlink() if text is None else path.write_text(text)
    with pytest.raises(SetupError, match=f"^plugin/dnssec: {wanted}"):
        plugin(tmp_path, base)


def test_keys_may_be_secrets_of_aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = write_pair(tmp_path, "miek.nl.")
    texts = [Path(f"{base}.{suffix}").read_text() for suffix in ("key", "private")]
    held = {"arn:1": texts, "none": ["", texts[1]], "other": ["miek.nl. A 192.0.2.1", texts[1]]}
    client = SimpleNamespace(
        get_secret_value=lambda SecretId: {
            "SecretString": json.dumps(dict(zip(("key", "private"), held[SecretId], strict=True)))
        }
    )
    monkeypatch.setitem(
        sys.modules, "botocore.exceptions", cast(Any, SimpleNamespace(BotoCoreError=OSError, ClientError=OSError))
    )
    monkeypatch.setattr(load, "_client", lambda: client)
    assert load.load_keys([Keys(AWS, ("arn:1",))], [from_text("miek.nl.")])[0].owner == from_text("miek.nl.")
    for name in ("none", "other"):
        with pytest.raises(SetupError, match=r"^plugin/dnssec: invalid public key format$"):
            load.load_keys([Keys(AWS, (name,))], [])


def test_a_key_without_a_ttl_has_an_hour(tmp_path: Path) -> None:
    assert plugin(tmp_path, write_pair(tmp_path, "miek.nl.", ttl="")).keys[0].ttl == 3600


# Answers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", [5, 8, 10, 13, 14, 15, 16])
def test_signatures_of_every_algorithm_are_valid(algorithm: int, tmp_path: Path, ask: Ask) -> None:
    layer = plugin(tmp_path, write_pair(tmp_path, "miek.nl.", algorithm))
    answer = ask(layer, "miek.nl.", "MX")
    with dns_allows(algorithm):
        assert (validate(layer, answer.answer), validate(layer, answer.authority)) == (1, 1)


def dns_allows(algorithm: int) -> Any:
    """Let the validator take what it would refuse for its age."""
    from contextlib import contextmanager
    from unittest.mock import patch

    @contextmanager
    def allow() -> Iterator[None]:
        with patch.object(dns.dnssec.default_policy, "ok_to_validate", lambda key: True):
            yield

    return allow()


def test_the_keys_are_published_with_and_without_do(tmp_path: Path, ask: Ask) -> None:
    layer = plugin(tmp_path, write_pair(tmp_path, "miek.nl."))
    plain = ask(layer, "miek.nl.", "DNSKEY", False)
    assert [(r.rdtype, r.ttl) for r in plain.answer] == [(DNSKEY, 3600)] and not plain.authority
    answer = ask(layer, "MIEK.nl.", "DNSKEY").answer
    assert [r.rdtype for r in answer] == [DNSKEY, RRSIG]
    assert (answer[1][0].labels, answer[1][0].signer) == (2, ORIGIN)
    assert validate(layer, answer) == 1
    assert ask(layer, "a.miek.nl.", "DNSKEY").answer == []


def test_nothing_is_signed_without_do(tmp_path: Path, ask: Ask) -> None:
    answer = ask(plugin(tmp_path, write_pair(tmp_path, "miek.nl.")), "miek.nl.", "MX", False)
    assert all(r.rdtype != RRSIG for section in (answer.answer, answer.authority, answer.additional) for r in section)


def test_aliases_and_what_they_lead_to_are_signed(tmp_path: Path, ask: Ask) -> None:
    layer = plugin(tmp_path, write_pair(tmp_path, "miek.nl."))
    answer = ask(layer, "www.miek.nl.", "AAAA").answer
    assert validate(layer, answer) == 2
    assert [r[0].labels for r in answer if r.rdtype == RRSIG] == [3, 3]
    assert validate(layer, ask(layer, "x.dn.miek.nl.", "CNAME").answer) == 2
    assert validate(layer, ask(layer, "far.miek.nl.", "A").answer) == 1
    assert validate(layer, ask(layer, "q.wild.miek.nl.", "TXT").answer) == 1


def test_header_ttls_follow_the_set_and_the_field_is_an_hour(tmp_path: Path, ask: Ask) -> None:
    answer = ask(plugin(tmp_path, write_pair(tmp_path, "miek.nl.")), "a.miek.nl.", "A").answer
    assert (answer[1].ttl, answer[1][0].original_ttl) == (1800, 3600)
    assert answer[1][0].expiration - answer[1][0].inception == 8 * 86400 + 3 * 3600


def test_keys_of_both_kinds_share_the_work(tmp_path: Path, ask: Ask) -> None:
    entry, zone = write_pair(tmp_path, "miek.nl."), write_pair(tmp_path, "miek.nl.", flags=256)
    layer = plugin(tmp_path, entry, zone)
    tags = [key.tag for key in layer.keys]
    assert [r.key_tag for r in ask(layer, "miek.nl.", "DNSKEY").answer[1]] == tags[:1]
    assert [r.key_tag for r in ask(layer, "a.miek.nl.", "A").answer[1]] == tags[1:]


def test_two_keys_of_one_kind_sign_everything_twice(tmp_path: Path, ask: Ask) -> None:
    layer = plugin(tmp_path, write_pair(tmp_path, "miek.nl."), write_pair(tmp_path, "miek.nl."))
    assert len(ask(layer, "a.miek.nl.", "A").answer[1]) == 2
    assert len(ask(layer, "miek.nl.", "DNSKEY").answer[1]) == 2


def test_names_outside_the_zones_are_left_alone(tmp_path: Path) -> None:
    layer = plugin(tmp_path, write_pair(tmp_path, "miek.nl."))
    asked = do("www.example.org.", "AAAA")
    reply = asked.reply(2)
    assert signed(layer, asked, lambda inner: reply) is reply
    steps = layer.around(asked)
    next(steps)
    with pytest.raises(ServFail):
        steps.throw(ServFail("below"))


@pytest.mark.parametrize("rtype", ["AXFR", "IXFR"])
def test_transfers_end_with_their_soa_record_whatever_the_client_asks_for(rtype: str, tmp_path: Path) -> None:
    layer = plugin(tmp_path, write_pair(tmp_path, "miek.nl."))
    asked = do("miek.nl.", rtype)
    soa = RRset(from_text("miek.nl."), 6, 60, (bytes(22),))
    reply = asked.reply(answer=Section([soa, soa]), aa=True)
    assert signed(layer, asked, lambda inner: reply) is reply


def test_an_alias_into_another_zone_is_signed_by_that_zone(tmp_path: Path) -> None:
    layer = plugin(
        tmp_path, write_pair(tmp_path, "miek.nl."), write_pair(tmp_path, "example.org."), zones="miek.nl example.org"
    )
    asked = do("www.miek.nl.", "A")
    records = Section([
        RRset(from_text("www.miek.nl."), 5, 60, (from_text("db.example.org."),)),
        RRset(from_text("db.example.org."), 1, 60, (b"\xc0\0\2\1",)),
    ])  # fmt: skip
    reply = signed(layer, asked, lambda inner: asked.reply(answer=records))
    signers = [rrset.rdatas[0][18:].startswith(from_text("miek.nl.")) for rrset in reply.answer[2:]]
    assert signers == [True, False]


# Denials -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "rtype", "wanted"),
    [
        ("wwwww.miek.nl.", "AAAA",
         f"wwwww.miek.nl. 1800 IN NSEC \\000.wwwww.miek.nl. {NAME_TYPES}".replace(" AAAA", "")),
        ("WwW1.miek.nl.", "MX", f"WwW1.miek.nl. 1800 IN NSEC \\000.WwW1.miek.nl. {NAME_TYPES}"),
        ("miek.nl.", "HINFO", f"miek.nl. 1800 IN NSEC \\000.miek.nl. {APEX_TYPES}".replace(" HINFO", "")),
        ("miek.nl.", "DS", f"miek.nl. 1800 IN NSEC \\000.miek.nl. {APEX_TYPES}"),
        ("unsigned.miek.nl.", "DS", f"unsigned.miek.nl. 1800 IN NSEC \\000.unsigned.miek.nl. {CUT_TYPES}"),
        ("_25._tcp.miek.nl.", "TLSA",
         f"_25._tcp.miek.nl. 1800 IN NSEC \\000._25._tcp.miek.nl. {NAME_TYPES}".replace(" TLSA", "")),
    ],
)  # fmt: skip
def test_a_denial_is_an_nsec_record_at_the_name(name: str, rtype: str, wanted: str, tmp_path: Path, ask: Ask) -> None:
    layer = plugin(tmp_path, write_pair(tmp_path, "miek.nl."))
    answer = ask(layer, name, rtype)
    assert answer.rcode() == 0 and answer.answer == []
    assert nsec_of(answer.authority) == wanted
    assert validate(layer, answer.authority) == 2
    assert [r.rdtype for r in answer.authority] == [SOA, RRSIG, RRSIG, NSEC]


def test_a_delegation_keeps_its_ds_or_gets_an_nsec(tmp_path: Path, ask: Ask) -> None:
    layer = plugin(tmp_path, write_pair(tmp_path, "miek.nl."))
    secure = ask(layer, "x.deleg.miek.nl.", "NS").authority
    assert [r.covers for r in secure if r.rdtype == RRSIG] == [DS] and validate(layer, secure) == 1
    insecure = ask(layer, "unsigned.miek.nl.", "NS")
    assert nsec_of(insecure.authority) == f"unsigned.miek.nl. 1800 IN NSEC unsigned\\000.miek.nl. {CUT_TYPES}"
    assert validate(layer, insecure.authority) == 1
    assert all(r.rdtype != RRSIG for r in insecure.additional)


def test_an_nsec_query_is_answered_with_the_nsec(tmp_path: Path, ask: Ask) -> None:
    layer = plugin(tmp_path, write_pair(tmp_path, "miek.nl."), write_pair(tmp_path, "miek.nl."))
    for name, types in (("www1.miek.nl.", NAME_TYPES), ("miek.nl.", APEX_TYPES)):
        answer = ask(layer, name, "NSEC")
        assert [(r.rdtype, len(r)) for r in answer.answer] == [(RRSIG, 1), (NSEC, 1)]
        assert nsec_of(answer.answer).endswith(types) and answer.authority == []


def test_a_denial_with_more_than_a_soa_record_is_left_alone(tmp_path: Path) -> None:
    layer = plugin(tmp_path, write_pair(tmp_path, "miek.nl."))
    asked = do("x.miek.nl.", "A")
    soa = RRset(from_text("miek.nl."), 6, 60, (bytes(22),))
    reply = asked.reply(3, authority=Section([soa, RRset(from_text("miek.nl."), 46, 60, (b"\0\6" + bytes(20),))]))
    assert signed(layer, asked, lambda inner: reply).rcode == 3
    assert signed(layer, asked, lambda inner: reply).authority == reply.authority


@pytest.mark.parametrize(
    ("name", "follows"),
    [
        (b"\0", b"\1\0\0"),
        (b"\1a\0", b"\1\0\1a\0"),
    ],
)
def test_the_name_behind_a_name_is_the_first_one_below_it(name: bytes, follows: bytes) -> None:
    assert after(name) == follows


def test_the_name_behind_the_longest_names_is_still_a_name_behind_them() -> None:
    longest = (b"\x3f" + b"a" * 63) * 3 + b"\x3d" + b"a" * 61 + b"\0"
    full = (b"\x3f" + b"a" * 63) * 3 + b"\0"
    for name in (longest, full):
        for follows in (after(name), after_below(name)):
            assert len(follows) <= 255
            assert dns.name.from_wire(follows, 0)[0] > dns.name.from_wire(name, 0)[0]


# The cache ---------------------------------------------------------------------------------------------------------


class Clock:
    """A clock that stands where it is set."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def key(tmp_path: Path) -> KeyPair:
    base = write_pair(tmp_path, "miek.nl.")
    record = public(Path(base + ".key").read_text())
    assert not isinstance(record, int)
    return pair(record, Path(base + ".private").read_text())


def a_set(number: int = 1) -> RRset:
    """Return an address of a name."""
    return RRset(from_text("a.miek.nl."), A, 60, (bytes((192, 0, 2, number)),))


@pytest.mark.parametrize(("days", "again"), [(0, False), (5.9, False), (6.1, True), (9, True), (-9, True), (-2, False)])
def test_a_signature_is_used_again_while_it_holds_for_two_more_days(days: float, again: bool, key: KeyPair) -> None:
    clock = Clock()
    signatures = Signatures(10000, clock)
    signatures.sign([key], from_text("miek.nl."), a_set(), 60)
    clock.now += days * 86400
    signatures.sign([key], from_text("miek.nl."), a_set(), 60)
    assert (signatures.hits, signatures.misses) == ((0, 2) if again else (1, 1))


def test_no_keys_leave_nothing_in_the_cache_and_a_failing_key_leaves_no_partial_signatures(key: KeyPair) -> None:
    def fail(data: bytes) -> bytes:
        raise ValueError("no hardware")

    signatures = Signatures(10000, Clock())
    assert signatures.sign([], from_text("miek.nl."), a_set(), 60)[0] is None
    broken = KeyPair(key.owner, key.ttl, key.rdata, fail, key.tag)
    assert signatures.sign([key, broken], from_text("miek.nl."), a_set(), 60)[0] is None
    assert signatures.kept == {}


def test_the_cache_keeps_to_its_capacity_and_sweeps_what_has_had_its_time(key: KeyPair) -> None:
    clock = Clock()
    signatures = Signatures(0, clock)
    assert signatures.capacity == 1024
    signatures.capacity = 3
    for number in range(5):
        signatures.sign([key], from_text("miek.nl."), a_set(number), 60)
    assert len(signatures.kept) == 3
    clock.now += 7 * 86400
    signatures.sign([key], from_text("miek.nl."), a_set(99), 60)
    assert len(signatures.kept) == 1


def test_a_signed_reply_may_be_repeated_until_it_must_be_signed_anew(tmp_path: Path) -> None:
    layer = plugin(tmp_path, write_pair(tmp_path, "miek.nl."))
    asked = do("a.miek.nl.", "A")
    signed(layer, asked, lambda inner: asked.reply(answer=Section([a_set()])))
    request = asked.request
    assert layer.repeatable and not request.once
    assert request.until is not None and 5.9 * 86400 < request.until - layer_now() < 6.1 * 86400
    assert len(request.series) == 1
    plain = do("a.miek.nl.", "A", False)
    assert signed(layer, plain, lambda inner: plain.reply(answer=EMPTY)).answer == EMPTY
    assert plain.request.until is None


def layer_now() -> float:
    """Return the clock that the memo goes by."""
    from time import monotonic

    return monotonic()
