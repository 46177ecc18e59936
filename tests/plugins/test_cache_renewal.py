"""cache: prefetch, stale answers and what may take their place."""

from pathlib import Path

import pytest

from shardns.plugins.cache import counters
from shardns.worker.query import Query
from shardns.worker.reply import Reply
from shardns.worker.wire.codes import TC, Rcode
from shardns.worker.wire.edns import DO, Edns
from tests.plugins.cached import Lab, Upstream, failing, records, reply

OLD = "192.0.2.1"
NEW = "192.0.2.2"
SIGNED = "example.org. 300 IN RRSIG A 8 2 300 20220101000000 20210101000000 1 example.org. AAAA"
GONE = reply(rcode=Rcode.NXDOMAIN, soa="org. 150")


def a(ttl: int, ip: str = OLD, name: str = "example.org.", flags: int = 0x0180) -> Upstream:
    """An upstream with one address."""
    return reply(f"{name} {ttl} IN A {ip}", flags=flags)


def ip(found: Reply) -> str:
    """The first address of an answer."""
    return ".".join(map(str, found.answer[0].rdatas[0])) if found.answer else ""


# Prefetch ----------------------------------------------------------------------------------------------------------


def test_a_popular_answer_is_renewed_behind_the_reply(tmp_path: Path) -> None:
    lab = Lab(tmp_path, "cache {\n prefetch 1\n}", a(80))
    lab.ask()
    lab.upstream = a(80, NEW)
    lab.clock += 73
    hit = lab.ask()
    assert (hit.answer[0].ttl, ip(hit)) == (7, OLD)
    (again,) = [query for query, _ in lab.waiting]
    assert again.flags & 0x20 and again.name == b"\7example\3org\0"
    assert lab.settle() == 1
    lab.clock += 7
    hit = lab.ask()
    assert (hit.answer[0].ttl, ip(hit)) == (73, NEW)
    assert lab.counted(counters.prefetches) == 1


def test_a_short_answer_is_renewed_in_its_last_second(tmp_path: Path) -> None:
    lab = Lab(tmp_path, "cache {\n prefetch 1\n}", a(5))
    lab.ask()
    lab.clock += 1
    lab.ask()
    assert lab.settle() == 0
    lab.clock += 3
    lab.ask()
    assert lab.settle() == 1


@pytest.mark.parametrize("corefile", ["cache", "cache {\n prefetch 0\n}", "cache {\n prefetch 3\n}"])
def test_what_is_not_popular_is_not_renewed(corefile: str, tmp_path: Path) -> None:
    lab = Lab(tmp_path, corefile, a(80))
    lab.ask()
    lab.clock += 75
    lab.ask()
    lab.ask()
    assert lab.settle() == 0


def test_a_gap_starts_the_count_anew(tmp_path: Path) -> None:
    lab = Lab(tmp_path, "cache {\n prefetch 2 10s 90%\n}", a(80))
    lab.ask()
    lab.clock += 20
    lab.ask()
    lab.clock += 11
    lab.ask()
    assert lab.settle() == 0
    lab.clock += 1
    lab.ask()
    assert lab.settle() == 1


def test_the_count_goes_on_after_a_renewal(tmp_path: Path) -> None:
    lab = Lab(tmp_path, "cache {\n prefetch 3 1m 90%\n}", a(80))
    lab.ask()
    lab.clock += 20
    for _ in range(3):
        lab.ask()
    assert lab.settle() == 1
    lab.clock += 20
    lab.ask()
    assert lab.settle() == 1


@pytest.mark.parametrize("bits", [{"do": True}, {"cd": True}])
def test_a_renewal_concerns_its_own_entry_only(bits: dict[str, bool], tmp_path: Path) -> None:
    lab = Lab(tmp_path, "cache {\n prefetch 1\n}", a(80))
    lab.ask()
    lab.ask("example.org.", "A", **bits)
    lab.upstream = a(80, NEW)
    lab.clock += 75
    lab.ask("example.org.", "A", **bits)
    assert lab.settle() == 1
    lab.clock += 1
    assert ip(lab.ask("example.org.", "A", **bits)) == NEW
    assert ip(lab.ask()) == OLD


