"""What a zone transfer sends: whole zones (RFC 5936) and differences (RFC 1995), cut into messages.

A batch is the answer section of one message. None stands for a step of work without one, so that a zone of a million
names never keeps a worker for more than a millisecond.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ..reply import ServFail
from ..store.nodes import one
from ..store.pins import pinned
from ..store.reader import Zone
from ..store.walk import ZoneGone, apex_of, walk
from ..wire.records import RRset, Section
from .journal import Delta

MAX_BATCH_BYTES: Final = 63_000  # of uncompressed records, as the reference cuts
STEP_RECORDS: Final = 500

Batches = Iterator[Section | None]


class _Batch:
    """Collects records up to the size of a message."""

    def __init__(self) -> None:
        self._rrsets: list[RRset] = []
        self._wires: list[bytes] = []
        self._size = 0
        self._count = 0
        self.total = 0

    def add(self, records: Section) -> Iterator[Section]:
        """Add records; yield each message that they fill."""
        wire, count = records.wire, records.count
        if self._size + len(wire) <= MAX_BATCH_BYTES:
            self._rrsets += records
            self._wires.append(wire)
            self._size += len(wire)
            self._count += count
            return
        for rrset in records:
            for single in rrset.singles() if count > 1 else (rrset,):
                if self._count and self._size + len(single.wire) > MAX_BATCH_BYTES:
                    yield self.take()
                self._rrsets.append(single)
                self._wires.append(single.wire)
                self._size += len(single.wire)
                self._count += 1

    def take(self) -> Section:
        """Return the records collected so far and begin anew."""
        batch = Section(self._rrsets)
        batch._wire = b"".join(self._wires)
        batch._count = self._count
        self.total += self._count
        self._rrsets, self._wires, self._size, self._count = [], [], 0, 0
        return batch


def whole(zone: Zone, folder: Path) -> Batches:
    """Yield a whole zone: SOA and NS first, the SOA once more behind the last name (RFC 5936 §2.2).

    Raises ServFail where the zone was swept meanwhile.
    """
    batch = _Batch()
    with pinned(folder, zone.number):
        yield from batch.add(Section(apex_of(zone)))
        try:
            for sections in walk(zone):
                for section in sections:
                    yield from batch.add(section)
                yield None
        except ZoneGone:
            raise ServFail("the zone went away during its transfer") from None
    yield from batch.add(zone.soa)
    yield batch.take()


def differences(zone: Zone, deltas: Iterator[Delta]) -> Batches:
    """Yield what changed: the SOA, then for each step old SOA, deletions, new SOA, additions; the SOA (RFC 1995 §4)."""
    batch = _Batch()
    yield from batch.add(zone.soa)
    for delta in deltas:
        for number, record in enumerate((*delta.removed, *delta.added)):
            yield from batch.add(one(record))
            if number % STEP_RECORDS == STEP_RECORDS - 1:
                yield None
        yield None
    yield from batch.add(zone.soa)
    yield batch.take()
