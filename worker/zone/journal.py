"""Journals: the differences between the versions of a zone, in a file each, for incremental transfers (RFC 1995).

1. A journal is a chain: each step begins with the serial that the one before it ends with. A step that does not fit
   begins a new journal.
2. It is bounded: a journal that outgrew its limit is begun anew, since by then the whole zone is the shorter answer.
3. A step is complete or it is not there: its length and checksum stand before it, and what a crash left behind the last
   good one is cut off.
4. The keeper alone writes; workers read at any time.
"""

from __future__ import annotations

import hashlib
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MAX_BYTES: Final = 16 << 20
_HEAD = struct.Struct("!IIIIII")  # serial before, serial behind, length, octets of removed records, counts of both
_SUM = struct.Struct("!I")
MAGIC: Final = b"shardns journal 1\n"


@dataclass(frozen=True, slots=True)
class Delta:
    """One step: records in wire form, the SOA of the version before first among `removed`, the new one in `added`."""

    before: int
    after: int
    removed: tuple[bytes, ...]
    added: tuple[bytes, ...]

    def encode(self) -> bytes:
        """Return the step as it stands in a file."""
        removed = b"".join(self.removed)
        body = removed + b"".join(self.added)
        head = _HEAD.pack(self.before, self.after, len(body), len(removed), len(self.removed), len(self.added))
        return head + _SUM.pack(zlib.crc32(head + body)) + body


class Journal:
    """The journal of one zone. `path` need not exist."""

    def __init__(self, path: Path, max_bytes: int = MAX_BYTES) -> None:
        self.path = path
        self.max_bytes = max_bytes

    def append(self, delta: Delta) -> None:
        """Add a step behind the last one; raises OSError."""
        chain = list(self._heads())
        size = chain[-1][3] if chain else len(MAGIC)
        step = delta.encode()
        fits = chain and chain[-1][1] == delta.before and size + len(step) <= self.max_bytes
        if not fits or any(before == delta.after for before, *_ in chain):
            self.clear()
            size = 0
            if len(step) > self.max_bytes:
                return
            step = MAGIC + step
        handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(handle, size)
            os.pwrite(handle, step, size)
        finally:
            os.close(handle)

    def clear(self) -> None:
        """Forget everything; a worker that is reading the old file goes on with it."""
        self.path.unlink(missing_ok=True)

    def since(self, serial: int, until: int) -> list[Delta] | None:
        """Return the steps that lead from one serial to another, None where they are not all there."""
        found: list[Delta] = []
        at = serial
        try:
            with self.path.open("rb") as stream:
                for before, after, start, end in self._heads():
                    if before != at:
                        if found:
                            return None
                        continue
                    stream.seek(start)
                    found.append(_decode(stream.read(end - start)))
                    at = after
                    if at == until:
                        return found
        except (OSError, ValueError, struct.error, IndexError):
            return None
        return None

    def _heads(self) -> Iterator[tuple[int, int, int, int]]:
        """Yield (serial before, serial behind, start, end) of every good step."""
        try:
            with self.path.open("rb") as stream:
                if stream.read(len(MAGIC)) != MAGIC:
                    return
                start = len(MAGIC)
                while len(head := stream.read(_HEAD.size + _SUM.size)) == _HEAD.size + _SUM.size:
                    before, after, length, *_ = _HEAD.unpack_from(head)
                    body = stream.read(length)
                    if zlib.crc32(head[: _HEAD.size] + body) != _SUM.unpack_from(head, _HEAD.size)[0]:
                        return
                    end = start + len(head) + length
                    yield before, after, start, end
                    start = end
        except FileNotFoundError:
            return


def _decode(step: bytes) -> Delta:
    before, after, length, _, removed, added = _HEAD.unpack_from(step)
    at = _HEAD.size + _SUM.size
    records = []
    for _ in range(removed + added):
        end = record_end(step, at)
        records.append(step[at:end])
        at = end
    if at != _HEAD.size + _SUM.size + length:
        raise ValueError("a step of a journal is broken")
    return Delta(before, after, tuple(records[:removed]), tuple(records[removed:]))


def record_end(data: bytes, at: int) -> int:
    """Return the offset behind an uncompressed record."""
    while size := data[at]:
        at += size + 1
    return at + 11 + int.from_bytes(data[at + 9 : at + 11], "big")


def file_stem(owner: str, origin: bytes) -> str:
    """Name the files of a zone: the same in all processes and after a restart, whatever the zone is called."""
    return hashlib.blake2b(owner.encode() + b"\0" + origin, digest_size=16).hexdigest()


def journal_of(folder: Path, owner: str, origin: bytes) -> Journal:
    """Return the journal of a zone that a publisher keeps below a folder."""
    return Journal(folder / "journals" / file_stem(owner, origin))