@pytest.mark.parametrize("corefile", ["prefetch 1", "serve_stale 1h"])
def test_many_hits_at_once_make_one_renewal(corefile: str, tmp_path: Path) -> None:
    lab = Lab(tmp_path, f"cache {{\n {corefile}\n}}", a(80))
    lab.ask()
    lab.clock += 79 if corefile.startswith("prefetch") else 90
    for _ in range(100):
        lab.ask()
    for _ in range(100):
        lab.run(lab.query("example.org.", "A"))
    assert lab.settle() == 1


def test_workers_share_one_renewal(tmp_path: Path) -> None:
    lab = Lab(tmp_path, "cache {\n serve_stale 1h\n}", a(80))
    lab.ask()
    other = Lab(tmp_path, "cache {\n serve_stale 1h\n}", a(80), beside=lab)
    other.clock = lab.clock = lab.clock + 90
    assert lab.ttl() == other.ttl() == 0
    assert len(lab.waiting) == 1 and not other.waiting
    lab.settle()
    other.store.flush()
    assert other.ttl() == 80


def test_a_renewal_whose_process_died_blocks_others_for_a_while_only(tmp_path: Path) -> None:
    lab = Lab(tmp_path, "cache {\n serve_stale 1h\n}", a(80))
    lab.ask()
    lab.clock += 90
    lab.ask()
    lab.clock += 31
    lab.ask()
    assert len(lab.waiting) == 2


def test_memorised_hits_count_and_none_is_memorised_near_the_end(tmp_path: Path) -> None:
    lab = Lab(tmp_path, "cache {\n prefetch 3\n}", a(80))
    lab.ask()
    query = lab.query("example.org.", "A")
    lab.raw(query)
    assert query.request.repeats and not query.request.once
    query.request.repeats[0](query.request.sender, 1)
    lab.clock += 55
    query.request.repeats[0](query.request.sender, 1)
    lab.clock += 20
    query = lab.query("example.org.", "A")
    lab.raw(query)
    assert query.request.once
    assert lab.settle() == 1


# Stale answers -----------------------------------------------------------------------------------------------------


def test_stale_answers_are_served_for_as_long_as_told(tmp_path: Path) -> None:
    lab = Lab(tmp_path, "cache {\n serve_stale 1h\n}", a(60))
    lab.ask()
    lab.upstream = failing
    for minutes, served in ((30, True), (60, True), (70, False)):
        lab.clock = 1000.0 + minutes * 60
        if served:
            assert lab.ttl() == 0
            assert lab.settle() == 1
        else:
            lab.upstream = a(60, NEW)
            assert ip(lab.ask()) == NEW
    assert lab.counted(counters.served_stale) == 2


@pytest.mark.parametrize(
    ("options", "ttl"),
    [
        ("serve_stale", 0),
        ("serve_stale 1h immediate 30s", 30),
        ("serve_stale 1h verify 0 45s", 45),
        ("serve_stale 1h verify 50ms 45s", 45),
        ("keepttl\n serve_stale 1h immediate 17s", 17),
        ("keepttl\n serve_stale", 60),
    ],
)
@pytest.mark.parametrize("after", [60, 100])
def test_the_ttl_of_stale_answers(options: str, ttl: int, after: int, tmp_path: Path) -> None:
    lab = Lab(tmp_path, f"cache {{\n {options}\n}}", a(60))
    lab.ask()
    lab.upstream = failing
    lab.clock += after
    query = lab.query("example.org.", "A")
    found = lab.raw(query)
    assert found.answer[0].ttl == ttl and query.request.once


def test_fresh_answers_beside_stale_options_count_down(tmp_path: Path) -> None:
    lab = Lab(tmp_path, "cache {\n serve_stale 1h immediate 30s\n}", a(60))
    lab.ask()
    lab.clock += 10
    assert lab.ttl() == 50


def test_stale_denials_have_the_response_ttl(tmp_path: Path) -> None:
    lab = Lab(tmp_path, "cache {\n serve_stale 1h immediate 25s\n}", GONE)
    lab.ask()
    lab.clock += 200
    found = lab.ask()
    assert (found.rcode, found.authority[0].ttl) == (Rcode.NXDOMAIN, 25)


def test_a_stale_denial_is_served_once_more_when_the_name_appears(tmp_path: Path) -> None:
    lab = Lab(tmp_path, "cache {\n serve_stale 1h\n}", GONE)
    lab.ask()
    lab.clock += 200
    lab.upstream = a(60)
    assert lab.ask().rcode == Rcode.NXDOMAIN
    lab.settle()
    assert lab.entries() == (1, 0)
    assert ip(lab.ask()) == OLD


