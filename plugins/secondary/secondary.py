"""Serves zones of other servers: the source in the workers, those who follow the primaries in the keeper."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from functools import partial
from typing import ClassVar

from shardns.worker.authority import Authority
from shardns.worker.plugin import Outcome, Service
from shardns.worker.query import Query
from shardns.worker.reply import DROP
from shardns.worker.scope import Scope
from shardns.worker.store.publish import Staging
from shardns.worker.tsig import Key
from shardns.worker.wire.names import ROOT, to_text
from shardns.worker.zone.state import state_folder

from .catalog import Catalog, Listed, parse
from .follower import Follower
from .members import Members
from .options import Options, falls_through, followed
from .vault import Vault


class Secondary(Authority[tuple[Options, ...]], Service[tuple[Options, ...]]):
    """All `secondary` lines of a server block."""

    directive = "secondary"
    mutable: ClassVar[dict[str, str]] = {
        "table": "store", "store": "store", "vault": "keeper", "followers": "keeper", "members": "keeper",
        "scope": "keeper",
    }  # fmt: skip

    def prepare(self) -> None:
        """Collect the zones and their primaries."""
        self.begin()
        self.log = self.site.logger("file")  # where the reference logs what happens to queries
        self.zones = followed(self.options)
        self.origins = frozenset(self.zones)
        self.falls = falls_through(self.options)
        self.catalogs = [zone for zone in self.zones.values() if zone.members is not None]
        self.direct = self.found_by_mux() and not self.catalogs
        self.plain_zones = frozenset() if self.falls or self.catalogs else self.origins
        self.member_hosts = frozenset(host for zone in self.catalogs for host in zone.hosts)
        self.followers: dict[bytes, Follower] = {}
        self.scope: Scope | None = None

    @property
    def journal_owner(self) -> str:
        """The server block's keys: what is kept on disk outlives a change of other blocks."""
        keys = " ".join(f"{key.transport}://{to_text(key.zone)}:{key.port}" for key in self.site.block.keys)
        return f"{self.directive} {keys} {self.site.view}"

    def end_name(self, query: Query) -> str:
        """Return `file`, whose handler the reference uses here."""
        return "file"

    # In a worker ---------------------------------------------------------------------------------------------------

    def answer(self, query: Query) -> Outcome | Awaitable[Outcome]:
        """Answer from the longest zone, member zones of catalogs among them."""
        if not self.catalogs:
            return super().answer(query)
        if self.store is None:
            self.open()
        table, origin = self.table, query.name
        while (zone := table.get(origin)) is None:
            if origin in self.origins:
                return self.unserved(query, origin)
            if origin == ROOT:
                return self.nowhere(query)
            origin = origin[1 + origin[0] :]
        return self.served(query, zone)

    def notified(self, query: Query, origin: bytes) -> Outcome:
        """Accept a NOTIFY from a primary and hand it to the keeper; others get no answer."""
        ip = query.request.peer.ip
        zone = self.zones.get(origin)
        if ip not in (self.member_hosts if zone is None else zone.hosts):
            self.log.info(f"Dropping notify from {ip} for {to_text(origin)}")
            return DROP
        self.site.relay(self, ip.encode() + b"\0" + origin)
        return query.reply(aa=True)

    # In the keeper -------------------------------------------------------------------------------------------------

    async def load(self, staging: Staging) -> None:
        """Publish what is kept on disk."""
        runtime = self.site.generation.folder
        notify = getattr(self.site.find("transfer"), "notify", None)
        self.vault = Vault(
            staging, state_folder(runtime), runtime, self.owner, self.journal_owner, self.site.logger(self.directive),
            self.log, notify,
        )  # fmt: skip
        self.members = Members(self.vault, self.zones, self._start)
        for zone in self.zones.values():
            follower = Follower(self.vault, zone.origin, zone.peers, self._key(zone.key), zone.complete)
            self.followers[zone.origin] = follower
            if zone.members is not None:
                self._make_catalog(follower)
        for follower in self.followers.values():
            if await follower.restore() and follower.validate is not None:
                await self.members.restored(follower)

    def _make_catalog(self, follower: Follower) -> None:
        """Have a zone read as a catalog before a new version of it counts, and its members followed when it does."""
        read: list[Catalog] = []

        def validate(records: list[Listed]) -> None:
            read[:] = [parse(follower.origin, records)]

        async def applied() -> None:
            if read:
                await self.members.apply(follower, read.pop())

        follower.validate = validate
        follower.applied = applied

    def _key(self, name: bytes | None) -> Key | None:
        keys = getattr(self.site.find("tsig"), "key", None)
        found: Key | None = keys(name) if keys is not None and name is not None else None
        return found

    async def start(self, scope: Scope) -> None:
        """Begin to follow the primaries."""
        self.scope = scope
        self.vault.spawn = scope.spawn
        for follower in self.followers.values():
            scope.spawn(follower.run())
        for active in self.members.active.values():
            active.task = self._start(active.follower)
        scope.defer(self._stop)

    def _start(self, follower: Follower) -> asyncio.Task[None] | None:
        return None if self.scope is None else self.scope.spawn(follower.run())

    def _stop(self) -> None:
        self.scope = None

    def relayed(self, body: bytes) -> None:
        """A worker has accepted a NOTIFY."""
        text, _, origin = body.partition(b"\0")
        ip = text.decode()
        active = self.members.active.get(origin)
        follower = self.followers.get(origin) or (active.follower if active is not None else None)
        if follower is None or self.scope is None:
            return
        if all(host != ip for host, _ in follower.peers):
            self.log.info(f"Dropping notify from {ip} for {to_text(origin)}")
            return
        self.scope.spawn(partial(follower.notified, ip)())


PLUGIN = Secondary
__all__ = ["PLUGIN", "Options", "Secondary"]
