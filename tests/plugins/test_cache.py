"""cache: what is kept, for how long, under which key, and what a hit looks like."""

from pathlib import Path

import pytest

from shardns.plugins.cache import counters
from shardns.worker.query import Query
from shardns.worker.reply import DROP, Reply, ServFail
from shardns.worker.stream import Stream
from shardns.worker.wire.codes import AA, AD, QR, TC, Rcode
from shardns.worker.wire.edns import DO, Edns
from shardns.worker.wire.message import decode
from shardns.worker.wire.records import RRset, Section
from shardns.worker.wire.write import write
from tests.plugins.cached import Lab, failing, records, reply
from tests.worker.fakes import message

A = "example.org. 300 IN A 192.0.2.1"
SIGNED = "example.org. 300 IN RRSIG A 8 2 300 {} 20230101000000 1 example.org. AAAA"


def test_a_long_ttl_is_capped_and_any_letter_case_hits(tmp_path: Path) -> None:
    lab = Lab(tmp_path, "cache", reply("miek.nl. 3601 IN MX 1 aspmx.l.google.com."))
    assert lab.ttl("miek.nl.", "MX") == 3600
    hit = lab.ask("mIEK.nL.", "MX")
    assert hit.flags & AA and hit.answer[0].ttl == 3600 and lab.calls() == 1
    assert hit.answer[0].owner == b"\4miek\2nl\0"


NOT_KEPT = {
    "truncated": reply(A, flags=TC),
    "a missing name without SOA": reply(rcode=Rcode.NXDOMAIN),
    "an alias that does not exist": reply("example.org. 60 IN CNAME b.", rcode=Rcode.NXDOMAIN, soa="org. 60"),
    "a signature out of date": reply(A, SIGNED.format("20220101000000"), edns=Edns(flags=DO)),
    "FORMERR": reply(rcode=Rcode.FORMERR),
    "REFUSED": reply(rcode=Rcode.REFUSED),
    "no response": lambda query: Reply(0, 0, records(A)),
    "aliases without an end": reply("example.org. 60 IN CNAME b.", "b. 60 IN CNAME c."),
    "an alias beside another type": reply("example.org. 60 IN CNAME b.", "b. 60 IN AAAA ::1"),
    "an address off the chain": reply("example.org. 60 IN CNAME b.", "c. 60 IN A 192.0.2.1"),
    "two targets": reply("example.org. 60 IN CNAME b.", "example.org. 60 IN CNAME c.", "b. 60 IN A 192.0.2.1"),
    "a loop": reply("example.org. 60 IN CNAME b.", "b. 60 IN CNAME example.org."),
    "a bare DNAME": reply("org. 60 IN DNAME net."),
}


@pytest.mark.parametrize("case", NOT_KEPT)
def test_not_kept(case: str, tmp_path: Path) -> None:
    lab = Lab(tmp_path, "cache", NOT_KEPT[case])
    lab.ask(do=True)
    lab.ask(do=True)
    assert lab.calls() == 2 and lab.entries() == (0, 0)


KEPT = {
    "an answer": (reply(A), "A", (1, 0)),
    "a missing name": (reply(rcode=Rcode.NXDOMAIN, soa="org. 60"), "A", (0, 1)),
    "a missing type": (reply(soa="org. 60"), "A", (0, 1)),
    "SERVFAIL": (reply(rcode=Rcode.SERVFAIL), "A", (0, 1)),
    "NOTIMP": (reply(rcode=Rcode.NOTIMP), "A", (0, 1)),
    "nothing at all": (reply(), "A", (1, 0)),
    "a referral": (reply(authority=records("org. 60 IN NS ns.org.")), "A", (1, 0)),
    "only additional": (reply(additional=records("a.org. 60 IN A 192.0.2.1")), "A", (1, 0)),
    "aliases in any order": (reply("b. 60 IN A 192.0.2.1", "example.org. 60 IN CNAME B."), "A", (1, 0)),
    "an alias to an exchange": (reply("example.org. 60 IN CNAME b.", "b. 60 IN MX 1 c."), "MX", (1, 0)),
    "an alias twice": (reply(*["example.org. 60 IN CNAME b."] * 2, "b. 60 IN A 192.0.2.1"), "A", (1, 0)),
    "an alias asked for": (reply("example.org. 60 IN CNAME b."), "CNAME", (1, 0)),
    "the same alias twice, asked for": (
        lambda query: query.reply(0, Section((RRset(query.name, 5, 60, (b"\1b\0", b"\1B\0")),))),
        "CNAME",
        (1, 0),
    ),
    "an alias for ANY": (reply("example.org. 60 IN CNAME b."), "ANY", (1, 0)),
    "an alias with SOA": (reply("example.org. 60 IN CNAME b.", soa="org. 60"), "A", (0, 1)),
    "a valid signature": (reply(A, SIGNED.format("20330101000000"), edns=Edns(flags=DO)), "A", (1, 0)),
}


