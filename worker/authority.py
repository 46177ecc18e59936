"""Answering from zones of the store: what `file`, `auto` and `secondary` have in common in the workers.

1. Workers never open a zone file; a zone that the keeper could not load is SERVFAIL.
2. An alias that leaves a zone is followed by asking the whole server again; only that makes an answer wait.
3. A subclass sets `owner`, `origins`, `direct`, `falls` and `plain_zones` in `prepare`, having called `begin`.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Final, TypeVar

from .below import Below
from .log import PluginLog
from .plugin import Outcome, Source, Spot
from .query import Query, reply_flags
from .reply import DROP, Drop, Refused, Reply, ServFail
from .store.alias import Chase, resolve
from .store.found import REFERRAL, SERVFAIL, Found
from .store.lookup import find
from .store.reader import Store, Table, Zone
from .wire.codes import AA, AXFR, DS, IXFR, Opcode
from .wire.names import ROOT, to_text, within

O = TypeVar("O")  # noqa: E741

MAX_REPLIES: Final = 16  # kept of one look-up's outcome: by the flags that clients set
_OPCODE: Final = 0x7800
TRANSFERS: Final = (AXFR, IXFR)


class Authority(Source[O]):
    """Answers for the zones that `owner` publishes.

    `origins` are the zones that must be there whether they are loaded or not; `direct` says that the mux has found the
    longest of them already; `falls` are the zones of `fallthrough`.
    """

    repeatable = True
    referral_aa = True  # what a referral behind an alias says

    owner: str
    origins: frozenset[bytes]
    direct: bool
    falls: tuple[bytes, ...]
    log: PluginLog

    @property
    def journal_owner(self) -> str:
        """Under which name the journals of the zones are kept."""
        return self.owner

    def begin(self) -> None:
        """Set what all subclasses share; the store is opened with the first query."""
        self.owner = f"{self.directive}/{self.site.block.index}"
        self.log = self.site.logger(self.directive)
        self.store: Store | None = None
        self.table: Table = {}
        self.direct = False
        self.falls = ()

    def found_by_mux(self) -> bool:
        """Tell whether the mux has found the longest origin: all zones are keys of every listener of the block."""
        keys = self.site.block.keys
        return self.origins <= set(self.site.zones) and len({(k.transport, k.port) for k in keys}) == 1

    def answer(self, query: Query) -> Outcome | Awaitable[Outcome]:
        """Answer names below the zones; pass others on, and what `fallthrough` lets through."""
        name = query.name
        origins = self.origins
        origin = query.zone
        if not self.direct or query.qtype == DS or origin not in origins:
            origin = name
            while origin not in origins:
                if origin == ROOT:
                    return self.nowhere(query)
                origin = origin[1 + origin[0] :]
        if self.store is None:
            self.open()
        zone = self.table.get(origin)
        if zone is None:
            return self.unserved(query, origin)
        return self.served(query, zone)

    def spot(self, parent: bytes, zone: bytes) -> Spot:
        """Answer plain queries from the store."""
        return Below(self, parent, zone)

    def served(self, query: Query, zone: Zone) -> Outcome | Awaitable[Outcome]:
        """Answer from a zone."""
        request = query.request
        if request.zones is None:
            request.zones = [zone]
        else:
            request.zones.append(zone)
        if query.flags & _OPCODE or query.qtype in TRANSFERS or zone.expired or not zone.soa:
            outcome = self.unusual(query, zone)
            if outcome is not None:
                return outcome
        edns = query.edns
        found = find(zone, query.name, query.qtype, edns is not None and edns.do, request.depth)
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
        return self.reply(found, query.flags)

    def reply(self, found: Found, asked: int) -> Reply:
        """Return the reply to a query with these header flags."""
        aa = found.aa and (self.referral_aa or found.kind != REFERRAL)
        flags = reply_flags(asked, AA if aa else 0)
        reply = Reply(found.rcode, flags, found.answer, found.authority, found.additional, None, (asked >> 11) & 15)
        if found.replies is not None and found.wildcard is None and len(found.replies) < MAX_REPLIES:
            found.replies[asked] = reply
        return reply

    def _chase(self, query: Query, chase: Chase) -> Outcome | Awaitable[Outcome]:
        outcome = self.site.lookup(query, chase.target, chase.qtype)
        if isinstance(outcome, (Reply, Drop)):
            return self._finish(query, resolve(chase, outcome))
        return self._wait_chase(query, chase, outcome)

    async def _wait_chase(self, query: Query, chase: Chase, waiting: Awaitable[Reply | Drop]) -> Outcome:
        return self._finish(query, resolve(chase, await waiting))

    def unusual(self, query: Query, zone: Zone) -> Outcome:
        """Refuse what this zone cannot answer, and answer what is no query; None lets the look-up go on."""
        if query.qtype in TRANSFERS:
            raise Refused  # a transfer that `transfer` did not take
        query.once()
        if query.opcode == Opcode.NOTIFY:
            return self.notified(query, zone.origin)
        if zone.expired:
            self.log.error(f"Zone {to_text(zone.origin)} is expired")
        if zone.expired or not zone.soa:
            raise ServFail
        return None

    def notified(self, query: Query, origin: bytes) -> Outcome:
        """Answer a NOTIFY: not at all, since this server is the primary."""
        self.log.info(f"Dropping notify from {query.request.peer.ip} for {to_text(origin)}")
        return DROP

    def unserved(self, query: Query, origin: bytes) -> Outcome:
        """Answer for a zone that is not loaded yet; it may be NOTIFYed of all the same."""
        query.once()
        if query.qtype in TRANSFERS:
            raise Refused
        if query.opcode == Opcode.NOTIFY:
            return self.notified(query, origin)
        raise ServFail

    def nowhere(self, query: Query) -> Outcome:
        """A name in no zone: REFUSED, as an authoritative server says, unless another plugin may know it."""
        if self.site.plugins[-1] is self:
            raise Refused
        return None

    def open(self) -> Store:
        """Open the store, and the table of the zones."""
        store = self.store = self.site.generation.store
        assert isinstance(store, Store)
        self.table = store.zones(self.owner)
        return store

    def transferable(self, origin: bytes) -> Zone | None:
        """Return the zone of exactly that name, for `transfer`; raises ServFail for one without a SOA record."""
        if self.store is None:
            self.open()
        zone = self.table.get(origin)
        if zone is None and origin not in self.origins:
            return None
        if zone is None or not zone.soa:
            raise ServFail("no SOA")
        return zone
