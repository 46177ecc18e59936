"""The certificate of the encrypted listeners: checked when the configuration is, watched while it is used."""

from __future__ import annotations

from typing import ClassVar

from shardns.worker.plugin import Service
from shardns.worker.scope import Scope

from .options import Options
from .watch import INTERVAL_S, Watch

__all__ = ["PLUGIN", "Options"]

_TABLE = "tls"


class Tls(Service[Options]):
    """The listeners encrypt; the keeper watches the files, for all blocks together."""

    directive = "tls"
    repeatable = True
    mutable: ClassVar[dict[str, str]] = {}

    async def start(self, scope: Scope) -> None:
        """Begin to watch."""
        encryption = self.site.block.encryption
        if encryption is None or not encryption.certificate:
            return
        table = scope.generation.table
        if _TABLE not in table:
            watch = table[_TABLE] = Watch(self.site.logger(self.directive))
            scope.every(INTERVAL_S, lambda: watch.look(scope))
        table[_TABLE].add(encryption)


PLUGIN = Tls
