"""The keeper's half of `auto`: finds zone files, and keeps a zone for each name that they make."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace

from shardns.config.golang import quote
from shardns.worker.log import PluginLog
from shardns.worker.store.publish import Staging
from shardns.worker.wire.names import from_text, to_text
from shardns.worker.zone.keeping import Keeping, Kept, Notify, ZoneFile, open_text
from shardns.worker.zone.load import LoadError

from .options import Directory
from .origin import origin_of


class Scan:
    """The zones of one folder."""

    def __init__(
        self,
        folder: Directory,
        reload_s: float,
        owner: str,
        log: PluginLog,
        keeping: Keeping,
        notify: Notify | None,
        complete: bool = False,
    ) -> None:
        self.folder = folder
        self.reload_s = reload_s
        self.owner = owner
        self.log = log
        self.keeping = keeping
        self.notify = notify
        self.complete = complete

    async def scan(self, staging: Staging) -> None:
        """Look for files: new zones are loaded, those whose file is gone are withdrawn."""
        self.keeping.staging = staging
        kept = self.keeping.kept
        seen: dict[str, str] = {}
        for path in self._files():
            text = origin_of(os.path.basename(path), self.folder)
            if text is None:
                continue
            if text in seen:
                choice = f"using {quote(seen[text])} instead of {quote(path)}"
                self.log.warning(f"Multiple zone files match origin {quote(text)}: {choice}")
                continue
            seen[text] = path
            try:
                origin = from_text(text)
            except ValueError as error:
                self.log.warning(f"Parse zone `{text}': {error}")
                continue
            if origin in kept:
                kept[origin].file = replace(kept[origin].file, path=path)
            else:
                await self._insert(origin, text, path)
        found = {from_text(text) for text in seen if is_name(text)}
        for origin in [origin for origin in kept if origin not in found]:
            del kept[origin]
            staging.withdraw(origin, self.owner)
            self.log.info(f"Deleting zone `{to_text(origin)}'")

    async def _insert(self, origin: bytes, text: str, path: str) -> None:
        entry = Kept(ZoneFile(origin, path, self.reload_s, complete=self.complete))
        try:
            await self.keeping.insert(entry)
        except OSError as error:
            self.log.warning(f"Opening {path} failed: {open_text(error)}")
        except LoadError as error:
            self.log.warning(f"Parse zone `{text}': {error}")
        else:
            self.log.info(f"Inserting zone `{text}' from: {path}")

    def _files(self) -> Iterator[str]:
        """Walk the folder in the order of names; links to folders are not followed but for the folder itself."""
        yield from self._walk(resolved(self.folder.path))

    def _walk(self, path: str) -> Iterator[str]:
        try:
            entries = sorted(os.scandir(path), key=lambda entry: entry.name)
        except OSError as error:
            call = "lstat" if isinstance(error, FileNotFoundError) else "open"
            self.log.warning(f"error reading {path}: {open_text(error, call)}")
            return
        for entry in entries:
            below = os.path.normpath(entry.path)
            if entry.is_dir(follow_symlinks=False):
                yield from self._walk(below)
            else:
                yield below

    async def reload(self) -> None:
        """Look at the files of all zones."""
        for origin in list(self.keeping.kept):
            if origin in self.keeping.kept:
                await self.keeping.reload(origin)

    async def tell(self) -> None:
        """Have `transfer` send NOTIFY for all zones, changed or not."""
        if self.notify is None:
            return
        failed: OSError | None = None
        for origin in list(self.keeping.kept):
            try:
                await self.notify(origin)
            except OSError as error:
                failed = error
        if failed is not None:
            self.log.warning(str(failed))


def resolved(path: str) -> str:
    """Return where a folder is; one that no link leads to, or that is not there, keeps the name it is written with."""
    if not os.path.exists(path):
        return path
    plain, real = os.path.normpath(path), os.path.realpath(path)
    return plain if os.path.normpath(os.path.join(os.path.realpath("."), plain)) == real else real


def is_name(text: str) -> bool:
    """Tell whether a text is a domain name."""
    try:
        return bool(from_text(text))
    except ValueError:
        return False