@pytest.mark.parametrize("case", KEPT)
def test_kept(case: str, tmp_path: Path) -> None:
    upstream, rtype, entries = KEPT[case]
    lab = Lab(tmp_path, "cache", upstream)
    first = lab.ask(rtype=rtype, do=True)
    second = lab.ask(rtype=rtype, do=True)
    assert lab.calls() == 1 and lab.entries() == entries
    assert (first.rcode, tuple(first.answer), tuple(first.authority)) == (
        second.rcode,
        tuple(second.answer),
        tuple(second.authority),
    )


def test_a_wire_reply_to_another_question_is_dropped_and_counted(tmp_path: Path) -> None:
    def upstream(query: Query) -> Reply:
        other = message("other.org.") if query.name == b"\7example\3org\0" else message("x.org.", 28)
        return decode(b"\0\0\x81\x80" + other[4:])

    lab = Lab(tmp_path, "cache", upstream)
    before = lab.counted(counters.drops)
    assert lab.ask().rcode == 0
    lab.ask("x.org.")
    assert lab.entries() == (0, 0) and lab.counted(counters.drops) == before + 2


def test_a_wire_reply_is_kept_whole(tmp_path: Path) -> None:
    def upstream(query: Query) -> Reply:
        whole = query.reply(0, records("EXAMPLE.org. 77 IN A 192.0.2.1", "EXAMPLE.org. 78 IN A 192.0.2.2"))
        return decode(b"\0\1" + write(query, whole))

    lab = Lab(tmp_path, "cache", upstream)
    first, second = lab.ask(), lab.ask()
    assert tuple(first.answer) == tuple(second.answer)
    assert [r.ttl for r in second.answer] == [77] and len(second.answer[0].rdatas) == 2
    assert second.answer[0].owner == b"\7EXAMPLE\3org\0"


def test_a_zone_transfer_passes_with_all_its_messages(tmp_path: Path) -> None:
    first, second = (Reply(0, QR, records(A.replace("192.0.2.1", ip))) for ip in ("192.0.2.1", "192.0.2.2"))
    lab = Lab(tmp_path, "cache", lambda query: Stream(first, iter((None, second))))
    found = lab.ask(rtype="AXFR")
    assert isinstance(found, Stream)
    rest = list(found.parts)
    assert rest[0] is None and rest[1] is not None and len(rest) == 2
    seen = [(rrset.ttl, rrset.rdatas[0][-1]) for part in (found, rest[1]) for rrset in part.answer]
    assert seen == [(5, 1), (5, 2)]
    assert lab.entries() == (0, 0)


def test_failures_and_silence_pass_and_are_not_kept(tmp_path: Path) -> None:
    lab = Lab(tmp_path, "cache", failing)
    for _ in range(2):
        with pytest.raises(ServFail):
            lab.ask()
    lab.upstream = lambda query: DROP
    assert lab.raw(lab.query("example.org.", "A")) is DROP
    assert lab.entries() == (0, 0)


