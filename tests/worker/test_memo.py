"""The answer memo: admission, death, variants, counters, bounds."""

from __future__ import annotations

import dns.message

from shardns.worker import metrics
from shardns.worker.address import from_sockaddr
from shardns.worker.memo import Budget, Entry, Memo
from shardns.worker.query import Request
from shardns.worker.wire.codes import TXT, A
from shardns.worker.wire.edns import Edns
from shardns.worker.wire.records import RRset, section
from shardns.worker.wire.write import write

from .fakes import query, request

NOBODY = b"\x02\0\0\x35\x7f\0\0\1" + bytes(8)


def _memo(limit_bytes: int = 1 << 20) -> Memo:
    return Memo(Budget(limit_bytes))


def _admit(memo: Memo, key: bytes, asked: Request, wire: bytes = b"answer") -> None:
    memo.admit(key, asked, wire)
    memo.admit(key, asked, wire)


def test_an_answer_is_kept_when_its_key_is_seen_for_the_second_time() -> None:
    memo = _memo()
    memo.admit(b"key", request(), b"answer")
    assert memo.get(b"key", 0.0, NOBODY, 1) is None
    memo.admit(b"key", request(), b"answer")
    assert memo.get(b"key", 0.0, NOBODY, 1) == b"answer"


def test_what_may_differ_the_next_time_is_never_kept() -> None:
    memo = _memo()
    asked = request()
    asked.once = True
    _admit(memo, b"key", asked)
    signed = request()
    signed.tsig = b"x"
    _admit(memo, b"other", signed)
    assert not memo.young


def test_an_entry_dies_when_its_time_has_come() -> None:
    memo = _memo()
    asked = request()
    asked.until = 10.0
    _admit(memo, b"key", asked)
    assert memo.get(b"key", 9.9, NOBODY, 1) == b"answer"
    assert memo.get(b"key", 10.0, NOBODY, 1) is None
    assert not memo.young


def test_an_entry_dies_with_the_zone_it_read_and_no_other() -> None:
    memo = _memo()
    one, other = request(), request()
    one.zones, other.zones = ["zone 1"], ["zone 2"]
    _admit(memo, b"one", one)
    _admit(memo, b"other", other)
    memo.forget("zone 1")
    assert memo.get(b"one", 0.0, NOBODY, 1) is None
    assert memo.get(b"other", 0.0, NOBODY, 1) == b"answer"


def test_several_variants_are_collected_and_then_taken_in_turn() -> None:
    memo = _memo()
    asked = request()
    asked.variants = 2
    _admit(memo, b"key", asked, b"first")
    assert memo.get(b"key", 0.0, NOBODY, 1) is None
    memo.admit(b"key", asked, b"second")
    assert {memo.get(b"key", 0.0, NOBODY, 1) for _ in range(2)} == {b"first", b"second"}


def test_each_use_is_counted_and_told() -> None:
    memo = _memo()
    told: list[tuple[str, int]] = []
    counter = metrics.Counter("memo_test_total", "A test's counter.")
    cell = counter.cell()
    before = metrics.values[cell]
    asked = request()
    asked.series.append(cell)
    asked.repeats = [lambda sender, ident: told.append((str(from_sockaddr(sender)), ident))]
    _admit(memo, b"key", asked)
    for ident in (7, 8):
        memo.get(b"key", 0.0, NOBODY, ident)
    memo.budget.flush()
    assert metrics.values[cell] - before == 2
    assert told == [("127.0.0.1:53", 7), ("127.0.0.1:53", 8)]


def test_a_flood_of_new_names_stays_within_the_budget_and_keeps_what_is_hot() -> None:
    memo = _memo(1 << 18)
    _admit(memo, b"hot", request())
    for i in range(20_000):
        _admit(memo, b"cold %d" % i, request())
        assert memo.get(b"hot", 0.0, NOBODY, 1) == b"answer"
    held = sum(len(k) + 400 for half in (memo.young, memo.old) for k in half)
    assert held < 1 << 18


def test_turning_over_forgets_the_zones_of_what_went() -> None:
    memo = _memo(1 << 14)
    for i in range(500):
        asked = request()
        asked.zones = [i]
        _admit(memo, b"key %d" % i, asked)
    assert len(memo.by_zone) <= len(memo.young) + len(memo.old)
    assert isinstance(Entry(request(), b"x").until, float)


def test_an_answer_from_the_cache_counts_down_until_it_is_over() -> None:
    memo = _memo()
    asked = query("a.test.", opt=Edns(1232))
    asked.request.hold(11.0, 13.0)
    records = section([RRset(asked.name, A, 3, (b"\1\2\3\4", b"\1\2\3\5")), RRset(asked.name, TXT, 3, (b"\1x",))])
    _admit(memo, b"key", asked.request, write(asked, asked.reply(answer=records)))
    for now, wanted in ((10.5, 3), (11.0, 2), (11.9, 2), (12.5, 1)):
        wire = memo.get(b"key", now, NOBODY, 1)
        assert wire is not None
        seen = dns.message.from_wire(b"\0\0" + wire)
        assert [rrset.ttl for rrset in seen.answer] == [wanted, wanted]
        assert seen.payload == 1232
    assert memo.get(b"key", 13.0, NOBODY, 1) is None


def test_several_seconds_may_pass_between_two_uses() -> None:
    memo = _memo()
    asked = query("a.test.")
    asked.request.hold(11.0, 60.0)
    records = section([RRset(asked.name, A, 50, (b"\1\2\3\4",))])
    _admit(memo, b"key", asked.request, write(asked, asked.reply(answer=records)))
    wire = memo.get(b"key", 30.2, NOBODY, 1)
    assert wire is not None
    assert dns.message.from_wire(b"\0\0" + wire).answer[0].ttl == 30
    assert memo.get(b"key", 30.9, NOBODY, 1) == wire


def test_two_plugins_that_hold_an_answer_let_nothing_count_down() -> None:
    asked = request()
    asked.hold(11.0, 60.0)
    asked.hold(12.0, 40.0)
    assert (asked.until, asked.end) == (11.0, 11.0)


def test_a_guarded_answer_is_only_for_clients_of_its_class() -> None:
    memo = _memo()
    asked = request(ip="10.0.0.1")
    asked.guards = [(lambda peer: peer.ip.startswith("10."), True)]
    _admit(memo, b"key", asked)
    found = memo.young[b"key"]
    assert isinstance(found, Entry) and found.quick is None
    assert memo.get(b"key", 0.0, request(ip="10.0.0.2").sender, 1) == b"answer"
    assert memo.get(b"key", 0.0, request(ip="11.0.0.2").sender, 1) is None
    assert memo.get(b"key", 0.0, request(ip="10.0.0.3").sender, 1) == b"answer"


def test_the_same_variant_is_collected_once() -> None:
    memo = _memo()
    asked = request()
    asked.variants = 3
    _admit(memo, b"key", asked, b"first")
    for wire in (b"first", b"second", b"first", b"second", b"third"):
        assert memo.get(b"key", 0.0, NOBODY, 1) is None
        memo.admit(b"key", asked, wire)
    assert sorted(str(memo.get(b"key", 0.0, NOBODY, 1)) for _ in range(3)) == ["b'first'", "b'second'", "b'third'"]


def test_collecting_ends_where_there_are_fewer_variants_than_thought() -> None:
    memo = _memo()
    asked = request()
    asked.variants = 2
    for _ in range(20):
        if memo.get(b"key", 0.0, NOBODY, 1) is None:
            memo.admit(b"key", asked, b"only")
    assert memo.get(b"key", 0.0, NOBODY, 1) == b"only"
