"""Looks at certificate files while they are used, and has the listeners renewed when they have changed.

1. A change counts when nothing more changes for one interval: a certificate and its key are two files.
2. Files that cannot be used change nothing; they are judged once, until they change again.
3. What cannot be read by the keeper is left to the master's judgement, who read it first.
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any, Final

from shardns.config.model import Encryption
from shardns.worker.certificates import files, stamp
from shardns.worker.encryption import EncryptionError, judge
from shardns.worker.scope import Scope

INTERVAL_S: Final = 1.0
AGAIN_S: Final = 300.0  # after a renewal that did not come about
Seen = tuple[tuple[int, int, int] | None, ...]


class Watch:
    """The certificates of one generation, in its keeper."""

    def __init__(self, log: Any) -> None:
        self.log = log
        self._watched: dict[tuple[str, ...], Encryption] = {}
        self._seen: dict[tuple[str, ...], Seen] = {}
        self._unsettled: set[tuple[str, ...]] = set()
        self._again = float("inf")

    def add(self, encryption: Encryption) -> None:
        """Watch the files of a block, which may have changed since they were checked."""
        names = files(encryption)
        self._watched[names] = encryption
        self._seen[names] = seen(names)
        if None in self._seen[names]:
            self.log.warning(f"Changes of {' '.join(names)} cannot be seen, only a reload takes them up")
        if stamp(encryption) not in ("", encryption.stamp):  # "" where they are not for the keeper's eyes
            self._unsettled.add(names)

    async def look(self, scope: Scope) -> None:
        """Compare once."""
        for names, encryption in self._watched.items():
            now = seen(names)
            if now != self._seen[names]:
                self._seen[names] = now
                self._unsettled.add(names)
            elif names in self._unsettled or time.monotonic() >= self._again:
                self._unsettled.discard(names)
                if await asyncio.to_thread(self._usable, encryption):
                    self._again = time.monotonic() + AGAIN_S
                    self.log.info(f"Certificate files have changed: {' '.join(names)}")
                    scope.renew()
                    return

    def _usable(self, encryption: Encryption) -> bool:
        """Tell whether the files hold another certificate that can be used."""
        found = stamp(encryption)
        if found and found == encryption.stamp:
            return False
        try:
            judge(encryption)
        except EncryptionError as error:
            if found or not _hidden(files(encryption)):
                self.log.error(f"{error}; the certificate stays as it was")
                return False
        return True


def _hidden(names: tuple[str, ...]) -> bool:
    """Tell whether there are files that this process may not read."""
    return any(os.path.exists(name) and not os.access(name, os.R_OK) for name in names)


def seen(names: tuple[str, ...]) -> Seen:
    """Return what tells one state of some files from another, None for one that cannot be seen."""
    return tuple(_seen(name) for name in names)


def _seen(name: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(name)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
