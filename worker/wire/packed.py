"""Sections that stay octets until somebody looks at their records, and templates of them without TTLs.

1. A template holds a mark of four different octets where each TTL belongs. The mark occurs nowhere else in it, so
   one `bytes.replace` gives every record its TTL: 0.2 µs, however many records there are.
2. A packed section compares, iterates and adds like the plain section of the same records.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from random import SystemRandom
from typing import Any, Final, NamedTuple, SupportsIndex, overload

from .codes import OPT
from .records import EMPTY, RRset, Section

_TYPE_CLASS = struct.Struct("!HH")
_FIXED = struct.Struct("!HHIH")
TTL_BYTES: Final = 4


class PackedSection(Section):
    """A section made of wire form; `packed` builds it."""

    _records: Section | None = None

    @property
    def records(self) -> Section:
        """The plain section."""
        records = self._records
        if records is None:
            records = self._records = unpack(self.wire)
            records._wire, records._count = self._wire, self._count
        return records

    def __iter__(self) -> Iterator[RRset]:
        return iter(self.records)

    def __reversed__(self) -> Iterator[RRset]:
        return reversed(self.records)

    def __len__(self) -> int:
        return len(self.records)

    def __bool__(self) -> bool:
        return bool(self._wire)

    @overload
    def __getitem__(self, index: SupportsIndex) -> RRset: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[RRset, ...]: ...
    def __getitem__(self, index: Any) -> Any:
        return self.records[index]

    def __contains__(self, item: object) -> bool:
        return item in self.records

    def __add__(self, other: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(self.records) + tuple(other)

    def __radd__(self, other: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(other) + tuple(self.records)

    def __eq__(self, other: object) -> bool:
        return tuple(self.records) == (tuple(other) if isinstance(other, PackedSection) else other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(tuple(self.records))

    def __reduce__(self) -> tuple[Any, ...]:
        return packed, (self.wire, self.count)

    def __repr__(self) -> str:
        return repr(tuple(self.records))


def packed(wire: bytes, count: int) -> Section:
    """Return a section of `count` uncompressed records; the shared empty one for none."""
    if not count:
        return EMPTY
    made = PackedSection()
    made._wire = wire
    made._count = count
    return made


def unpack(wire: bytes) -> Section:
    """Read uncompressed records; neighbours of one owner, type, class and TTL become one RRset."""
    found: list[RRset] = []
    last: tuple[bytes, int, int, int] | None = None
    rdatas: list[bytes] = []
    at = 0
    while at < len(wire):
        start = at
        while wire[at]:
            at += wire[at] + 1
        owner = wire[start : at + 1]
        rtype, rclass, ttl, size = _FIXED.unpack_from(wire, at + 1)
        at += 1 + _FIXED.size + size
        head = (owner, rtype, rclass, ttl)
        if head != last:
            if last is not None:
                found.append(RRset(last[0], last[1], last[3], tuple(rdatas), last[2]))
            last, rdatas = head, []
        rdatas.append(wire[at - size : at])
    if last is not None:
        found.append(RRset(last[0], last[1], last[3], tuple(rdatas), last[2]))
    return Section(found)


class Template(NamedTuple):
    """Three sections without TTLs: `fill` gives them one, `filled.FilledReply` makes a reply of them."""

    mark: bytes
    wires: tuple[bytes, bytes, bytes]
    counts: tuple[int, int, int]

    def fill(self, ttl: int) -> tuple[Section, Section, Section]:
        """Return the sections with one TTL (s) on every record."""
        value = ttl.to_bytes(TTL_BYTES, "big")
        answer, authority, additional = (
            packed(wire.replace(self.mark, value), count) for wire, count in zip(self.wires, self.counts, strict=True)
        )
        return answer, authority, additional


def _random_marks() -> Iterator[bytes]:
    random = SystemRandom()
    while True:
        yield bytes(random.sample(range(256), TTL_BYTES))


MARK: Final = next(_random_marks())  # nobody outside can know it, so nobody can put it into a reply


def template(
    answer: Sequence[RRset],
    authority: Sequence[RRset],
    additional: Sequence[RRset],
    marks: Iterable[bytes] | None = None,
) -> Template:
    """Make a template of three sections, leaving out OPT records. `marks` are tried in turn."""
    # Hot: once a miss.
    for mark in marks or chain((MARK,), _random_marks()):
        answer_wire, answers = _marked(answer, mark)
        authority_wire, authorities = _marked(authority, mark)
        additional_wire, additionals = _marked(additional, mark)
        # Occurrences of a mark of four different octets cannot overlap, so the right number is the right places.
        found = answer_wire.count(mark) + authority_wire.count(mark) + additional_wire.count(mark)
        if found == answers + authorities + additionals:
            return Template(mark, (answer_wire, authority_wire, additional_wire), (answers, authorities, additionals))
    raise ValueError("a reply that holds all marks")


def _marked(rrsets: Sequence[RRset], mark: bytes) -> tuple[bytes, int]:
    if not rrsets:
        return b"", 0
    parts: list[bytes] = []
    for rrset in rrsets:
        rtype = rrset.rtype
        if rtype == OPT:
            continue
        head = rrset.owner + _TYPE_CLASS.pack(rtype, rrset.rclass) + mark
        for rdata in rrset.rdatas:
            parts.append(head + len(rdata).to_bytes(2, "big") + rdata)
    return b"".join(parts), len(parts)
