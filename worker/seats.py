"""One metrics file per process seat: numbers in shared memory that outlive their writer.

1. The first half are doubles, the second half a head of eight words and then the names of the series, append-only.
2. A seat has one writer at a time; readers need no lock: a name is published by the word that counts the used octets.
3. The file is sparse and of fixed size. What does not fit goes to the scratch cells and is counted, never refused.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

HALF = 2 << 20  # bytes; 262,144 cells, some 20,000 series
CELLS = HALF // 8
SCRATCH = 64  # cells at the front that nobody reads: where series without room count
_HEAD_BYTES = 64
_MAGIC = 0x3153_4452_4148_53
_ENTRY = struct.Struct("<IHH")
_AT_MAGIC, _AT_USED, _AT_NEXT, _AT_PID, _AT_BORN, _AT_DROPPED = range(6)


class Series(NamedTuple):
    """One series of a seat: its metric, its label values, its first cell and how many cells it has."""

    metric: str
    labels: tuple[str, ...]
    cell: int
    width: int


class Seat:
    """A metrics file, mapped. `values` are the cells."""

    def __init__(self, memory: mmap.mmap) -> None:
        view = memoryview(memory)
        self.values: memoryview[float] = view[:HALF].cast("d")
        self._words: memoryview[int] = view[HALF : HALF + _HEAD_BYTES].cast("Q")
        self._names = view[HALF + _HEAD_BYTES :]
        self._read = 0
        self._series: list[Series] = []

    @classmethod
    def take(cls, path: Path) -> Seat:
        """Map a seat for writing, made where it is missing, and note who writes. Raises OSError."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(fd).st_size != 2 * HALF:
                os.ftruncate(fd, 0)
                os.ftruncate(fd, 2 * HALF)
            seat = cls(mmap.mmap(fd, 2 * HALF))
        finally:
            os.close(fd)
        seat._claim(os.getpid())
        return seat

    @classmethod
    def private(cls) -> Seat:
        """Return a seat without a file: before a process took its own, and in tests."""
        seat = cls(mmap.mmap(-1, 2 * HALF))
        seat._claim(0)
        return seat

    @classmethod
    def look(cls, path: Path) -> Seat:
        """Map another process's seat for reading. Raises OSError or ValueError where it is not whole."""
        with path.open("rb") as file:
            return cls(mmap.mmap(file.fileno(), 2 * HALF, access=mmap.ACCESS_READ))

    def _claim(self, pid: int) -> None:
        words = self._words
        if words[_AT_MAGIC] != _MAGIC:
            words[_AT_USED] = 0
            words[_AT_NEXT] = SCRATCH
            words[_AT_DROPPED] = 0
            words[_AT_MAGIC] = _MAGIC
        words[_AT_PID] = pid
        words[_AT_BORN] = born(pid)

    @property
    def pid(self) -> int:
        """The process that wrote last."""
        return self._words[_AT_PID]

    @property
    def dropped(self) -> int:
        """How many new series found no room."""
        return self._words[_AT_DROPPED]

    @property
    def alive(self) -> bool:
        """Whether the process that wrote last still runs (a reused process id does not count)."""
        began = born(self.pid)
        return bool(began) and began == self._words[_AT_BORN]

    def allocate(self, metric: str, labels: tuple[str, ...], width: int) -> int:
        """Return the first of `width` fresh cells; the scratch cells where the seat is full."""
        words = self._words
        body = msgspec.msgpack.encode((metric, *labels))
        cell, used = words[_AT_NEXT], words[_AT_USED]
        end = used + _ENTRY.size + len(body)
        if cell + width > CELLS or end > len(self._names) or len(body) > 0xFFFF:
            words[_AT_DROPPED] += 1
            return 0
        _ENTRY.pack_into(self._names, used, cell, width, len(body))
        self._names[end - len(body) : end] = body
        words[_AT_NEXT] = cell + width
        words[_AT_USED] = end
        return cell

    def series(self) -> list[Series]:
        """Return all series, parsing only what was added since the last call."""
        if self._words[_AT_MAGIC] == _MAGIC:
            self._series.extend(self._fresh(min(self._words[_AT_USED], len(self._names))))
        return self._series

    def _fresh(self, used: int) -> Iterator[Series]:
        while self._read < used:
            cell, width, size = _ENTRY.unpack_from(self._names, self._read)
            start = self._read + _ENTRY.size
            name, *labels = msgspec.msgpack.decode(self._names[start : start + size], type=list[str])
            self._read = start + size
            yield Series(name, tuple(labels), cell, width)


def born(pid: int) -> int:
    """Return when a process began, in clock ticks since boot; 0 where there is none (or no /proc)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return 0
    fields = stat[stat.rindex(b")") + 2 :].split()
    return 0 if fields[0] in b"ZX" else int(fields[19])
