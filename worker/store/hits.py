"""Hit counts of cached answers in memory shared by all workers: what `prefetch` looks at.

1. A slot belongs to the last key that hashed to it; a neighbour that takes it over starts to count at one.
2. Two processes counting at the same instant may count as one: popularity is an estimate, and a lock costs more.
"""

from __future__ import annotations

import mmap
import os
import struct
from pathlib import Path
from zlib import crc32

SLOTS = 1 << 16
_SLOT = struct.Struct("<IId")  # the key's hash, hits, monotonic time of the last one (s)


class Hits:
    """Counts by key."""

    def __init__(self, memory: mmap.mmap | bytearray) -> None:
        self._memory = memory

    @classmethod
    def open(cls, path: Path) -> Hits:
        """Map the table in a file, made where it is missing. Raises OSError."""
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(fd).st_size != SLOTS * _SLOT.size:
                os.ftruncate(fd, SLOTS * _SLOT.size)
            return cls(mmap.mmap(fd, SLOTS * _SLOT.size))
        finally:
            os.close(fd)

    def add(self, key: bytes, now: float, gap_s: float) -> int:
        """Count a hit and return the count, which starts anew after a gap longer than `gap_s`."""
        mark = crc32(key)
        at = (mark % SLOTS) * _SLOT.size
        holder, hits, last = _SLOT.unpack_from(self._memory, at)
        hits = hits + 1 if holder == mark and last >= now - gap_s else 1
        _SLOT.pack_into(self._memory, at, mark, min(hits, 0xFFFFFFFF), now)
        return int(hits)

    def forget(self, key: bytes) -> None:
        """Start anew: another item stands under the key."""
        mark = crc32(key)
        at = (mark % SLOTS) * _SLOT.size
        if _SLOT.unpack_from(self._memory, at)[0] == mark:
            _SLOT.pack_into(self._memory, at, 0, 0, 0.0)

    def carry(self, old: bytes, new: bytes, now: float) -> None:
        """Let the item under `new` go on with the count of `old`, last hit now."""
        mark = crc32(old)
        holder, hits, _ = _SLOT.unpack_from(self._memory, (mark % SLOTS) * _SLOT.size)
        if holder == mark:
            mark = crc32(new)
            _SLOT.pack_into(self._memory, (mark % SLOTS) * _SLOT.size, mark, hits, now)
