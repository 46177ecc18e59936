"""The metrics of `cache`, as the reference names them."""

from __future__ import annotations

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


class Cells:
    """The cells that queries of one listener count in.

    Each is 0 until `made`, so that no series shows up before there was something to count: write `c.x or c.made("x")`.
    """

    __slots__ = ("denial", "labels", "misses", "requests", "success")

    def __init__(self, server: str, zones: str, view: str) -> None:
        self.labels = (server, zones, view)
        self.requests = self.misses = self.success = self.denial = 0

    def made(self, name: str) -> int:
        """Return the cell of that name, making it."""
        server, zones, view = self.labels
        match name:
            case "requests":
                self.requests = cell = requests.cell(server, zones, view)
            case "misses":
                self.misses = cell = misses.cell(server, zones, view)
            case "success":
                self.success = cell = hits.cell(server, "success", zones, view)
            case _:
                self.denial = cell = hits.cell(server, "denial", zones, view)
        return cell


def cache_of_cells() -> dict[str, Cells]:
    """Return a table of cells, by listener, that is emptied when this process takes another seat."""
    table: dict[str, Cells] = {}
    metrics.caches.append(table)
    return table
