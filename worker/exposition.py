"""What all seats say together, as Prometheus reads it: text format 0.0.4, written as the reference writes it.

The families come out of a `prometheus_client` registry, so collectors of other packages can join it. The text is
written here because the reference puts `le` last and prints numbers as Go does, and drop-in means byte for byte.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path

from prometheus_client import CollectorRegistry, PlatformCollector
from prometheus_client.metrics_core import Metric as Family

from . import metrics, standing
from .processes import ProcessCollector
from .seats import Seat, Series

NAMESPACE = "coredns_"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"
Cells = list[float]


class SeatsCollector:
    """Adds up the seats of a folder; `own` is the number of the asking process's seat."""

    def __init__(self, folder: str | Path, own: int) -> None:
        self._folder = Path(folder) / "metrics"
        self._own = str(own)
        self._seats: dict[str, tuple[tuple[int, int], Seat]] = {}

    def seats(self) -> dict[str, Seat]:
        """Map what is there, and let go of what has gone."""
        found: dict[str, tuple[tuple[int, int], Seat]] = {}
        for path in sorted(self._folder.iterdir()) if self._folder.is_dir() else ():
            try:
                stat = path.stat()
                known = self._seats.get(path.name)
                mark = (stat.st_dev, stat.st_ino)
                found[path.name] = known if known and known[0] == mark else (mark, Seat.look(path))
            except (OSError, ValueError):
                continue  # a seat that is just being made has counted nothing
        self._seats = found
        return {name: seat for name, (_, seat) in found.items()}

    def collect(self) -> Iterator[Family]:
        """Yield every family that has samples, in the order of names."""
        merged = self._merged()
        for name, metric in sorted(metrics.declared.items()):
            rows = merged.get(name, {})
            if not metric.labels:
                rows.setdefault((), [0.0] * metric.width)
            family = _family(metric, rows)
            if family.samples:
                yield family

    def _merged(self) -> dict[str, dict[tuple[str, ...], Cells]]:
        merged: dict[str, dict[tuple[str, ...], Cells]] = {}
        for name, seat in self.seats().items():
            values = seat.values
            alive = seat.alive
            for series in seat.series():
                metric = metrics.declared.get(series.metric)
                if metric is None or metric.width != series.width or len(metric.labels) != len(series.labels):
                    continue
                if isinstance(metric, metrics.Gauge) and not self._counts(metric, name, alive):
                    continue
                cells = list(values[series.cell : series.cell + series.width])
                _add(metric, series, cells, merged.setdefault(series.metric, {}))
        return merged

    def _counts(self, gauge: metrics.Gauge, seat: str, alive: bool) -> bool:
        match gauge.merge:
            case "own":
                return seat == self._own
            case "sum" | "max":
                return alive
        return True


def _add(metric: metrics.Metric, series: Series, cells: Cells, rows: dict[tuple[str, ...], Cells]) -> None:
    known = rows.get(series.labels)
    if known is None:
        rows[series.labels] = cells
    elif not isinstance(metric, metrics.Gauge) or metric.merge == "sum":
        rows[series.labels] = [a + b for a, b in zip(known, cells, strict=True)]
    elif metric.merge == "max":
        rows[series.labels] = max(known, cells, key=lambda c: -math.inf if math.isnan(c[0]) else c[0])
    elif cells[1] >= known[1]:  # set later
        rows[series.labels] = cells


def _family(metric: metrics.Metric, rows: dict[tuple[str, ...], Cells]) -> Family:
    name = NAMESPACE + metric.name
    family = Family(name.removesuffix("_total") if metric.kind == "counter" else name, metric.help, metric.kind)
    order = sorted(range(len(metric.labels)), key=lambda i: metric.labels[i])
    sorted_rows = sorted(rows.items(), key=lambda row: [row[0][i] for i in order])
    for values, cells in sorted_rows:
        labels = {metric.labels[i]: values[i] for i in order}
        if isinstance(metric, metrics.Histogram):
            _histogram(family, name, metric, labels, cells)
        elif not math.isnan(cells[0]):
            family.add_sample(name, labels, cells[0])
    return family


def _histogram(family: Family, name: str, metric: metrics.Histogram, labels: dict[str, str], cells: Cells) -> None:
    total = 0.0
    for bound, count in zip((*metric.buckets, math.inf), cells, strict=False):
        total += count
        family.add_sample(f"{name}_bucket", {**labels, "le": number(bound)}, total)
    family.add_sample(f"{name}_sum", labels, cells[metric.sum_at])
    family.add_sample(f"{name}_count", labels, total)


def registry(folder: str | Path, own: int) -> CollectorRegistry:
    """Return a registry of everything that a scrape shows: our metrics, our processes, the interpreter."""
    standing.declare()
    made = CollectorRegistry(auto_describe=False)
    seats = SeatsCollector(folder, own)
    made.register(seats)
    made.register(ProcessCollector(lambda: {seat.pid for seat in seats.seats().values() if seat.alive}))
    PlatformCollector(registry=made)
    return made


def text(families: Iterable[Family]) -> bytes:
    """Write families in text format 0.0.4, sorted by name."""
    out: list[str] = []
    for family in sorted(families, key=lambda f: f.name):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        kind = {"unknown": "untyped", "info": "gauge", "stateset": "gauge"}.get(family.type, family.type)
        out.append(f"# HELP {name} {_escape(family.documentation)}\n# TYPE {name} {kind}\n")
        for sample in family.samples:
            if sample.name.endswith("_created"):
                continue
            labels = ",".join(f'{key}="{_escape(value, quoted=True)}"' for key, value in sample.labels.items())
            out.append(f"{sample.name}{{{labels}}} " if labels else f"{sample.name} ")
            out.append(number(sample.value) + "\n")
    return "".join(out).encode()


def _escape(text: str, quoted: bool = False) -> str:
    text = text.replace("\\", "\\\\").replace("\n", "\\n")
    return text.replace('"', '\\"') if quoted else text


def number(value: float) -> str:
    """Print a number as Go's `strconv` does in its shortest `g` form: an exponent from 1e+06 on and below 0.0001."""
    if value != value:
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if value == int(value) and abs(value) < 1e6:
        return str(int(value))
    shortest = Decimal(repr(float(value))).normalize()
    sign, digits, _ = shortest.as_tuple()
    exponent = shortest.adjusted()
    if -4 <= exponent < 6:
        return format(shortest, "f")
    first, *rest = map(str, digits)
    fraction = "." + "".join(rest) if rest else ""
    return f"{'-' if sign else ''}{first}{fraction}e{'+' if exponent > 0 else '-'}{abs(exponent):02d}"
