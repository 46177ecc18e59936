"""What makes room in a full cache: what is over first, then what is least asked for, never what many ask for."""

from __future__ import annotations

import bisect
import heapq
import itertools
import random
import struct
from pathlib import Path

import pytest

from shardns.worker.store.cache import CacheStore
from shardns.worker.store.heat import MOST, PLACES, Heat
from shardns.worker.store.places import DENIAL, SUCCESS, Side, mark_of, tail
from shardns.worker.store.room import Room
from shardns.worker.store.sweep import Sweeper

SPACE = b"namespac"
FRESH = struct.pack("<d", 2000.0) + bytes(60)
STALE = struct.pack("<d", 500.0) + bytes(60)


class Bench:
    """A side of a cache at time 1000, and a client that counts its hits."""

    def __init__(self, folder: Path, capacity: int, burst: int = 1) -> None:
        self.burst = burst
        self.asked = 0
        self.store = CacheStore.open(folder, 16 << 20, lambda: 1000.0)
        self.side = Side(SPACE, SUCCESS, capacity)
        self.sweeper = Sweeper(self.store, SPACE, (self.side, Side(SPACE, DENIAL, capacity)))

    def key(self, number: int) -> bytes:
        return self.side.prefix + tail(b"%d" % number)

    def ask(self, number: int, value: bytes = FRESH) -> bool:
        key = self.key(number)
        self.store.heat.add(mark_of(key))
        if self.store.get(key) is not None:
            return True
        self.store.put(key, value, self.side)
        self.asked += 1
        if self.asked % self.burst == 0:
            self.store.flush()
        return False


def zipf(names: int, exponent: float, count: int) -> list[int]:
    """Draw names, the n-th most popular with a probability of 1/n^exponent."""
    drawn = random.Random(1)
    sums = list(itertools.accumulate(1 / (rank + 1) ** exponent for rank in range(names)))
    ranks = [bisect.bisect_left(sums, drawn.random() * sums[-1]) for _ in range(count)]
    order = list(range(names))
    drawn.shuffle(order)
    return [order[rank] for rank in ranks]


def lfu(asked: list[int], capacity: int, warm: int) -> float:
    """Return the hit ratio of a cache that knows how often every name was asked for, and keeps the first of them."""
    often: dict[int, int] = {}
    kept: dict[int, int] = {}
    heap: list[tuple[int, int]] = []
    hits = 0
    for at, name in enumerate(asked):
        often[name] = times = often.get(name, 0) + 1
        hits += name in kept and at >= warm
        if name not in kept and len(kept) >= capacity:
            while kept.get(heap[0][1]) != heap[0][0]:
                heapq.heappop(heap)
            del kept[heapq.heappop(heap)[1]]
        kept[name] = times
        heapq.heappush(heap, (times, name))
    return hits / (len(asked) - warm)


@pytest.mark.parametrize("burst", [1, 20])
@pytest.mark.parametrize("exponent", [0.8, 1.0, 1.1])
def test_a_zipf_load_is_hit_as_often_as_with_lfu(tmp_path: Path, exponent: float, burst: int) -> None:
    bench = Bench(tmp_path, 256, burst)
    asked = zipf(2560, exponent, 20_000)
    warm = len(asked) // 2
    hits = 0
    for at, name in enumerate(asked):
        hits += bench.ask(name) and at >= warm
        if at % 5000 == 0:
            bench.sweeper.cool()
    bench.store.flush()
    assert bench.sweeper.entries() == (256, 0)
    assert hits / (len(asked) - warm) > 0.95 * lfu(asked, 256, warm)


def test_a_flood_of_names_that_never_repeat_leaves_the_others_alone(tmp_path: Path) -> None:
    bench = Bench(tmp_path, 256)
    for _ in range(4):
        for name in range(200):
            bench.ask(name)
    for name in range(1000, 4000):
        bench.ask(name)
    assert sum(bench.ask(name) for name in range(200)) > 195
    assert bench.sweeper.entries() == (256, 0)


def test_what_was_popular_once_makes_room_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shardns.worker.store.sweep.COOL_AT_LEAST", 1000)
    bench = Bench(tmp_path, 100)
    for _ in range(50):
        for name in range(100):
            bench.ask(name)
    hits = 0
    for _ in range(40):
        hits = sum(bench.ask(name) for name in range(1000, 1100))
        bench.sweeper.cool()
    assert hits > 90


def test_what_is_over_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "randbytes", random.Random(1).randbytes)  # a sample may hold none of them
    bench = Bench(tmp_path, 64)
    for _ in range(3):
        for name in range(64):
            bench.ask(name, STALE if name % 4 == 0 else FRESH)
    for name in range(64, 72):
        bench.ask(name)
    kept = [name for name in range(64) if bench.store.get(bench.key(name)) is not None]
    assert sum(name % 4 != 0 for name in kept) == 48 and sum(name % 4 == 0 for name in kept) <= 16 - 4


def test_a_sample_reaches_over_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(tmp_path, 4)
    for name in range(4):
        bench.ask(name)
    monkeypatch.setattr(random, "randbytes", lambda size: b"\xff" * size)
    with bench.store.environment.begin(write=True) as txn:
        assert Room(txn, bench.side, bench.store.heat, 0.0).coldest() is not None
        assert Room(txn, Side(SPACE, DENIAL, 4), bench.store.heat, 0.0).coldest() is None


def test_a_side_stays_within_its_capacity_though_another_process_takes_the_same_entries(tmp_path: Path) -> None:
    bench = Bench(tmp_path, 64)
    sides = [bench.side, Side(SPACE, SUCCESS, 64)]
    for number in range(2000):
        bench.side = sides[number % 2]
        bench.ask(number)
        assert bench.sweeper.entries()[0] == min(number + 1, 64)
    with bench.store.environment.begin() as txn:
        assert sum(key.startswith(bench.side.prefix) for key, _ in txn.cursor()) == 64


def test_warmth_is_shared_saturates_and_cools(tmp_path: Path) -> None:
    mine, theirs = Heat.open(tmp_path / "heat"), Heat.open(tmp_path / "heat")
    mine.add(7)
    theirs.add(7 + PLACES, 5)
    assert mine.of(7) == 6
    mine.add(8, 100_000)
    assert (theirs.of(8), mine.total()) == (MOST, MOST + 6)
    theirs.cool()
    assert (mine.of(7), mine.of(8)) == (3, 127)