def test_disabled_zones_are_asked_every_time(tmp_path: Path) -> None:
    lab = Lab(tmp_path, "cache {\n disable denial no.org\n disable success yes.org\n}")
    for name, upstream, calls in (
        ("a.no.org.", reply(rcode=Rcode.NXDOMAIN, soa="org. 60"), 2),
        ("b.no.org.", reply("b.no.org. 60 IN A 192.0.2.1"), 1),
        ("a.yes.org.", reply(rcode=Rcode.NXDOMAIN, soa="org. 60"), 1),
        ("b.yes.org.", reply("b.yes.org. 60 IN A 192.0.2.1"), 2),
    ):
        lab.upstream = upstream
        lab.ask(name)
        lab.ask(name)
        assert lab.calls() == calls, name


@pytest.mark.parametrize(
    ("corefile", "upstream", "shown", "calls"),
    [
        ("cache {\n success 10 3600 0\n}", reply("example.org. 0 IN A 192.0.2.1"), 0, 2),
        ("cache {\n success 10 7200\n}", reply("example.org. 86400 IN A 192.0.2.1"), 7200, 1),
        ("cache 10", reply("example.org. 3600 IN A 192.0.2.1"), 10, 1),
        ("cache", reply("example.org. 1 IN A 192.0.2.1"), 5, 1),
        ("cache", reply("example.org. 60 IN A 192.0.2.1", additional=records("x. 30 IN A 192.0.2.1")), 30, 1),
        ("cache", reply(rcode=Rcode.NXDOMAIN, soa="org. 9000"), 1800, 1),
        ("cache {\n denial 1000 40 20\n}", reply(rcode=Rcode.NXDOMAIN, soa="org. 2"), 20, 1),
        ("cache", reply(authority=records("org. 600 IN NS ns.org.")), 5, 1),
        ("cache", reply("example.org. 60 IN CNAME b.", rcode=Rcode.NXDOMAIN), 5, 2),
        ("cache", reply(rcode=Rcode.REFUSED, authority=records("org. 60 IN NS ns.")), 5, 2),
        ("cache {\n servfail 0\n}", reply(rcode=Rcode.SERVFAIL, authority=records("org. 60 IN NS ns.")), 0, 2),
    ],
)
def test_one_ttl_for_all_records(corefile: str, upstream: object, shown: int, calls: int, tmp_path: Path) -> None:
    lab = Lab(tmp_path, corefile, upstream)  # type: ignore[arg-type]  # any upstream
    assert lab.ttl() == shown
    assert lab.ttl() == shown
    assert lab.calls() == calls


def test_the_client_gets_no_option_record_of_the_upstream(tmp_path: Path) -> None:
    lab = Lab(tmp_path, "cache", reply(A, edns=Edns(4096, options=((10, b"x" * 8),))))
    assert lab.ask().edns is None
    assert lab.ask().edns is None


def test_type_class_and_the_bits_do_and_cd_are_the_key(tmp_path: Path) -> None:
    lab = Lab(tmp_path, "cache", reply("example.org. 60 IN A 192.0.2.1", "example.org. 60 IN AAAA ::1"))
    for bits in ({}, {"do": True}, {"cd": True}, {"do": True, "cd": True}):
        lab.ask("example.org.", "A", **bits)
        lab.ask("example.org.", "A", **bits)
        lab.ask("example.org.", "A", **bits, ad=True)
        assert lab.calls() == 1
    chaos = lab.query("example.org.", "A")
    chaos.qclass = 3
    lab.raw(chaos)
    lab.raw(chaos)
    assert lab.calls() == 2  # the answer is of class IN, so it does not resolve the question
    lab.ask(rtype="AAAA")
    assert lab.calls() == 1


@pytest.mark.parametrize("order", [(False, True), (True, False)])
def test_authenticated_data_is_told_to_those_who_ask(order: tuple[bool, bool], tmp_path: Path) -> None:
    lab = Lab(tmp_path, "cache", reply(A, flags=0x0180 | AD))
    told = [bool(lab.ask(ad=ad).flags & AD) for ad in order]
    assert told == list(order)
    (asked,) = lab.seen
    assert asked.flags & AD


def test_do_asks_for_authenticated_data(tmp_path: Path) -> None:
    lab = Lab(tmp_path, "cache", reply(A, flags=0x0180 | AD))
    assert [bool(lab.ask(do=True).flags & AD) for _ in range(2)] == [True, True]


