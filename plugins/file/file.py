"""Serves zones from zone files: authoritative answers from the store, which the keeper fills.

1. Workers never open a zone file; a zone that the keeper could not load is SERVFAIL.
2. An alias that leaves a zone is followed by asking the whole server again; only that makes an answer wait.
"""

from __future__ import annotations

from collections.abc import Awaitable
from functools import partial
from typing import ClassVar, Final

from shardns.worker.plugin import Outcome, Service, Source
from shardns.worker.query import Query
from shardns.worker.reply import DROP, Drop, Refused, Reply, ServFail
from shardns.worker.scope import Scope
from shardns.worker.store.alias import Chase, resolve
from shardns.worker.store.found import SERVFAIL, Found
from shardns.worker.store.lookup import find
from shardns.worker.store.publish import Staging
from shardns.worker.store.reader import Store, Table, Zone
from shardns.worker.wire.codes import AXFR, DS, IXFR, Opcode
from shardns.worker.wire.names import ROOT, to_text, within

from .keeping import Keeping
from .options import Options
from .zones import falls_through, zone_files

MAX_REPLIES: Final = 16  # kept of one look-up's outcome: by the flags that clients set
_OPCODE: Final = 0x7800
_TRANSFERS: Final = (AXFR, IXFR)


class File(Source[tuple[Options, ...]], Service[tuple[Options, ...]]):
    """All `file` lines of a server block: the source in the workers, the loader in the keeper."""

    directive = "file"
    repeatable = True
    mutable: ClassVar[dict[str, str]] = {"table": "store", "store": "store", "keeping": "keeper"}

    def prepare(self) -> None:
        """Collect the zones; the store is opened later."""
        self.files = zone_files(self.options)
        self.origins = frozenset(file.origin for file in self.files)
        keys = self.site.block.keys
        # Then the mux has found the longest origin already: all zones are keys of every listener of the block.
        self.direct = self.origins <= set(self.site.zones) and len({(k.transport, k.port) for k in keys}) == 1
        self.falls = falls_through(self.options)
        self.owner = f"{self.directive}/{self.site.block.index}"
        self.log = self.site.logger(self.directive)
        self.store: Store | None = None
        self.table: Table = {}

    # In a worker ---------------------------------------------------------------------------------------------------

    def answer(self, query: Query) -> Outcome | Awaitable[Outcome]:
        """Answer names below the zones; pass others on, and what `fallthrough` lets through."""
        name = query.name
        origins = self.origins
        origin = query.zone
        if not self.direct or query.qtype == DS or origin not in origins:
            origin = name
            while origin not in origins:
                if origin == ROOT:
                    return self._pass()
                origin = origin[1 + origin[0] :]
        if self.store is None:
            self._open()
        zone = self.table.get(origin)
        request = query.request
        if zone is None:
            return self._unserved(query)
        if request.zones is None:
            request.zones = [zone]
        else:
            request.zones.append(zone)
        if query.flags & _OPCODE or query.qtype in _TRANSFERS or zone.expired or not zone.soa:
            self._check(query, zone)
            if query.opcode == Opcode.NOTIFY:
                return DROP  # this server is the primary
        edns = query.edns
        found = find(zone, name, query.qtype, edns is not None and edns.do, request.depth)
        replies = found.replies
        if replies is not None:
            reply = replies.get(query.flags)
            if reply is not None and not self.falls:
                return reply
        if found.chase is not None:
            return self._chase(query, found.chase)
        return self._finish(query, found)

    def _finish(self, query: Query, found: Found) -> Outcome:
        if found.falls_through and self.falls and any(within(query.name, zone) for zone in self.falls):
            return None
        if found.kind == SERVFAIL and not found.answer:
            raise ServFail
        if found.wildcard is not None:
            wildcard = found.wildcard
            query.note("zone/wildcard", lambda: to_text(wildcard))
        reply = query.reply(found.rcode, found.answer, found.authority, found.additional, aa=found.aa)
        if found.replies is not None and found.wildcard is None and len(found.replies) < MAX_REPLIES:
            found.replies[query.flags] = reply
        return reply

    def _chase(self, query: Query, chase: Chase) -> Outcome | Awaitable[Outcome]:
        outcome = self.site.lookup(query, chase.target, chase.qtype)
        if isinstance(outcome, (Reply, Drop)):
            return self._finish(query, resolve(chase, outcome))
        return self._wait_chase(query, chase, outcome)

    async def _wait_chase(self, query: Query, chase: Chase, waiting: Awaitable[Reply | Drop]) -> Outcome:
        return self._finish(query, resolve(chase, await waiting))

    def _check(self, query: Query, zone: Zone) -> None:
        """Refuse what this zone cannot answer."""
        if query.qtype in _TRANSFERS:
            raise Refused  # a transfer that `transfer` did not take
        query.once()
        if query.opcode == Opcode.NOTIFY:
            return
        if zone.expired:
            self.log.error(f"Zone {to_text(zone.origin)} is expired")
        if zone.expired or not zone.soa:
            raise ServFail

    def _unserved(self, query: Query) -> Outcome:
        """A configured zone that could not be loaded yet."""
        query.once()
        if query.qtype in _TRANSFERS:
            raise Refused
        raise ServFail

    def _pass(self) -> Outcome:
        """A name in no zone: REFUSED, as an authoritative server says, unless another plugin may know it."""
        if self.site.plugins[-1] is self:
            raise Refused
        return None

    def _open(self) -> None:
        store = self.store = self.site.generation.store
        assert isinstance(store, Store)
        self.table = store.zones(self.owner)

    def transferable(self, origin: bytes) -> Zone | None:
        """Return the zone of exactly that name, for `transfer`; it may have no SOA record."""
        if self.store is None:
            self._open()
        return self.table.get(origin)

    # In the keeper -------------------------------------------------------------------------------------------------

    async def load(self, staging: Staging) -> None:
        """Load the zone files into the generation's staging."""
        transfer = self.site.find("transfer")
        self.keeping = Keeping(self.files, self.owner, self.log, getattr(transfer, "notify", None))
        await self.keeping.load(staging)

    async def start(self, scope: Scope) -> None:
        """Tell secondaries of all zones, and begin to look at the files."""
        for origin, kept in self.keeping.kept.items():
            if self.keeping.notify is not None:
                scope.spawn(self.keeping.tell(origin))
            if kept.file.reload_s:
                scope.every(kept.file.reload_s, partial(self.keeping.reload, origin))


PLUGIN = File
__all__ = ["PLUGIN", "File", "Options"]
