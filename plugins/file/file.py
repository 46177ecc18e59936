"""Serves zones from zone files: the source in the workers, the loader in the keeper."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from shardns.worker.authority import Authority
from shardns.worker.plugin import Service
from shardns.worker.scope import Scope
from shardns.worker.store.publish import Staging
from shardns.worker.zone.keeping import Keeping

from .options import Options
from .zones import falls_through, zone_files


class File(Authority[tuple[Options, ...]], Service[tuple[Options, ...]]):
    """All `file` lines of a server block."""

    directive = "file"
    mutable: ClassVar[dict[str, str]] = {"table": "store", "store": "store", "keeping": "keeper", "scope": "keeper"}

    def prepare(self) -> None:
        """Collect the zones; the store is opened later."""
        self.begin()
        self.files = zone_files(self.options)
        self.origins = frozenset(file.origin for file in self.files)
        self.direct = self.found_by_mux()
        self.falls = falls_through(self.options)
        self.scope: Scope | None = None
        self.plain_zones = frozenset() if self.falls else self.origins

    # In the keeper -------------------------------------------------------------------------------------------------

    async def load(self, staging: Staging) -> None:
        """Load the zone files into the generation's staging."""
        transfer = self.site.find("transfer")
        runtime = self.site.generation.folder if transfer is not None else None
        self.keeping = Keeping(self.files, self.owner, self.log, getattr(transfer, "notify", None), runtime)
        await self.keeping.load(staging)

    async def start(self, scope: Scope) -> None:
        """Tell secondaries of all zones, and begin to look at the files."""
        self.scope = scope
        self._tell_all()
        for origin, kept in self.keeping.kept.items():
            if kept.file.reload_s:
                scope.every(kept.file.reload_s, partial(self.keeping.reload, origin))

    async def refused(self) -> None:
        """Tell secondaries of all zones again, as the reference does where a restart failed."""
        self._tell_all()

    def _tell_all(self) -> None:
        if self.keeping.notify is not None and self.scope is not None:
            for origin in self.keeping.kept:
                self.scope.spawn(self.keeping.tell(origin))


PLUGIN = File
__all__ = ["PLUGIN", "File", "Options"]
