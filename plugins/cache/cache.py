"""Keeps replies of the plugins below and gives them again until their time is over, all workers sharing one store.

A reply that came from below never enters the answer memo. A fresh hit does until the next tick of its TTL, unless it
is close enough to its end to be prefetched; so no memorised answer outlives its entry.
"""

from __future__ import annotations

import struct
from functools import partial
from typing import ClassVar

from shardns.worker.plugin import Layer, Service, Steps
from shardns.worker.query import Query, reply_flags
from shardns.worker.reply import Reply
from shardns.worker.scope import Scope
from shardns.worker.store.cache import CacheStore
from shardns.worker.store.environment import reader_check
from shardns.worker.store.places import MARK_BYTES, tail
from shardns.worker.store.sweep import ALIVE_S, Sweeper
from shardns.worker.stream import Stream
from shardns.worker.wire.codes import AA, AD, CD, RA
from shardns.worker.wire.edns import DO
from shardns.worker.wire.filled import FilledReply
from shardns.worker.wire.names import ROOT, within

from .item import AUTHENTIC, RECURSIVE, Item
from .options import Options
from .renewal import Renewal, authenticated
from .shelf import Shelf

_QUESTION = struct.Struct("!BHH")
_SWEEP_EVERY_S = 1.0
_COOL_EVERY_S = 10.0


class Cache(Layer[Options], Service[Options]):
    """One object a process; the entries are in the store."""

    directive = "cache"
    repeatable = True
    mutable: ClassVar[dict[str, str]] = {
        "shelf": "store", "renewal": "store", "heat": "store", "sweeper": "keeper", "entries": "keeper",
    }  # fmt: skip

    def prepare(self) -> None:
        """Open the store and say that the namespace is in use."""
        generation = self.site.generation
        store = generation.table.get("cache")
        if store is None:
            store = generation.table["cache"] = CacheStore.open(generation.folder, now=generation.now)
        self.now = generation.now
        self.keepttl = self.options.keepttl
        self.shelf = Shelf(self.options, self.site, store, self.now)
        self.heat = store.heat
        self.everywhere = ROOT in self.shelf.zones
        self.renewal = Renewal(
            self.options, self.shelf, lambda query, done: self.site.background(self, query, done), self.answer
        )
        self.sweeper = Sweeper(store, self.shelf.success.namespace, (self.shelf.success, self.shelf.denial))
        self.sweeper.claim()
        self.entries = (0, 0)

    def around(self, query: Query) -> Steps:
        """Answer from the store, else ask below and store the answer."""
        name = query.name
        if not self.everywhere and not any(within(name, zone) for zone in self.shelf.zones):
            yield (yield query)
            return
        edns = query.edns
        do = 1 if edns is not None and edns.flags & DO else 0
        # Hot path: five octets of bits, type and class, and the name, behind a hash.
        rest = tail(_QUESTION.pack(do | (query.flags & CD), query.qtype, query.qclass) + name)
        mark = int.from_bytes(rest[:MARK_BYTES], "big")
        self.heat.add(mark)
        now = self.now()
        request = query.request
        cells = self.shelf.cells(request.listener.label)
        key, item = self.shelf.find(rest, now, cells)
        if item is None:
            request.once = True
            reply = yield authenticated(query)
            yield self.taken(query, reply, rest) if isinstance(reply, Reply) else reply
            return
        remaining = item.duration - int(now - item.stored)
        if remaining <= 0:
            request.once = True
            yield from self.renewal.expired(query, key, item)
            return
        # The memo may keep the answer until the entry ends or may be prefetched; its TTLs count down on the way.
        end = item.stored + item.duration - self.renewal.window_s(item)
        if self.keepttl:
            request.hold(end, end)
        else:
            request.hold(item.stored + item.duration - remaining + 1, end)
        denied = key.startswith(self.shelf.denial.prefix)
        request.tallies = (*request.tallies, partial(self.heat.add, mark))
        request.series += (cells.requests, cells.denial if denied else cells.success)
        if self.renewal.amount:
            self.renewal.note_hit(query, key, item, remaining, now)
        yield self.answer(query, item, item.duration if self.keepttl else remaining)

    def taken(self, query: Query, reply: Reply, rest: bytes) -> Reply:
        """Store an answer from below; returns what the client gets of it."""
        wildcard = "" if query.request.metadata is None else query.metadata("zone/wildcard") or ""
        shown, _ = self.shelf.take(query, reply, rest, wildcard=wildcard, unkept=True)
        if isinstance(reply, Stream):
            return Stream(shown, (part and self.taken(query, part, rest) for part in reply.parts))
        return shown

    def answer(self, query: Query, item: Item, ttl: int) -> Reply:
        """Return an entry as a reply to a query, with one TTL (s)."""
        if item.wildcard:
            wildcard = item.wildcard
            query.note("zone/wildcard", lambda: wildcard)
        # The reference sets AA on every hit: some stub resolvers throw away what is not authoritative.
        flags = AA | (RA if item.flags & RECURSIVE else 0)
        if item.flags & AUTHENTIC and (query.flags & AD or query.do):
            flags |= AD
        return FilledReply(item.rcode, reply_flags(query.flags, flags), item.template, ttl, query.opcode)

    # The keeper ----------------------------------------------------------------------------------------------------

    async def start(self, scope: Scope) -> None:
        """Sweep, as long as this configuration is in force."""
        self.sweeper.announce(self.shelf.note().encode())
        scope.defer(self.sweeper.retire)
        scope.every(_SWEEP_EVERY_S, self.sweep)
        scope.every(_COOL_EVERY_S, self.sweeper.cool)
        scope.every(ALIVE_S / 3, self.tidy)

    def sweep(self) -> None:
        """Free what dead readers pinned; delete a slice of what expired, is too much, or is of no configuration."""
        reader_check(self.shelf.store.environment)
        self.sweeper.slice()
        self.sweeper.relieve()
        entries = self.sweeper.entries()  # fewer also where somebody flushed the cache from outside
        if entries != self.entries:
            self.entries = entries
            self.shelf.show_entries(self.sweeper.labels())
        self.sweeper.drop_abandoned()

    def tidy(self) -> None:
        """Renew the sign of life."""
        self.sweeper.claim()


PLUGIN = Cache
