"""Serves every zone file of a folder: the source in the workers, the loader in the keeper."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import ClassVar

from shardns.worker.authority import TRANSFERS, Authority
from shardns.worker.core_metrics import runtime_zones
from shardns.worker.plugin import Outcome, Service
from shardns.worker.query import Query
from shardns.worker.reply import Refused
from shardns.worker.scope import Scope
from shardns.worker.store.publish import Staging
from shardns.worker.store.reader import Zone
from shardns.worker.wire.names import ROOT
from shardns.worker.zone.keeping import Keeping

from .options import Options
from .scan import Scan


class Auto(Authority[Options], Service[Options]):
    """The `auto` directive of a server block. What is served is what the keeper has published."""

    directive = "auto"
    referral_aa = False
    mutable: ClassVar[dict[str, str]] = {
        "table": "store", "store": "store", "scan": "keeper", "version": "worker", "metered": "worker",
    }  # fmt: skip

    def prepare(self) -> None:
        """Know the gates."""
        self.begin()
        self.gates = frozenset(self.options.zones)
        self.origins = frozenset()
        self.metered = runtime_zones.setdefault(self.site.block.index, set())
        self.version = -1

    # In a worker ---------------------------------------------------------------------------------------------------

    def answer(self, query: Query) -> Outcome | Awaitable[Outcome]:
        """Answer names below the gates from the longest zone that is there."""
        if not self._admits(query.name):
            return None
        store = self.store or self.open()
        if store.version != self.version:
            self.version = store.version
            self.metered.clear()
            self.metered.update(self.table)
        origin = query.name
        while (zone := self.table.get(origin)) is None:
            if origin == ROOT:
                return self.nowhere(query)
            origin = origin[1 + origin[0] :]
        return self.served(query, zone)

    def unusual(self, query: Query, zone: Zone) -> Outcome:
        """Refuse transfers; a NOTIFY is answered like a query."""
        if query.qtype in TRANSFERS:
            raise Refused
        query.once()
        return None

    def _admits(self, name: bytes) -> bool:
        gates = self.gates
        while name not in gates:
            if name == ROOT:
                return False
            name = name[1 + name[0] :]
        return True

    # In the keeper -------------------------------------------------------------------------------------------------

    async def load(self, staging: Staging) -> None:
        """Load what is in the folder now; what cannot be loaded is logged."""
        options = self.options
        transfer = self.site.find("transfer")
        notify = getattr(transfer, "notify", None)
        runtime = self.site.generation.folder if transfer is not None else None
        keeping = Keeping([], self.owner, self.site.logger("file"), notify, runtime)
        complete = options.complete_proofs
        self.scan = Scan(options.folder, options.reload, self.owner, self.log, keeping, notify, complete)
        await self.scan.scan(staging)

    async def start(self, scope: Scope) -> None:
        """Tell secondaries of all zones, and begin to look at folder and files."""
        scope.spawn(self.scan.tell())
        if self.options.reload:
            scope.every(self.options.reload, self._look)
            scope.every(self.options.reload, self.scan.reload)

    async def _look(self) -> None:
        assert self.scan.keeping.staging is not None
        await self.scan.scan(self.scan.keeping.staging)
        await self.scan.tell()


PLUGIN = Auto
__all__ = ["PLUGIN", "Auto", "Options"]
