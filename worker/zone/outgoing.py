"""What a zone transfer sends: whole zones (RFC 5936) and differences (RFC 1995), cut into messages.

A batch is the answer section of one message. None stands for a step of work without one, so that a zone of a million
names never keeps a worker for more than a millisecond.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ..reply import ServFail
from ..store.pins import pinned
from ..store.reader import Zone
from ..store.walk import ZoneGone, apex_of, walk
from ..wire.packed import packed
from ..wire.records import Section
from .journal import Delta, record_end

MAX_BATCH_BYTES: Final = 63_000  # of uncompressed records, as the reference cuts
STEP_RECORDS: Final = 500

Batches = Iterator[Section | None]


class _Batch:
    """Collects records up to the size of a message."""

    def __init__(self) -> None:
        self._wires: list[bytes] = []
        self._size = 0
        self._count = 0

    def add(self, wire: bytes, count: int) -> Iterator[Section]:
        """Add uncompressed records; yield each message that they fill."""
        size = len(wire)
        if self._size + size <= MAX_BATCH_BYTES:
            self._wires.append(wire)
            self._size += size
            self._count += count
            return
        at = 0
        while at < size:
            end = record_end(wire, at)
            if self._count and self._size + end - at > MAX_BATCH_BYTES:
                yield self.take()
            self._wires.append(wire[at:end])
            self._size += end - at
            self._count += 1
            at = end

    def take(self) -> Section:
        """Return the records collected so far and begin anew."""
        batch = packed(b"".join(self._wires), self._count)
        self._wires, self._size, self._count = [], 0, 0
        return batch


def whole(zone: Zone, folder: Path) -> Batches:
    """Yield a whole zone: SOA and NS first, the SOA once more behind the last name (RFC 5936 §2.2).

    Raises ServFail where the zone was swept meanwhile.
    """
    batch = _Batch()
    with pinned(folder, zone.number):
        for rrset in apex_of(zone):
            yield from batch.add(rrset.wire, rrset.count)
        try:
            for names in walk(zone):
                for wire, count in names:
                    yield from batch.add(wire, count)
                yield None
        except ZoneGone:
            raise ServFail("the zone went away during its transfer") from None
    yield from batch.add(zone.soa.wire, 1)
    yield batch.take()


def differences(zone: Zone, deltas: Iterator[Delta]) -> Batches:
    """Yield what changed: the SOA, then for each step old SOA, deletions, new SOA, additions; the SOA (RFC 1995 §4)."""
    batch = _Batch()
    yield from batch.add(zone.soa.wire, 1)
    for delta in deltas:
        for number, record in enumerate((*delta.removed, *delta.added)):
            yield from batch.add(record, 1)
            if number % STEP_RECORDS == STEP_RECORDS - 1:
                yield None
        yield None
    yield from batch.add(zone.soa.wire, 1)
    yield batch.take()
