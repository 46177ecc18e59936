"""LMDB environments of a runtime folder, and the word that tells workers to look again.

1. An environment is opened after the fork, by each process for itself; an LMDB handle does not survive a fork.
2. The map size is reserved once and never changed: it is address space, not memory, and a file grows as it fills.
3. Nothing here outlives the machine, so commits are not synced; a process that dies loses nothing committed.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import Any, Final

import lmdb

MAX_READERS: Final = 4096
ZONES_MAP_BYTES: Final = 64 << 30  # address space; a million names take 60 MiB of it
_WORD_BYTES: Final = 8


def open_zones(folder: Path, *, map_size: int = ZONES_MAP_BYTES) -> Any:
    """Open the environment of the zones in a runtime folder, creating it where it is missing."""
    return _open(folder / "zones.mdb", map_size)


def open_cache(folder: Path, size_bytes: int) -> Any:
    """Open the environment of the `cache` plugin; `size_bytes` bounds the file the same in all processes."""
    return _open(folder / "cache.mdb", size_bytes)


def _open(path: Path, map_size: int) -> Any:
    environment = lmdb.open(
        str(path),
        map_size=map_size,
        subdir=False,
        lock=True,
        writemap=False,
        sync=False,
        metasync=False,
        max_readers=MAX_READERS,
        mode=0o600,
        # Look-ups are random, so reading ahead would only fetch pages nobody asked for.
        readahead=False,
    )
    # Whoever opens may be the successor of a process that was killed: what that one read must not pin pages.
    environment.reader_check()
    return environment


def reader_check(environment: Any) -> int:
    """Free the reader slots of dead processes, whose snapshots pin pages. Returns how many there were."""
    return int(environment.reader_check())


class Sequence:
    """The publish sequence of a runtime folder: workers compare it once a burst to notice new zones.

    Reading is one load from shared memory. Bumps are made by the keeper alone.
    """

    __slots__ = ("_map", "_word")

    def __init__(self, folder: Path) -> None:
        handle = os.open(folder / "zones.sequence", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(handle).st_size < _WORD_BYTES:
                os.ftruncate(handle, _WORD_BYTES)
            self._map = mmap.mmap(handle, _WORD_BYTES)
        finally:
            os.close(handle)
        self._word: memoryview[int] = memoryview(self._map).cast("Q")

    @property
    def value(self) -> int:
        """How often something was published."""
        return self._word[0]

    def bump(self) -> None:
        """Say that something was published."""
        self._word[0] += 1

    def close(self) -> None:
        """Unmap the word."""
        self._word.release()
        self._map.close()