BAD = {
    "truncated": a(60, NEW, flags=TC),
    "no response": lambda query: Reply(0, 0, records("example.org. 60 IN A 192.0.2.2")),
    "a signature out of date": reply("example.org. 60 IN A 192.0.2.2", SIGNED, edns=Edns(flags=DO)),
    "SERVFAIL": reply(rcode=Rcode.SERVFAIL),
    "REFUSED": reply(rcode=Rcode.REFUSED),
    "a failure": failing,
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("mode", ["immediate", "verify", "verify 50ms"])
def test_what_does_not_renew_leaves_the_stale_answer(case: str, mode: str, tmp_path: Path) -> None:
    lab = Lab(tmp_path, f"cache {{\n serve_stale 1h {mode}\n}}", a(60))
    lab.ask()
    lab.clock += 100
    lab.upstream = BAD[case]
    for _ in range(2):
        found = lab.ask()
        assert (ip(found), found.answer[0].ttl, found.rcode) == (OLD, 0, 0)
        lab.settle()
    assert lab.entries() == (1, 0)


def test_verify_asks_first(tmp_path: Path) -> None:
    lab = Lab(tmp_path, "cache {\n serve_stale 1h verify\n}", a(120))
    lab.ask()
    lab.clock += 60
    assert lab.ttl() == 60
    lab.clock += 120
    lab.upstream = a(200)
    assert lab.ttl() == 200
    lab.clock += 240
    lab.upstream = reply(rcode=Rcode.SERVFAIL)
    assert lab.ttl() == 0
    lab.clock += 60
    lab.upstream = GONE
    found = lab.ask()
    assert (found.rcode, found.authority[0].ttl) == (Rcode.NXDOMAIN, 150)


def test_verify_goes_on_past_its_timeout(tmp_path: Path) -> None:
    lab = Lab(tmp_path, "cache {\n serve_stale 1h verify 50ms 30s\n}", a(60))
    lab.ask()
    lab.clock += 100
    lab.upstream, lab.slow = a(200, NEW), True
    found = lab.ask()
    assert (ip(found), found.answer[0].ttl) == (OLD, 30)
    lab.arrive()
    found = lab.ask()
    assert (ip(found), found.answer[0].ttl, found.aa) == (NEW, 200, True)


def test_verify_in_time_answers_from_the_new_entry(tmp_path: Path) -> None:
    lab = Lab(tmp_path, "cache {\n serve_stale 1h verify 500ms 30s\n}", a(60))
    lab.ask()
    lab.clock += 100
    lab.upstream = a(200, NEW)
    found = lab.ask()
    assert (ip(found), found.answer[0].ttl, found.aa) == (NEW, 200, True)


def test_verify_with_a_timeout_keeps_the_metadata_apart(tmp_path: Path) -> None:
    lab = Lab(tmp_path, "cache {\n serve_stale 1h verify 500ms\n}", a(60))
    lab.ask()
    lab.clock += 100

    def upstream(query: Query) -> Reply:
        assert query.metadata("client") == "x"
        query.note("forward/upstream", lambda: "y")
        return query.reply(0, records("example.org. 60 IN A 192.0.2.2"))

    lab.upstream = upstream
    query = lab.query("example.org.", "A")
    query.request.metadata = {"client": lambda: "x"}
    assert ip(lab.raw(query)) == NEW
    assert query.metadata("forward/upstream") is None


@pytest.mark.parametrize("mode", ["immediate 0s", "verify 0", "verify 50ms"])
def test_a_failed_renewal_is_not_tried_again_for_a_while(mode: str, tmp_path: Path) -> None:
    recheck = f"{mode} 30s" if mode.startswith("immediate") else f"{mode} 0s 30s"
    lab = Lab(tmp_path, f"cache {{\n serve_stale 1h {recheck}\n}}", a(60))
    lab.ask()
    lab.clock += 100
    lab.calls()
    calls = []
    for case in (failing, BAD["truncated"], BAD["no response"], BAD["a signature out of date"]):
        lab.upstream = case
        for wait in (0.0, 33.0):
            lab.ask()
            lab.settle()
            calls.append(lab.calls())
            lab.clock += wait
    assert calls == [1, 0, 1, 0, 1, 0, 1, 0]


def test_verify_without_a_recheck_period_asks_every_time(tmp_path: Path) -> None:
    lab = Lab(tmp_path, "cache {\n serve_stale 1h verify\n}", a(60))
    lab.ask()
    lab.upstream = failing
    lab.clock += 100
    lab.calls()
    for _ in range(3):
        lab.ask()
    assert lab.calls() == 3


# prefer_positive ---------------------------------------------------------------------------------------------------

PREFER = "cache {{\n serve_stale 1h {}\n serve_stale_policy prefer_positive\n}}"


def test_by_default_a_fresh_denial_beats_a_stale_answer(tmp_path: Path) -> None:
    lab = Lab(tmp_path, "cache {\n serve_stale 1h verify\n}", a(60))
    lab.ask()
    lab.clock += 100
    lab.upstream = GONE
    assert lab.ask().rcode == Rcode.NXDOMAIN
    lab.upstream = failing
    assert lab.ask().rcode == Rcode.NXDOMAIN


@pytest.mark.parametrize("mode", ["immediate", "verify", "verify 50ms"])
@pytest.mark.parametrize("denial", [GONE, reply(soa="org. 60"), reply(rcode=Rcode.SERVFAIL), reply(rcode=Rcode.NOTIMP)])
def test_the_answer_is_preferred_to_a_denial(mode: str, denial: Upstream, tmp_path: Path) -> None:
    lab = Lab(tmp_path, PREFER.format(mode), a(60))
    lab.ask()
    lab.clock += 100
    lab.upstream = denial
    for _ in range(2):
        found = lab.ask()
        assert (ip(found), found.answer[0].ttl) == (OLD, 0)
        lab.settle()
    assert lab.entries() == (1, 1)


def test_outside_the_window_the_denial_is_served(tmp_path: Path) -> None:
    lab = Lab(tmp_path, PREFER.format("verify"), a(60))
    lab.ask()
    lab.clock += 3659
    lab.upstream = GONE
    assert ip(lab.ask()) == OLD
    lab.clock += 1
    assert lab.ask().rcode == Rcode.NXDOMAIN


@pytest.mark.parametrize(
    "poor",
    [
        reply(),
        reply(authority=records("org. 60 IN NS ns.org.")),
        reply(additional=records("x. 60 IN A 192.0.2.7")),
    ],
)
@pytest.mark.parametrize("mode", ["immediate", "verify"])
def test_a_reply_that_resolves_nothing_keeps_the_last_good_answer(mode: str, poor: Upstream, tmp_path: Path) -> None:
    lab = Lab(tmp_path, PREFER.format(mode), a(60))
    lab.ask()
    lab.clock += 100
    lab.upstream = poor
    for _ in range(3):
        assert ip(lab.ask()) == OLD
        lab.settle()
        lab.clock += 10
    lab.upstream = a(60, NEW)
    lab.ask()
    lab.settle()
    assert ip(lab.ask()) == NEW
    lab.clock += 3600 * 2
    lab.upstream = poor
    assert not lab.ask().answer


def test_an_entry_that_resolves_nothing_is_not_preferred(tmp_path: Path) -> None:
    lab = Lab(tmp_path, PREFER.format("verify"), reply())
    lab.ask()
    lab.clock += 4
    lab.clock += 10
    lab.upstream = GONE
    assert lab.ask().rcode == 0  # not sent, but kept
    assert lab.ask().rcode == Rcode.NXDOMAIN


@pytest.mark.parametrize("case", ["truncated", "a signature out of date", "no response"])
def test_prefer_positive_refuses_broken_answers(case: str, tmp_path: Path) -> None:
    lab = Lab(tmp_path, PREFER.format("verify"), a(60))
    lab.ask()
    lab.clock += 100
    lab.upstream = BAD[case]
    assert ip(lab.ask()) == OLD
    assert lab.entries() == (1, 0)


def test_an_entry_renewed_within_the_time_of_verify_counts_its_hits_anew(tmp_path: Path) -> None:
    lab = Lab(tmp_path, "cache {\n prefetch 3 1h 90%\n serve_stale 1h verify 50ms\n}", a(10))
    lab.ask()
    lab.ask()
    lab.ask()
    lab.clock += 20
    assert lab.ask().answer[0].ttl == 10
    assert lab.calls() == 2
    lab.clock += 2
    lab.ask()
    assert lab.settle() == 0
