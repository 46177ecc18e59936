"""The copy of a transferred zone on disk: its records, the differences since, and when the primary was last seen.

1. A copy is complete or it is not there: it is written beside the old one and takes its place at one stroke, with a
   checksum behind the last record.
2. The version that counts is the one that the timers name: the base, or what the journal makes of it.
3. Times are in seconds since 1970, since they outlive the machine.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

import msgspec

from ..store.publish import ZoneWriter
from .journal import Delta, file_stem, journal_of, record_end
from .transfer import TransferError

MAGIC: Final = b"shardns zone 1\n"
DIGEST_BYTES: Final = 32
SLICE_RECORDS: Final = 2_000
PART_BYTES: Final = 1 << 18


class Timers(msgspec.Struct, frozen=True):
    """The version held, and when a primary last confirmed it. `digest` names the base that it stands on."""

    serial: int
    checked: float
    base_serial: int
    digest: bytes


class Copy:
    """The files of one zone. `owner` names who keeps it, the same after a restart."""

    def __init__(self, folder: Path, owner: str, origin: bytes) -> None:
        self.origin = origin
        self.path = folder / "zones" / file_stem(owner, origin)
        self.journal = journal_of(folder, owner, origin)
        self.timers: Timers | None = None

    def read_timers(self) -> Timers | None:
        """Return what is known of the copy, None where there is none."""
        try:
            self.timers = msgspec.msgpack.decode(self.path.with_suffix(".timers").read_bytes(), type=Timers)
        except (OSError, msgspec.MsgspecError):
            self.timers = None
        return self.timers

    def write_timers(self, timers: Timers) -> None:
        """Note the version and the time; raises OSError."""
        self.timers = timers
        part = self.path.with_suffix(".timers.new")
        part.write_bytes(msgspec.msgpack.encode(timers))
        part.replace(self.path.with_suffix(".timers"))

    def begin(self) -> Draft:
        """Begin a new base; raises OSError."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.journal.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Draft(self.path)

    def deltas(self) -> list[Delta] | None:
        """Return what leads from the base to the version that counts, None where that is not known."""
        timers = self.timers
        if timers is None:
            return None
        if timers.serial == timers.base_serial:
            return []
        return self.journal.since(timers.base_serial, timers.serial)

    def digest(self, deltas: list[Delta]) -> bytes:
        """Name the content: the base and the differences."""
        assert self.timers is not None
        return changed_digest(self.timers.digest, deltas)

    def restore(self, writer: ZoneWriter, deltas: list[Delta]) -> Iterator[None]:
        """Hand all records of the version that counts to a writer; raises TransferError where the copy is broken."""
        assert self.timers is not None
        try:
            data = self.path.read_bytes()
        except OSError as error:
            raise TransferError(f"the copy cannot be read: {error}") from None
        body, digest = data[:-DIGEST_BYTES], data[-DIGEST_BYTES:]
        if not body.startswith(MAGIC) or digest != self.timers.digest or _digest(body).digest() != digest:
            raise TransferError("the copy is broken")
        change = Change(deltas)
        at = len(MAGIC)
        while at < len(body):
            for _ in range(SLICE_RECORDS):
                if at >= len(body):
                    break
                end = record_end(body, at)
                record = body[at:end]
                if not change.takes(record):
                    put(writer, record)
                at = end
            yield
        change.finish(writer)

    def forget(self) -> None:
        """Remove everything; raises OSError."""
        for suffix in ("", ".timers"):
            self.path.with_suffix(suffix).unlink(missing_ok=True)
        self.journal.clear()
        self.timers = None


class Draft:
    """A base being written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._part = path.with_suffix(".new")
        self._stream: IO[bytes] = self._part.open("wb")
        self._hash = _digest(b"")
        self._waiting = bytearray(MAGIC)

    def add(self, records: bytes) -> None:
        """Add records in wire form; raises OSError."""
        self._waiting += records
        if len(self._waiting) >= PART_BYTES:
            self._flush()

    def _flush(self) -> None:
        self._stream.write(self._waiting)
        self._hash.update(self._waiting)
        self._waiting.clear()

    def commit(self) -> None:
        """Put it in the old one's place; raises OSError."""
        self._stream.write(self.digest)
        self._stream.close()
        os.replace(self._part, self.path)

    def discard(self) -> None:
        """Give it up."""
        self._stream.close()
        self._part.unlink(missing_ok=True)

    @property
    def digest(self) -> bytes:
        """The checksum of what was added; raises OSError."""
        if self._waiting:
            self._flush()
        return self._hash.digest()


class Change:
    """Differences, folded into what goes and what comes."""

    def __init__(self, deltas: list[Delta]) -> None:
        self.gone: dict[bytes, None] = {}
        self.fresh: dict[bytes, None] = {}
        for delta in deltas:
            for record in delta.removed:
                if record in self.fresh:
                    del self.fresh[record]
                else:
                    self.gone[record] = None
            for record in delta.added:
                if record in self.gone:
                    del self.gone[record]
                else:
                    self.fresh[record] = None
        self._left = set(self.gone)

    def takes(self, record: bytes) -> bool:
        """Tell whether a record of the old version is gone in the new one."""
        if record not in self.gone:
            return False
        self._left.discard(record)
        return True

    def finish(self, writer: ZoneWriter) -> None:
        """Add what is new; raises TransferError where something that should go was not there."""
        if self._left:
            raise TransferError("the differences do not fit the zone")
        for record in self.fresh:
            put(writer, record)


def put(writer: ZoneWriter, record: bytes) -> None:
    """Hand a record in wire form to a writer."""
    at = 0
    while record[at]:
        at += record[at] + 1
    writer.add_record(record[: at + 1], record[at + 1 :])


def changed_digest(digest: bytes, deltas: list[Delta]) -> bytes:
    """Name the content that differences make of another."""
    for delta in deltas:
        digest = _digest(digest + delta.encode()).digest()
    return digest


def _digest(data: bytes) -> hashlib.blake2b:
    return hashlib.blake2b(data, digest_size=DIGEST_BYTES)
