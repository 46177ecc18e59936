"""The two halves of one cache in the store: finding entries, putting replies in, counting both."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

from shardns.worker import metrics
from shardns.worker.query import Query
from shardns.worker.reply import Reply
from shardns.worker.store.cache import CacheStore
from shardns.worker.store.holdings import Note
from shardns.worker.store.places import DENIAL, LABEL, NAMESPACE_BYTES, SUCCESS, Side
from shardns.worker.wire.codes import AD, Rcode
from shardns.worker.wire.names import to_text, within

from . import counters
from .counters import Cells
from .item import Item, decode, encode
from .keep import POSITIVE, Judge
from .namespace import namespace
from .options import Options
from .resolve import matches

if TYPE_CHECKING:
    from shardns.worker.site import Site

PREFIX_BYTES = NAMESPACE_BYTES + 1
_FOREVER = struct.pack("<d", 1e18)


class Shelf:
    """`zones` are the names that are cached; `now` is the monotonic clock (s)."""

    def __init__(self, options: Options, site: Site, store: CacheStore, now: Callable[[], float]) -> None:
        self.site = site
        self.store = store
        self.now = now
        self.judge = Judge(options)
        self.zones = options.zones or site.zones
        self.zones_label = ",".join(to_text(zone) for zone in self.zones)
        self.stale_s = 0 if options.serve_stale is None else int(options.serve_stale.duration)
        self.prefer_positive = options.serve_stale_policy is not None
        self.counts_hits = options.popular[0] > 0
        self._unkept = {True: options.disabled("success"), False: options.disabled("denial")}
        space = namespace(site.block)
        self.success = Side(space, SUCCESS, options.positive[0])
        self.denial = Side(space, DENIAL, options.negative[0])
        self._sides = {"success": self.success, "denial": self.denial}
        self.success.flushed = lambda entries, evicted: self._flushed("success", entries, evicted)
        self.denial.flushed = lambda entries, evicted: self._flushed("denial", entries, evicted)
        self._cells = counters.cache_of_cells()
        self._servers: set[str] = set()

    def note(self) -> Note:
        """Return what this cache says of itself to those who look into the store."""
        block = self.site.block
        keys = tuple(str(key) for key in block.keys)
        zones = tuple(to_text(zone) for zone in self.zones)
        like = namespace(block, "").hex()
        return Note(like, keys, zones, self.site.view, self.success.capacity, self.denial.capacity)

    # Finding -------------------------------------------------------------------------------------------------------

    def find(self, rest: bytes, now: float, cells: Cells) -> tuple[bytes, Item | None]:
        """Return the entry that answers, and its key: fresh, or stale and still to be served; count it."""
        values = metrics.values
        values[cells.requests or cells.made("requests")] += 1
        success, denial = self.success.prefix + rest, self.denial.prefix + rest
        if self.prefer_positive and self.stale_s:
            good = self._good(success)
            if good is not None and self._serves(good, now):
                values[cells.success or cells.made("success")] += 1
                return success, good
        get = self.store.get
        value = get(denial)
        item = None if value is None else self._alive(value, now)
        if item is not None and item.rcode == Rcode.SERVFAIL:
            # A failure passes; what was known before is better.
            value = get(success)
            before = None if value is None else self._alive(value, now)
            if before is not None:
                values[cells.success or cells.made("success")] += 1
                return success, before
        if item is not None:
            values[cells.denial or cells.made("denial")] += 1
            return denial, item
        value = get(success)
        item = None if value is None else self._alive(value, now)
        if item is None:
            values[cells.misses or cells.made("misses")] += 1
        else:
            values[cells.success or cells.made("success")] += 1
        return success, item

    def _alive(self, value: bytes, now: float) -> Item | None:
        item = decode(value)
        return item if self._serves(item, now) else None

    def _serves(self, item: Item, now: float) -> bool:
        remaining = item.duration - int(now - item.stored)
        return remaining > 0 or -remaining < self.stale_s

    def _good(self, key: bytes) -> Item | None:
        """Return the entry that resolves the question: the one stored, or the one it replaced."""
        value = self.store.get(key)
        item = None if value is None else decode(value)
        while item is not None and not item.resolves:
            item = item.good
        return item

    # Storing -------------------------------------------------------------------------------------------------------

    def take(
        self,
        query: Query,
        reply: Reply,
        rest: bytes,
        *,
        wildcard: str = "",
        unkept: bool = False,
        behind: bool = False,
        hits_of: bytes | None = None,
    ) -> tuple[Reply, Item | None]:
        """Store a reply if it may be; return what the client gets of it, and the stored item.

        `unkept`: the `disable` zones count. `behind`: nobody waits for the reply. `hits_of`: whose hits go on.
        """
        now = self.now()
        # RFC 6840 §5.7: authenticated data is told to those who ask.
        shown, item, kind = self.judge.keep(query, reply, now, wildcard, tells_ad=bool(query.flags & AD or query.do))
        if item is None:
            return shown, None
        if not matches(query, reply):
            counters.drops.inc(*self.labels(query))
            return shown, None
        positive = kind in POSITIVE
        zones = self._unkept[positive] if unkept else ()
        if zones and any(within(query.name, zone) for zone in zones):
            return shown, None
        self._put(query, rest, item, positive, behind)
        if self.counts_hits:
            key = (self.success if positive else self.denial).prefix + rest
            if hits_of is None:
                self.store.hits.forget(key)
            else:
                self.store.hits.carry(hits_of, key, now)
        return shown, item

    def _put(self, query: Query, rest: bytes, item: Item, positive: bool, behind: bool) -> None:
        side = self.success if positive else self.denial
        key = side.prefix + rest
        if self.prefer_positive and positive and not item.resolves:
            item = item._replace(good=self._good(key))
        server = query.request.listener.label
        if server not in self._servers:
            self._servers.add(server)
            self.store.put(side.namespace + LABEL + server.encode(), _FOREVER)
            self._show(server, "denial" if positive else "success")
        self.store.put(key, encode(item, self.stale_s), side)
        if positive and (self.prefer_positive or behind) and (item.resolves or not self.prefer_positive):
            self.store.delete(self.denial.prefix + rest, self.denial)

    # Counting ------------------------------------------------------------------------------------------------------

    def labels(self, query: Query) -> tuple[str, str, str]:
        """Return the labels of metrics that do not tell the halves apart."""
        return query.request.listener.label, self.zones_label, self.site.view

    def cells(self, server: str) -> Cells:
        """Return the cells of a listener."""
        cells = self._cells.get(server)
        if cells is None:
            cells = self._cells[server] = Cells(server, self.zones_label, self.site.view)
        return cells

    def show_entries(self, servers: list[str]) -> None:
        """Set the gauges to what is in the store."""
        for server in servers:
            for side in self._sides:
                self._show(server, side)

    def _show(self, server: str, side: str) -> None:
        entries = self.store.entries(self._sides[side])
        counters.entries.set(entries, server, side, self.zones_label, self.site.view)

    def _flushed(self, side: str, entries: int, evicted: int) -> None:
        for server in self._servers:
            counters.entries.set(entries, server, side, self.zones_label, self.site.view)
        for server in list(self._servers)[:1]:
            if evicted:
                counters.evictions.inc(server, side, self.zones_label, self.site.view, by=evicted)
