"""What all zones of one `secondary` share in the keeper: the store, the folders, the logs, and how many ask at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shardns.worker.log import PluginLog
from shardns.worker.store.publish import Staging
from shardns.worker.store.reader import Store, Zone
from shardns.worker.wire.names import to_text
from shardns.worker.zone.copy import Copy
from shardns.worker.zone.rebuild import stored

MAX_AT_ONCE = 32  # transfers and checks under way

Notify = Callable[[bytes], Awaitable[None]]


@dataclass
class Vault:
    """`owner` publishes the zones, `name` keeps them on disk; `file_log` takes the lines that the reference logs there.

    `spawn` runs tasks once the generation is committed.
    """

    staging: Staging
    state: Path
    runtime: Path
    owner: str
    name: str
    log: PluginLog
    file_log: PluginLog
    notify: Notify | None
    spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[Any]] | None = None
    store: Store = field(init=False)
    gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MAX_AT_ONCE))

    def __post_init__(self) -> None:
        staging = self.staging
        self.store = Store(staging.environment, staging.sequence, staging.generation)

    def copy(self, origin: bytes) -> Copy:
        """Return the files of a zone."""
        return Copy(self.state, self.name, origin)

    def zone(self, origin: bytes) -> Zone | None:
        """Return what is served of a zone now."""
        return stored(self.store, self.owner, origin)

    def publish_empty(self, origin: bytes) -> None:
        """Serve a zone without data: SERVFAIL."""
        with self.staging.zone(origin, self.owner):
            pass

    def tell(self, origin: bytes) -> None:
        """Have `transfer` send NOTIFY for a zone, in the background."""
        if self.notify is not None and self.spawn is not None:
            self.spawn(self._tell(self.notify, origin))

    async def _tell(self, notify: Notify, origin: bytes) -> None:
        try:
            await notify(origin)
        except OSError as error:
            self.file_log.warning(f"Failed sending notifies: {error}")

    def disk_failed(self, origin: bytes, error: OSError) -> None:
        """Say that a zone could not be kept on disk; it is served nevertheless."""
        self.log.warning(f"Failed to keep zone {to_text(origin)} on disk: {error}")
