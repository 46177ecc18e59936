"""The metrics of `cache`, as the reference names them."""

from __future__ import annotations

from typing import NamedTuple

from shardns.worker import metrics
from shardns.worker.metrics import Counter, Gauge

_SIDES = ("server", "type", "zones", "view")
_ALL = ("server", "zones", "view")

entries = Gauge("cache_entries", "The number of elements in the cache.", _SIDES)
requests = Counter("cache_requests_total", "The count of cache requests.", _ALL)
hits = Counter("cache_hits_total", "The count of cache hits.", _SIDES)
misses = Counter(
    "cache_misses_total",
    "The count of cache misses. Deprecated, derive misses from cache hits/requests counters.",
    _ALL,
)
prefetches = Counter("cache_prefetch_total", "The number of times the cache has prefetched a cached item.", _ALL)
drops = Counter("cache_drops_total", "The number responses that are not cached, because the reply is malformed.", _ALL)
served_stale = Counter("cache_served_stale_total", "The number of requests served from stale cache entries.", _ALL)
evictions = Counter("cache_evictions_total", "The count of cache evictions.", _SIDES)


class Cells(NamedTuple):
    """The cells that a hit or a miss on one listener counts in."""

    requests: int
    misses: int
    success: int
    denial: int


def cells_of(server: str, zones: str, view: str) -> Cells:
    """Return the cells of a listener; series appear when something is counted in them."""
    return Cells(
        requests.cell(server, zones, view),
        misses.cell(server, zones, view),
        hits.cell(server, "success", zones, view),
        hits.cell(server, "denial", zones, view),
    )


def cache_of_cells() -> dict[tuple[str, str, str], Cells]:
    """Return a table of cells that is emptied when this process takes another seat."""
    table: dict[tuple[str, str, str], Cells] = {}
    metrics.caches.append(table)
    return table
