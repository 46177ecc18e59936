"""The cache's store: bursts, capacity, claims, sweeping, and what a killed process leaves behind."""

from __future__ import annotations

import os
import signal
import struct
from pathlib import Path

import pytest

from shardns.worker import metrics
from shardns.worker.store import cache, sweep
from shardns.worker.store.cache import CacheStore
from shardns.worker.store.hits import Hits
from shardns.worker.store.places import ALIVE, DENIAL, SUCCESS, Side, tail
from shardns.worker.store.sweep import Sweeper

SPACE = b"\x80namespc"


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> CacheStore:
    return CacheStore.open(tmp_path, 4 << 20, clock)


def side(capacity: int = 100, space: bytes = SPACE, kind: bytes = SUCCESS) -> Side:
    return Side(space, kind, capacity)


def value(ends: float, size: int = 20) -> bytes:
    return struct.pack("<d", ends) + bytes(size)


def fill(store: CacheStore, where: Side, count: int, ends: float = 2000.0, size: int = 20, start: int = 0) -> None:
    for number in range(start, start + count):
        store.put(where.prefix + tail(b"%d" % number), value(ends, size), where)
    store.flush()


def test_a_process_reads_its_own_queued_writes(store: CacheStore) -> None:
    where = side()
    key = where.prefix + tail(b"x")
    store.put(key, value(1), where)
    assert store.get(key) == value(1)
    store.delete(key, where)
    assert store.get(key) is None
    store.flush()
    assert store.get(key) is None


def test_a_burst_reads_one_snapshot(store: CacheStore, clock: Clock) -> None:
    other = CacheStore(store.environment, store.hits, clock)
    where = side()
    key = where.prefix + tail(b"x")
    assert store.get(key) is None
    other.put(key, value(1), where)
    other.flush()
    assert store.get(key) is None
    store.flush()
    assert store.get(key) == value(1)


def test_a_full_side_evicts_one_for_each_new_entry(store: CacheStore) -> None:
    where = side(50)
    told: list[tuple[int, int]] = []
    where.flushed = lambda entries, evicted: told.append((entries, evicted))
    fill(store, where, 60)
    fill(store, where, 5)
    assert told[0] == (50, 10)
    assert store.entries(where) == 50
    store.flush()
    with store.environment.begin() as txn:
        assert sum(1 for key, _ in txn.cursor() if key.startswith(where.prefix)) == 50


def test_overwriting_evicts_nothing(store: CacheStore) -> None:
    where = side(50)
    fill(store, where, 50)
    told: list[tuple[int, int]] = []
    where.flushed = lambda entries, evicted: told.append((entries, evicted))
    fill(store, where, 50)
    assert told == [(50, 0)]


def test_the_sides_and_namespaces_do_not_evict_each_other(store: CacheStore) -> None:
    sides = [side(10), side(10, kind=DENIAL), side(10, b"\xffnamespc"), side(10, b"\0namespc")]
    for one in sides:
        fill(store, one, 20)
    assert [store.entries(one) for one in sides] == [10, 10, 10, 10]


def test_the_map_may_fill_up_without_hurting_a_query(tmp_path: Path, clock: Clock) -> None:
    small = CacheStore.open(tmp_path, 256 << 10, clock)
    where = side(1 << 30)
    for start in range(0, 2000, 10):
        fill(small, where, 10, size=2000, start=start)
    assert not small.pressed() or small.entries(where) < 200
    small.flush()
    assert 0 < small.entries(where) < 200


def test_a_failed_write_is_counted_and_forgotten(
    tmp_path: Path, clock: Clock, capfd: pytest.CaptureFixture[str]
) -> None:
    small = CacheStore.open(tmp_path, 128 << 10, clock)
    where = side(1 << 30)
    before = metrics.values[cache.failures.cell()]
    small.put(where.prefix + tail(b"x"), value(1, 200 << 10), where)
    small.flush()
    assert metrics.values[cache.failures.cell()] == before + 1
    fill(small, where, 3)
    assert small.entries(where) == 3
    capfd.readouterr()


def test_one_claim_at_a_time(store: CacheStore, clock: Clock) -> None:
    other = CacheStore(store.environment, store.hits, clock)
    key = side().prefix + tail(b"x")
    assert store.claim(key, 5.0, False)
    assert not store.claim(key, 5.0, False)
    assert not other.claim(key, 5.0, False)
    assert other.claim(key, 6.0, False)  # another item stands there
    store.release(key, 5.0)
    store.flush()
    other.flush()
    assert other.claim(key, 5.0, False)


