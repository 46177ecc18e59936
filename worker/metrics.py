"""Metrics: declared where they are used, counted in shared memory, added up by the keeper for a scrape.

    hits = Counter("cache_hits_total", "Cache hits.", labels=("server", "type"))
    cell = hits.cell("dns://:53", "success")          # once
    metrics.values[cell] += 1                         # a query: one list-like access

1. Every process counts into its own seat (`seats`); counters live as long as the folder, through reloads and crashes.
2. `values` is replaced by `open`: always write `metrics.values[…]`, never `from … import values`; cells are asked for
   after the fork, in `prepare` or later, never while a module is imported.
3. Nothing here raises on the path of a query: a series that finds no room counts into scratch cells.
4. `request.series` lists what a repetition of the same answer counts again: a cell to bump by one, or the complement
   of a cell (`~cell`) followed by the integer amount to add to it. `repeat` is its reader.
"""

from __future__ import annotations

import math
import time
from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from .seats import Seat

DURATIONS = tuple(0.00025 * 2**k for k in range(16))  # s; to 8.192
SLIM = (0.00025, 0.0025, 0.025, 0.25, 2.5)  # s
SIZES = (
    0,
    100,
    200,
    300,
    400,
    511,
    1023,
    2047,
    4095,
    8291,
    16000,
    32000,
    48000,
    64000,
)  # octets; 8291 is no typo
Merge = Literal["sum", "max", "keeper", "own"]

declared: dict[str, Metric] = {}
caches: list[dict[Any, Any]] = []  # of cells, kept by other modules: emptied when the seat changes
seat = Seat.private()
seat_number = -1  # of this process's file; -1 while there is none
values = seat.values


class Metric:
    """A family of series of one name. `name` is without the `coredns_` in front."""

    kind: ClassVar[str]

    def __init__(self, name: str, help: str, labels: tuple[str, ...] = (), width: int = 1) -> None:
        self.name = name
        self.help = help
        self.labels = labels
        self.width = width
        twin = declared.get(name)
        # Two modules may share a metric (forward and grpc do): they count into the same cells.
        self._cells: dict[tuple[str, ...], int] = twin._cells if twin and twin.labels == labels else {}
        declared[name] = self

    def cell(self, *labels: str) -> int:
        """Return the first cell of a series; 100 ns for one seen before."""
        found = self._cells.get(labels)
        return self._allocate(labels) if found is None else found

    def _allocate(self, labels: tuple[str, ...]) -> int:
        if len(labels) != len(self.labels):
            raise ValueError(f"{self.name} has the labels {self.labels}, not {labels}")
        cell = seat.allocate(self.name, tuple(map(str, labels)), self.width)
        if cell:
            self._cells[labels] = cell
        return cell

    def adopt(self, labels: tuple[str, ...], cell: int) -> None:
        """Go on with a series that an earlier process of this seat began."""
        self._cells[labels] = cell


class Counter(Metric):
    """Only goes up; `name` ends in `_total`."""

    kind = "counter"

    def __init__(self, name: str, help: str, labels: tuple[str, ...] = ()) -> None:
        super().__init__(name, help, labels)

    def inc(self, *labels: str, by: float = 1.0) -> None:
        """Count one, or `by`."""
        values[self.cell(*labels)] += by


class Gauge(Metric):
    """Goes up and down.

    `merge` says how the processes' values become one: "sum" and "max" over the live ones; "keeper": the value set
    last, by whichever process, stays; "own": only what the present keeper has set.
    """

    kind = "gauge"

    def __init__(self, name: str, help: str, labels: tuple[str, ...] = (), merge: Merge = "keeper") -> None:
        super().__init__(name, help, labels, 2)  # the value, and when it was set (s since 1970)
        self.merge = merge

    def set(self, value: float, *labels: str) -> None:
        """Set the value of this process."""
        cell = self.cell(*labels)
        values[cell + 1] = time.time()
        values[cell] = value

    def inc(self, *labels: str, by: float = 1.0) -> None:
        """Add to the value of this process."""
        cell = self.cell(*labels)
        self.set((0.0 if math.isnan(values[cell]) else values[cell]) + by, *labels)

    def remove(self, *labels: str) -> None:
        """Take one series out of the exposition, until it is set again."""
        self.set(math.nan, *labels)

    def clear(self) -> None:
        """Take all series of this process out of the exposition."""
        for labels in list(self._cells):
            self.remove(*labels)

    def adopt(self, labels: tuple[str, ...], cell: int) -> None:
        """Forget what only a live process can say."""
        super().adopt(labels, cell)
        if self.merge != "keeper":
            values[cell] = 0.0 if self.merge == "sum" else math.nan


class Histogram(Metric):
    """Counts observations in buckets. A series is one cell a bucket, one for what is above all, one for the sum."""

    kind = "histogram"

    def __init__(
        self, name: str, help: str, labels: tuple[str, ...] = (), buckets: tuple[float, ...] = DURATIONS
    ) -> None:
        super().__init__(name, help, labels, len(buckets) + 2)
        self.buckets = buckets
        self.sum_at = len(buckets) + 1

    def bucket(self, value: float) -> int:
        """Return which bucket takes a value: to be added to the series' cell."""
        return bisect_left(self.buckets, value)

    def observe(self, value: float, *labels: str) -> None:
        """Count one observation."""
        cell = self.cell(*labels)
        values[cell + bisect_left(self.buckets, value)] += 1
        values[cell + self.sum_at] += value


def open(folder: str | Path, number: int) -> None:
    """Take a seat: all metrics of this process count there from now on, continuing what the file holds."""
    global seat_number
    use(Seat.take(Path(folder) / "metrics" / str(number)))
    seat_number = number


def use(taken: Seat) -> None:
    """Count into this seat from now on."""
    global seat, values
    seat, values = taken, taken.values
    for metric in declared.values():
        metric._cells.clear()
    for cache in caches:
        cache.clear()
    for series in taken.series():
        metric_ = declared.get(series.metric)
        if metric_ and metric_.width == series.width and len(metric_.labels) == len(series.labels):
            metric_.adopt(series.labels, series.cell)


def repeat(series: Sequence[int], times: int) -> None:
    """Count what `request.series` lists once more for each of `times` repetitions."""
    cells = values
    pending = -1
    for entry in series:
        if pending >= 0:
            cells[pending] += entry * times
            pending = -1
        elif entry >= 0:
            cells[entry] += times
        else:
            pending = ~entry
