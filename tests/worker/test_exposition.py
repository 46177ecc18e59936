"""What a scrape shows: sums over seats, Go's numbers, the reference's order of labels."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from shardns.worker import exposition, metrics
from shardns.worker.exposition import SeatsCollector, number, text
from shardns.worker.processes import ProcessCollector
from shardns.worker.seats import Seat


@pytest.fixture(autouse=True)
def own_registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(metrics, "declared", {})
    before = metrics.seat
    yield
    metrics.use(before)


def shown(folder: Path, own: int = 0) -> list[str]:
    return text(SeatsCollector(folder, own).collect()).decode().splitlines()


def test_counters_of_all_seats_add_up(tmp_path: Path) -> None:
    hits = metrics.Counter("hits_total", "Hits.", labels=("zone", "server"))
    for seat in (0, 1):
        metrics.open(tmp_path, seat)
        hits.inc("a.", "dns://:53", by=2)
    hits.inc('b"\\\n.', "dns://:53")
    assert shown(tmp_path) == [
        "# HELP coredns_hits_total Hits.",
        "# TYPE coredns_hits_total counter",
        'coredns_hits_total{server="dns://:53",zone="a."} 4',
        'coredns_hits_total{server="dns://:53",zone="b\\"\\\\\\n."} 1',
    ]


def test_a_metric_without_labels_shows_before_it_counts(tmp_path: Path) -> None:
    metrics.Counter("panics_total", "Panics.")
    metrics.Counter("labelled_total", "Labelled.", labels=("a",))
    assert shown(tmp_path)[2:] == ["coredns_panics_total 0"]


def test_buckets_are_cumulative_and_le_stands_last(tmp_path: Path) -> None:
    size = metrics.Histogram("size_bytes", "Size.", labels=("zone",), buckets=(0, 100, 16000))
    metrics.open(tmp_path, 0)
    for value in (31, 100, 20000):
        size.observe(value, "z.")
    assert shown(tmp_path)[2:] == [
        'coredns_size_bytes_bucket{zone="z.",le="0"} 0',
        'coredns_size_bytes_bucket{zone="z.",le="100"} 2',
        'coredns_size_bytes_bucket{zone="z.",le="16000"} 2',
        'coredns_size_bytes_bucket{zone="z.",le="+Inf"} 3',
        'coredns_size_bytes_sum{zone="z."} 20131',
        'coredns_size_bytes_count{zone="z."} 3',
    ]


def test_gauges_merge_as_they_are_declared(tmp_path: Path) -> None:
    gauges = {merge: metrics.Gauge(merge, "G.", merge=merge) for merge in ("sum", "max", "keeper", "own")}
    for seat, value in ((0, 5), (1, 3)):
        metrics.open(tmp_path, seat)
        for gauge in gauges.values():
            gauge.set(value)
    lines = shown(tmp_path, own=0)
    assert [line for line in lines if not line.startswith("#")] == [
        "coredns_keeper 3", "coredns_max 5", "coredns_own 5", "coredns_sum 8",
    ]  # fmt: skip


def test_what_only_live_processes_can_say_goes_with_them(tmp_path: Path) -> None:
    open_now = metrics.Gauge("connections", "C.", merge="sum")
    hits = metrics.Counter("hits_total", "H.")
    metrics.open(tmp_path, 0)
    open_now.set(4)
    hits.inc()
    metrics.seat._words[4] += 1  # the writer's time of birth: this is now another process's number
    assert shown(tmp_path)[2::3] == ["coredns_connections 0", "coredns_hits_total 1"]


def test_a_removed_gauge_is_gone_although_an_older_process_had_set_it(tmp_path: Path) -> None:
    info = metrics.Gauge("info", "I.", labels=("value",))
    metrics.open(tmp_path, 0)
    info.set(1, "old")
    metrics.open(tmp_path, 1)
    info.remove("old")
    info.set(1, "new")
    assert shown(tmp_path)[2:] == ['coredns_info{value="new"} 1']


def test_a_file_that_is_no_seat_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / "7").write_bytes(b"")
    assert shown(tmp_path) == []


@pytest.mark.parametrize(
    ("value", "shown_as"),
    [
        (0.0, "0"), (3.0, "3"), (999999.0, "999999"), (1e6, "1e+06"), (1234567.0, "1.234567e+06"), (0.00025, "0.00025"),
        (0.00001, "1e-05"), (123456.5, "123456.5"), (-2.5, "-2.5"), (float("inf"), "+Inf"), (float("nan"), "NaN"),
        (1700000000.25, "1.70000000025e+09"),
    ],
)  # fmt: skip
def test_numbers_look_as_go_prints_them(value: float, shown_as: str) -> None:
    assert number(value) == shown_as


def test_our_processes_are_measured_together() -> None:
    found = {
        family.name: family.samples[0].value for family in ProcessCollector(lambda: [os.getpid(), 1 << 30]).collect()
    }
    assert found["process_resident_memory_bytes"] > 1e6
    assert set(found) >= {"process_cpu_seconds", "process_open_fds", "process_start_time_seconds"}


def test_the_registry_shows_ours_and_the_interpreter_s(tmp_path: Path) -> None:
    metrics.Counter("panics_total", "Panics.")
    page = text(exposition.registry(tmp_path, 0).collect()).decode()
    assert "coredns_panics_total 0\n" in page
    assert "process_open_fds " in page
    assert "python_info{" in page


def test_a_private_seat_has_no_living_writer() -> None:
    assert not Seat.private().alive


def test_a_scrape_shows_metrics_without_labels_of_plugins_that_are_not_in_use(tmp_path: Path) -> None:
    used = metrics.Counter("reload_failed_total", "Counter of the number of failed reload attempts.")
    metrics.open(tmp_path, 0)
    used.inc()
    lines = text(exposition.registry(tmp_path, 0).collect()).decode().splitlines()
    for line in (
        "coredns_forward_healthcheck_broken_total 0",
        "coredns_forward_max_concurrent_rejects_total 0",
        "coredns_health_request_duration_seconds_count 0",
        "coredns_health_request_failures_total 0",
        "coredns_hosts_reload_timestamp_seconds 0",
        "coredns_local_localhost_requests_total 0",
        "coredns_reload_failed_total 1",
    ):
        assert line in lines