def test_a_failed_claim_is_not_given_again_before_its_time(store: CacheStore, clock: Clock) -> None:
    key = side().prefix + tail(b"x")
    assert store.claim(key, 5.0, True)
    store.release(key, 5.0, clock.now + 30)
    assert not store.claim(key, 5.0, True)
    store.flush()
    assert not store.claim(key, 5.0, True)
    assert store.claim(key, 5.0, False)
    store.release(key, 5.0, clock.now + 30)
    clock.now += 30
    assert store.claim(key, 5.0, True)


def test_a_claim_of_a_dead_process_ends(store: CacheStore, clock: Clock) -> None:
    key = side().prefix + tail(b"x")
    assert CacheStore(store.environment, store.hits, clock).claim(key, 5.0, False)
    clock.now += cache.CLAIM_S - 1
    assert not store.claim(key, 5.0, False)
    clock.now += 1
    store.flush()
    assert store.claim(key, 5.0, False)


def test_the_keeper_deletes_what_expired(store: CacheStore, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "LOOK", 7)
    both = side(), side(kind=DENIAL)
    fill(store, both[0], 20, ends=1500.0)
    fill(store, both[0], 10, ends=3000.0, start=20)
    fill(store, both[1], 10, ends=1500.0)
    sweeper = Sweeper(store, SPACE, both)
    assert sum(sweeper.slice() for _ in range(20)) == 0
    clock.now = 2000.0
    assert sum(sweeper.slice() for _ in range(20)) == 0  # they are shown as entries until the room is needed
    clock.now = 1500.0 + sweep.KEPT_S
    assert sum(sweeper.slice() for _ in range(20)) == 30
    assert sweeper.entries() == (10, 0)


def test_the_keeper_deletes_at_once_what_expired_where_a_side_is_half_full(store: CacheStore, clock: Clock) -> None:
    both = side(), side(kind=DENIAL)
    fill(store, both[0], 51, ends=1500.0)
    fill(store, both[1], 50, ends=1500.0)
    clock.now = 1501.0
    sweeper = Sweeper(store, SPACE, both)
    assert sweeper.slice() == 51
    assert sweeper.entries() == (0, 50)


def test_an_abandoned_namespace_is_dropped_in_slices(store: CacheStore, clock: Clock) -> None:
    old, new = side(9999, b"\0namespc"), side()
    fill(store, old, 1200)
    theirs = Sweeper(store, b"\0namespc", (old, side(kind=DENIAL, space=b"\0namespc")))
    theirs.claim()
    mine = Sweeper(store, SPACE, (new, side(kind=DENIAL)))
    fill(store, new, 5)
    mine.claim()
    assert mine.drop_abandoned() == 0
    clock.now += sweep.ALIVE_S + 1
    mine.claim()
    assert [mine.drop_abandoned() for _ in range(3)] == [499, 499, 203]
    assert mine.drop_abandoned() == 0
    with store.environment.begin() as txn:
        assert {key[:8] for key, _ in txn.cursor()} == {SPACE}
    assert mine.entries() == (5, 0) and store.get(SPACE + ALIVE) is not None


def test_hits_start_anew_after_a_gap_or_for_another_item() -> None:
    hits = Hits(bytearray(1 << 20))
    assert [hits.add(b"a", now, 10.0) for now in (0.0, 5.0, 15.0, 25.5)] == [1, 2, 3, 1]
    hits.carry(b"a", b"b", 30.0)
    assert hits.add(b"b", 31.0, 10.0) == 2
    hits.forget(b"b")
    assert hits.add(b"b", 31.0, 10.0) == 1


@pytest.mark.system
def test_killed_readers_and_writers_harm_nobody(tmp_path: Path) -> None:
    children = []
    ready, told = os.pipe()
    for number in range(4):
        child = os.fork()
        if not child:
            theirs = CacheStore.open(tmp_path, 4 << 20)
            theirs.get(b"x")
            if number == 3:
                writing = theirs.environment.begin(write=True)
                writing.put(b"half", b"done")
            os.write(told, b"x")
            signal.pause()
        os.read(ready, 1)
        children.append(child)
    mine = CacheStore.open(tmp_path, 4 << 20)
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    os.close(ready)
    os.close(told)
    where = side(1000)
    assert mine.environment.reader_check() == 4
    for _ in range(40):
        fill(mine, where, 200)
    assert mine.get(b"half") is None
    mine.flush()
    assert mine.entries(where) == 200
    mine.close()
    assert (tmp_path / "cache.mdb").stat().st_size < 1 << 20
