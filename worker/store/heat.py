"""How often names are asked for, in memory shared by all workers: what decides which cached answer makes room.

1. A place is one octet, found by a key's hash; keys that share one share their warmth. It saturates.
2. Two processes counting at the same instant may count as one: warmth is an estimate, and a lock costs more.
3. The keeper cools all places by half when enough was counted, so that what was popular once does not stay for ever.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import Final

PLACES: Final = 1 << 20
MOST: Final = 255
_HALF: Final = bytes(warmth >> 1 for warmth in range(MOST + 1))


class Heat:
    """Warmth by the hash of a key (32 bits)."""

    def __init__(self, memory: mmap.mmap | bytearray) -> None:
        self._memory = memory
        self._mask = len(memory) - 1

    @classmethod
    def open(cls, path: Path) -> Heat:
        """Map the table in a file, made where it is missing. Raises OSError."""
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(fd, 0, PLACES)  # what it will take, it takes now
            return cls(mmap.mmap(fd, PLACES))
        finally:
            os.close(fd)

    def add(self, mark: int, count: int = 1) -> None:
        """Count queries for a key."""
        at = mark & self._mask
        warmth = self._memory[at]
        if warmth < MOST:
            warmth += count
            self._memory[at] = warmth if warmth < MOST else MOST

    def of(self, mark: int) -> int:
        """Return how warm a key is."""
        return self._memory[mark & self._mask]

    def total(self) -> int:
        """Return the warmth of all places together."""
        return sum(bytes(self._memory))

    def cool(self) -> None:
        """Halve all."""
        self._memory[:] = bytes(self._memory).translate(_HALF)
