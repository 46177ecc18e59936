"""The member zones of catalogs: who follows which, and what a new version of a catalog changes.

1. A member belongs to one catalog; it moves to another only if its own one names that other (the `coo` property).
2. A member whose ID changes is a new zone (RFC 9432 §5.4): what was known of the old one is forgotten.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from shardns.worker.wire.names import ROOT, to_text
from shardns.worker.wire.packed import unpack
from shardns.worker.zone.rebuild import records_of

from .catalog import Catalog, CatalogError, Listed, Member, parse
from .follower import Follower
from .options import Followed
from .vault import Vault

Start = Callable[[Follower], "asyncio.Task[None] | None"]


@dataclass
class Active:
    """A member zone that is served."""

    catalog: bytes
    ident: bytes
    follower: Follower
    task: asyncio.Task[None] | None = None


class Members:
    """All member zones of a server block. `statics` are the zones that the configuration names."""

    def __init__(self, vault: Vault, statics: dict[bytes, Followed], start: Start) -> None:
        self.vault = vault
        self.statics = statics
        self.start = start
        self.log = vault.log
        self.active: dict[bytes, Active] = {}
        self.catalogs: dict[bytes, Catalog] = {}
        self.listed: dict[bytes, set[bytes]] = {}

    async def restored(self, follower: Follower) -> None:
        """Take up the members of a catalog that came from disk, with what is kept of them."""
        zone = self.vault.zone(follower.origin)
        if zone is None:
            return
        records: list[Listed] = []
        for names in records_of(zone):
            for wire, _ in names or ():
                records += [
                    (rrset.owner.lower(), rrset.rtype, rdata) for rrset in unpack(wire) for rdata in rrset.rdatas
                ]
        try:
            catalog = parse(follower.origin, records)
        except CatalogError as error:
            self.log.warning(str(error))
            return
        await self.apply(follower, catalog, restoring=True)

    async def apply(self, follower: Follower, catalog: Catalog, restoring: bool = False) -> None:
        """Bring the members in line with a new version of a catalog."""
        origin = catalog.origin
        self.catalogs[origin] = catalog
        allowed = [member for member in catalog.members if self._allows(origin, member.zone)]
        for member in allowed:
            await self._apply_member(follower, origin, member, restoring)
        zones = {member.zone for member in allowed}
        for zone in self.listed.get(origin, set()) - zones:
            self._remove(zone, origin)
        self.listed[origin] = zones
        if rejected := len(catalog.members) - len(allowed):
            text = to_text(origin)
            self.log.warning(f"Skipped {rejected} member zones from catalog {text}: outside configured member zones")
        if not restoring:
            self.log.info(f"Parsed catalog zone {to_text(origin)} with {len(catalog.members)} member zones")

    async def _apply_member(self, follower: Follower, origin: bytes, member: Member, restoring: bool) -> None:
        zone, text, here = member.zone, to_text(member.zone), to_text(origin)
        active = self.active.get(zone)
        if zone in self.statics:
            self.log.warning(f"Skipping catalog member zone {text} from {here}: zone already exists")
        elif active is None:
            await self._install(follower, origin, member, restoring=restoring)
            if not restoring:
                self.log.info(f"Added catalog member zone {text} from catalog {here}")
        elif active.catalog == origin:
            if active.ident != member.ident:
                await self._install(follower, origin, member)
                change = f"changed from {_ident(active.ident)} to {_ident(member.ident)}"
                self.log.info(f"Reset catalog member zone {text} from {here} after member ID {change}")
        else:
            await self._migrate(follower, origin, member, active)

    async def _migrate(self, follower: Follower, origin: bytes, member: Member, active: Active) -> None:
        text, here, there = to_text(member.zone), to_text(origin), to_text(active.catalog)
        catalog = self.catalogs.get(active.catalog)
        source = catalog.member(member.zone) if catalog is not None else None
        if source is None or source.owner_to_be != origin:
            self.log.warning(f"Skipping catalog member zone {text} from {here}: zone already exists")
            return
        if active.ident == source.ident == member.ident:
            await self._install(follower, origin, member, preserved=active.follower)
            how = f", preserving state for member ID {_ident(source.ident)}"
        else:
            await self._install(follower, origin, member)
            how = (
                f" with state reset after member identity changed from {_ident(source.ident)} to {_ident(member.ident)}"
            )
        self.log.info(f"Migrated catalog member zone {text} from catalog {there} to {here}{how}")

    async def _install(
        self, catalog: Follower, origin: bytes, member: Member, *, preserved: Follower | None = None,
        restoring: bool = False,
    ) -> None:  # fmt: skip
        """Follow a member zone from now on; whoever followed it before stops."""
        previous = self.active.get(member.zone)
        if previous is not None and previous.task is not None:
            previous.task.cancel()
        follower = Follower(self.vault, member.zone, catalog.peers, catalog.key, catalog.complete)
        if preserved is not None:
            follower.soa, follower.checked, follower.expired = preserved.soa, preserved.checked, preserved.expired
            follower.copy.read_timers()
        elif not (restoring and await follower.restore()):
            self._forget(follower)
            self.vault.publish_empty(member.zone)
        self.active[member.zone] = Active(origin, member.ident, follower, self.start(follower))

    def _remove(self, zone: bytes, origin: bytes) -> None:
        active = self.active.get(zone)
        if active is None or active.catalog != origin:
            return
        if active.task is not None:
            active.task.cancel()
        del self.active[zone]
        self.vault.staging.withdraw(zone, self.vault.owner)
        self._forget(active.follower)
        self.log.info(f"Removed catalog member zone {to_text(zone)} from catalog {to_text(origin)}")

    def _forget(self, follower: Follower) -> None:
        if self.vault.spawn is None:
            return  # not committed yet: nothing on disk may change
        try:
            follower.copy.forget()
        except OSError as error:
            self.vault.disk_failed(follower.origin, error)

    def _allows(self, origin: bytes, zone: bytes) -> bool:
        members = self.statics[origin].members or ()
        name = zone
        while members and name not in members:
            if name == ROOT:
                return False
            name = name[1 + name[0] :]
        return True


def _ident(ident: bytes) -> str:
    return ident.decode("latin-1")
