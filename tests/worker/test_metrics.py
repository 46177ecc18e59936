"""Counting into seats and adding them up."""

import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from shardns.worker import metrics
from shardns.worker.seats import CELLS, SCRATCH, Seat


@pytest.fixture(autouse=True)
def own_registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(metrics, "declared", {})
    before = metrics.seat
    metrics.use(Seat.private())
    yield
    metrics.use(before)


def test_the_same_labels_give_the_same_cell() -> None:
    hits = metrics.Counter("hits_total", "Hits.", labels=("server",))
    cell = hits.cell("a")
    assert cell >= SCRATCH
    assert hits.cell("a") == cell != hits.cell("b")


def test_a_wrong_number_of_labels_is_refused() -> None:
    with pytest.raises(ValueError, match="has the labels"):
        metrics.Counter("hits_total", "Hits.", labels=("server",)).inc()


def test_counters_outlive_their_process(tmp_path: Path) -> None:
    hits = metrics.Counter("hits_total", "Hits.", labels=("server",))
    metrics.open(tmp_path, 3)
    hits.inc("a")
    metrics.use(Seat.private())
    assert metrics.values[hits.cell("a")] == 0
    metrics.open(tmp_path, 3)
    hits.inc("a")
    assert metrics.values[hits.cell("a")] == 2


def test_gauges_of_live_processes_are_forgotten_by_the_next_one(tmp_path: Path) -> None:
    total = metrics.Gauge("connections", "Open.", merge="sum")
    own = metrics.Gauge("enabled", "On.", merge="own")
    lasting = metrics.Gauge("entries", "Entries.")
    metrics.open(tmp_path, 0)
    for gauge in (total, own, lasting):
        gauge.set(7)
    metrics.open(tmp_path, 0)
    assert metrics.values[total.cell()] == 0
    assert math.isnan(metrics.values[own.cell()])
    assert metrics.values[lasting.cell()] == 7


def test_a_bucket_holds_what_is_not_above_its_bound() -> None:
    sizes = metrics.Histogram("size_bytes", "Size.", buckets=(0, 100))
    assert [sizes.bucket(v) for v in (0, 1, 100, 101)] == [0, 1, 1, 2]
    sizes.observe(100)
    sizes.observe(5000)
    base = sizes.cell()
    assert list(metrics.values[base : base + 4]) == [0, 1, 1, 5100]


def test_a_full_seat_counts_into_the_scratch_cells() -> None:
    wide = metrics.Histogram("wide", "Wide.", labels=("n",), buckets=tuple(range(0xFFF0)))
    cells = [wide.cell(str(n)) for n in range(CELLS // 0xFFF0 + 3)]
    assert cells[-1] == 0
    assert metrics.seat.dropped > 0


def test_repeating_a_series_bumps_cells_and_adds_amounts() -> None:
    hits = metrics.Counter("hits_total", "Hits.")
    size = metrics.Counter("bytes_total", "Octets.")
    metrics.repeat([hits.cell(), ~size.cell(), 40, hits.cell()], 3)
    assert metrics.values[hits.cell()] == 6
    assert metrics.values[size.cell()] == 120


def test_a_reader_sees_what_the_writer_added_since(tmp_path: Path) -> None:
    hits = metrics.Counter("hits_total", "Hits.", labels=("server",))
    metrics.open(tmp_path, 1)
    hits.inc("a")
    reader = Seat.look(tmp_path / "metrics" / "1")
    assert [s.labels for s in reader.series()] == [("a",)]
    hits.inc("b")
    assert [s.labels for s in reader.series()] == [("a",), ("b",)]
    assert reader.alive
