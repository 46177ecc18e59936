"""Writes DNSSEC-signed copies of zone files, in the keeper, on a schedule; answers nothing itself."""

from __future__ import annotations

import asyncio
import os
import random
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from typing import ClassVar, Final

from shardns.config.golang import duration_text
from shardns.worker.log import PluginLog
from shardns.worker.plugin import Service
from shardns.worker.scope import Scope
from shardns.worker.store.publish import Staging
from shardns.worker.wire.names import to_text
from shardns.worker.zone.errors import quoted
from shardns.worker.zone.keys import KeyPair, Lifetime

from .contents import NotSignable, read
from .decision import reason, stamp
from .load import load_keys
from .options import Options
from .signing import Signing

AGAIN_S: Final = 5 * 3600.0  # between two looks at a signed file
INCEPTION_S: Final = 3 * 3600  # before now
VALIDITY_S: Final = 32 * 86400
JITTER_INCEPTION_S: Final = 18 * 3600  # subtracted at most
JITTER_EXPIRATION_S: Final = 5 * 86400  # added at most
_SLICE: Final = 50  # names signed before the keeper does something else
_MODE: Final = 0o644


class Signer:
    """One zone: its file, its keys, and the signed file. The jitter is drawn once."""

    def __init__(self, path: str, origin: bytes, keys: Sequence[KeyPair], directory: str, log: PluginLog) -> None:
        self.path = path
        self.origin = origin
        self.keys = keys
        self.directory = directory
        self.log = log
        self.zone = to_text(origin)
        self.target = os.path.normpath(os.path.join(directory, f"db.{self.zone}signed"))
        self.tags = ",".join(str(key.tag) for key in keys)
        self.early_s = random.randrange(JITTER_INCEPTION_S)
        self.late_s = random.randrange(JITTER_EXPIRATION_S)

    async def look(self, first: bool = True) -> None:
        """Sign the zone if that is needed; only the first time the log says that it is not."""
        why = reason(self.target, time.time(), bool(self.keys))
        if why is None:
            if first:
                self.log.info(f'Skipping signing zone "{self.zone}" in {self._shown()}: signatures are valid')
            return
        self.log.info(f'Signing "{self.zone}" because {why}')
        begun = time.time()
        try:
            serial = await self.sign(int(begun))
        except (NotSignable, OSError, ValueError) as error:
            text = _text(error) if isinstance(error, OSError) else str(error)
            took = duration_text(round(time.time() - begun, 6))
            self.log.warning(
                f'Error signing "{self.zone}" with key tags "{self.tags}" in {took}: {text}, next: {self._next(begun)}'
            )
            return
        if serial:
            self.log.info(
                f'Successfully signed zone "{self.zone}" in {self._shown()} with key tags "{self.tags}" and {serial} '
                f"SOA serial, elapsed {time.time() - begun:f}, next: {self._next(begun)}"
            )

    async def sign(self, now: int) -> int:
        """Write the signed zone; returns its serial, 0 where the file could not be written and moved into place."""
        contents = None
        for contents in read(self.path, self.origin):  # noqa: B007  the last one is the result
            await asyncio.sleep(0)
        assert contents is not None
        life = Lifetime(now - INCEPTION_S - self.early_s, now + VALIDITY_S + self.late_s)
        try:
            await self._write(Signing(contents, self.keys, life, now))
        except OSError as error:
            self.log.warning(f'Error signing "{self.zone}": failed to move zone file into place: {_text(error)}')
            return 0
        return now

    async def _write(self, signing: Signing) -> None:
        handle, written = self._temporary()
        try:
            with open(handle, "w", encoding="utf-8", errors="surrogateescape") as stream:
                for count, lines in enumerate(signing.lines()):
                    stream.write("\n".join(lines) + "\n")
                    if not count % _SLICE:
                        await asyncio.sleep(0)
                stream.flush()
                os.fsync(stream.fileno())
            os.chmod(written, _MODE)
            os.replace(written, self.target)
        except BaseException:
            os.unlink(written)
            raise

    def _temporary(self) -> tuple[int, str]:
        """Open a file in the folder; an error names it as the folder is written."""
        try:
            return tempfile.mkstemp(prefix="signed-", dir=self.directory)
        except OSError as error:
            name = os.path.join(self.directory, os.path.basename(error.filename))
            raise OSError(error.errno, error.strerror, name) from None

    def _shown(self) -> str:
        return quoted(self.target.encode("utf-8", "surrogateescape"))

    def _next(self, begun: float) -> str:
        return stamp(begun + AGAIN_S)


def _text(error: OSError) -> str:
    what = f"open {error.filename}" if error.filename2 is None else f"rename {error.filename} {error.filename2}"
    return f"{what}: {(error.strerror or str(error)).lower()}"


class Sign(Service[tuple[Options, ...]]):
    """All `sign` lines of a server block."""

    directive = "sign"
    mutable: ClassVar[dict[str, str]] = {"signers": "keeper"}

    def prepare(self) -> None:
        """Begin with no signers: only the keeper reads keys."""
        self.signers: list[Signer] = []

    async def load(self, staging: Staging) -> None:
        """Read the keys."""
        log = self.site.logger(self.directive)
        for line in self.options:
            keys = load_keys(name for names in line.key for name in names)
            self.signers += [Signer(line.path, zone, keys, line.directory, log) for zone in line.zones]

    async def start(self, scope: Scope) -> None:
        """Sign in the background what needs it, and look again every five hours."""
        for signer in self.signers:
            scope.spawn(signer.look())
            scope.every(AGAIN_S, partial(Signer.look, signer, first=False))


PLUGIN = Sign
__all__ = ["PLUGIN", "Options", "Sign"]
