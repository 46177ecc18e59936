"""Zones from zone files in the keeper: loads them, and looks at the files from time to time (`file`, `auto`)."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from shardns.config.errors import Place, Problem
from shardns.config.golang import duration_text

from ..log import PluginLog
from ..plugin import SetupError
from ..store.pins import pinned
from ..store.publish import Staging
from ..wire.names import to_text
from .diff import number_of, record
from .errors import ZoneTextError, quoted
from .journal import journal_of
from .load import Loaded, LoadError, SameSerial, load
from .slices import in_slices
from .sources import Signature, Sources, signature
from .state import state_folder

Notify = Callable[[bytes], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class ZoneFile:
    """A zone and the file that it comes from. `reload_s` is 0 for never."""

    origin: bytes
    path: str
    reload_s: float
    by_mtime: bool = False
    complete: bool = False


@dataclass
class Kept:
    """What the keeper knows of a zone: its file and those that it includes as last seen, and what was made of them."""

    file: ZoneFile
    loaded: Loaded | None = None
    seen: dict[str, Signature] = field(default_factory=dict)
    mtime_ns: int = 0

    @property
    def is_unchanged(self) -> bool:
        """Whether all files are as they were when they were last read."""
        return self.file.path in self.seen and all(signature(path) == seen for path, seen in self.seen.items())


class Keeping:
    """The zones of one server block in the keeper. `owner` is the publisher's name in the store.

    `runtime` is the runtime folder if changes shall be kept for incremental transfers.
    """

    def __init__(
        self, files: list[ZoneFile], owner: str, log: PluginLog, notify: Notify | None, runtime: Path | None = None
    ) -> None:
        self.files = files
        self.owner = owner
        self.log = log
        self.notify = notify
        self.runtime = runtime
        self.kept: dict[bytes, Kept] = {}
        self.staging: Staging | None = None

    async def load(self, staging: Staging) -> None:
        """Load all zones; an error refuses.

        Where a missing file is looked at again, what was served of the zone so far stays, or it is empty.
        """
        self.staging = staging
        missing: OSError | None = None
        for file in self.files:
            if file.reload_s < 0:
                raise SetupError("non-positive interval for NewTicker")
            kept = self.kept[file.origin] = Kept(file)
            try:
                await self._load(kept, serial=0, reuse=True)
            except OSError as error:
                if file.reload_s and staging.inherit(file.origin, self.owner):
                    self.log.error(f"Failed to open zone {_names(file)}: {open_text(error)}")
                else:
                    missing = error
            except LoadError as error:
                raise SetupError(located(error)) from error
        if missing is not None:
            reload_s = self.files[-1].reload_s
            if not reload_s:
                raise SetupError(f"plugin/file: plugin/file: {open_text(missing)}")
            text = quoted(open_text(missing).encode("utf-8", "surrogateescape"))
            self.log.warning(f"Failed to open {text}: trying again in {duration_text(reload_s)}")

    async def insert(self, kept: Kept) -> None:
        """Load one more zone and keep it; raises LoadError and OSError."""
        await self._load(kept, serial=0, reuse=True)
        self.kept[kept.file.origin] = kept

    async def reload(self, origin: bytes) -> None:
        """Look at a zone's file, and publish it where it has changed."""
        kept = self.kept[origin]
        zone, path = quoted(to_text(origin).encode()), quoted(kept.file.path.encode("utf-8", "surrogateescape"))
        try:
            mtime_ns = os.stat(kept.file.path).st_mtime_ns
            if kept.is_unchanged or (kept.file.by_mtime and mtime_ns <= kept.mtime_ns):
                return
            await self._replace(kept)
        except SameSerial:
            return
        except OSError as error:
            if kept.file.by_mtime:
                self.log.error(f"Failed to stat zone {zone} in {path}: {open_text(error, 'stat')}")
            else:
                self.log.error(f"Failed to open zone {zone} in {path}: {open_text(error)}")
            return
        except LoadError as error:
            self.log.error(f"Parsing zone {zone}: {error}")
            return
        assert kept.loaded is not None
        if self.kept.get(origin) is not kept and self.staging is not None:
            self.staging.withdraw(origin, self.owner)  # given up while it was loaded
            return
        self.log.info(f"Successfully reloaded zone {zone} in {path} with {kept.loaded.serial} SOA serial")
        await self.tell(origin)

    async def tell(self, origin: bytes) -> None:
        """Have `transfer` send NOTIFY for a zone."""
        if self.notify is None:
            return
        try:
            await self.notify(origin)
        except OSError as error:
            self.log.warning(f"Failed sending notifies: {error}")

    async def _replace(self, kept: Kept) -> None:
        """Load a zone anew, and note in the journal what has changed."""
        assert self.staging is not None
        before = number_of(self.staging, kept.file.origin, self.owner) if self.runtime is not None else None
        with pinned(self.runtime, before):
            await self._load(kept, serial=self._live_serial(kept), reuse=kept.loaded is None)
            if self.runtime is not None:
                journal = journal_of(state_folder(self.runtime), self.owner, kept.file.origin)
                await record(self.staging, journal, self.owner, kept.file.origin, before, self.log)

    def _live_serial(self, kept: Kept) -> int | None:
        return None if kept.loaded is None or kept.file.by_mtime else kept.loaded.serial

    async def _load(self, kept: Kept, *, serial: int | None, reuse: bool) -> None:
        assert self.staging is not None
        path, sources = kept.file.path, Sources()
        work = load(
            self.staging, sources, path, kept.file.origin, self.owner,
            serial=serial, reuse=reuse, complete=kept.file.complete,
        )  # fmt: skip
        try:
            kept.loaded = await in_slices(work)
        except SameSerial:
            kept.seen = sources.seen
            raise
        kept.seen = sources.seen
        kept.mtime_ns = kept.seen[path][0] if path in kept.seen else 0


def _names(file: ZoneFile) -> str:
    return f"{quoted(to_text(file.origin).encode())} in {quoted(file.path.encode('utf-8', 'surrogateescape'))}"


def open_text(error: OSError, call: str = "open") -> str:
    """Return an error of the operating system as Go words it."""
    return f"{call} {error.filename}: {(error.strerror or str(error)).lower()}"


def located(error: LoadError) -> str:
    """Return the text with which a zone file refuses the configuration: the reference's, then place, line and caret."""
    text = f"plugin/file: {error}"
    cause = error.__cause__
    if not isinstance(cause, ZoneTextError):
        return text
    try:
        with open(cause.file, encoding="utf-8", errors="replace") as stream:
            line = next((row for number, row in enumerate(stream, 1) if number == cause.line), None)
    except OSError:
        line = None
    return str(Problem(text, Place(cause.file, cause.line, max(cause.column, 1)), line))