def test_a_hit_counts_down_and_keeps_rcode_and_ra(tmp_path: Path) -> None:
    lab = Lab(tmp_path, "cache", reply(rcode=Rcode.NXDOMAIN, soa="org. 100"))
    first = lab.ask()
    assert first.rcode == Rcode.NXDOMAIN and not first.flags & AA
    lab.clock += 10.9
    hit = lab.ask()
    assert (hit.rcode, hit.aa, hit.ra, hit.authority[0].ttl) == (Rcode.NXDOMAIN, True, True, 90)
    lab.clock += 89.0
    assert lab.ttl() == 1
    lab.clock += 0.2
    lab.calls()
    lab.ask()
    assert lab.calls() == 1


def test_keepttl_shows_the_whole_lifetime_until_it_is_over(tmp_path: Path) -> None:
    lab = Lab(tmp_path, "cache {\n keepttl\n}", reply("example.org. 60 IN A 192.0.2.1"))
    assert lab.ttl() == 60
    lab.clock += 30
    assert lab.ttl() == 60 and lab.calls() == 1
    lab.clock += 30
    assert lab.ttl() == 60 and lab.calls() == 1


def test_names_outside_the_zones_pass_untouched(tmp_path: Path) -> None:
    lab = Lab(tmp_path, "cache example.org", reply("example.net. 9999 IN A 192.0.2.1"))
    first = lab.ask("example.net.")
    lab.ask("example.net.")
    assert first.answer[0].ttl == 9999 and lab.calls() == 2
    assert not lab.seen and lab.counted(counters.requests) == 0


def test_the_wildcard_is_remembered(tmp_path: Path) -> None:
    def upstream(query: Query) -> Reply:
        query.note("zone/wildcard", lambda: "*.bar.example.org.")
        return query.reply(0, records("x.bar.example.org. 60 IN A 192.0.2.1"))

    lab = Lab(tmp_path, "cache", upstream)
    for _ in range(2):
        query = lab.query("x.bar.example.org.", "A")
        query.request.metadata = {}
        lab.raw(query)
        assert query.metadata("zone/wildcard") == "*.bar.example.org."
    assert lab.calls() == 1


def test_a_failure_beside_a_good_answer_yields(tmp_path: Path) -> None:
    lab = Lab(tmp_path, "cache {\n serve_stale 1h verify\n}", reply("example.org. 60 IN A 192.0.2.1"))
    lab.ask()
    rest = next(key for key in _keys(lab) if key[8:9] == b"s")[9:]
    query = lab.query("example.org.", "A")
    lab.plugin.shelf.take(query, Reply(Rcode.SERVFAIL, QR), rest)
    lab.store.flush()
    assert lab.entries() == (1, 1)
    assert lab.ask().rcode == 0


def _keys(lab: Lab) -> list[bytes]:
    with lab.store.environment.begin() as txn:
        return [key for key, _ in txn.cursor()]


def test_hits_misses_and_entries_are_counted(tmp_path: Path) -> None:
    lab = Lab(tmp_path, "cache", reply(A))
    lab.ask()
    for _ in range(3):
        lab.ask()
    assert lab.counted(counters.requests) == 4
    assert lab.counted(counters.misses) == 1
    assert lab.counted(counters.hits, "success") == 3
    assert lab.counted(counters.entries, "success") == 1
    assert lab.counted(counters.entries, "denial") == 0


def test_a_reply_from_below_is_never_memorised_and_a_hit_until_its_next_tick(tmp_path: Path) -> None:
    lab = Lab(tmp_path, "cache", reply(A))
    query = lab.query("example.org.", "A")
    lab.raw(query)
    assert query.request.once
    lab.clock += 7.25
    query = lab.query("example.org.", "A")
    lab.raw(query)
    assert not query.request.once and query.request.until == 1008.0
    shelf = lab.plugin.shelf
    cells = shelf.cells(lab.listener.label)
    assert query.request.series == [cells.requests, cells.success]
