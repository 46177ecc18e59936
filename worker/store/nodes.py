"""Nodes: all records of one name as one stored value, in a form that is nearly the answer.

1. A node's key is the zone's prefix and the name's canonical key, so a zone is in canonical order and the names below
   a name follow it directly. One look-up tells hit, missing type, empty non-terminal and successor.
2. The most frequent value, a single record, is that record without its owner: `name + value` is the wire form.
3. Any other value begins with type 0 and holds runs: type, count, length, records. A run with `_OWNERS` set holds
   whole records, ready to be sent; one without holds a single record without its owner.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any, Final

from ..wire.codes import CNAME, NS, RRSIG
from ..wire.names import ROOT
from ..wire.packed import packed
from ..wire.records import EMPTY, RRset, Section

_RUN = struct.Struct("!HHI")
_FIXED = struct.Struct("!HHIH")
_OWNERS: Final = 0x8000
MANY: Final = b"\0\0"
_RRSIG: Final = RRSIG.to_bytes(2, "big")
_REDIRECTING: Final = (CNAME, NS)
# One record of a node: owner, then type, class, TTL, length and rdata as they stand in a message.
Stored = tuple[bytes, bytes]


class StoredRRset(RRset):
    """An RRset that knows its wire form and takes it apart only when somebody asks."""

    __slots__ = ("_count",)

    _count: int

    @property
    def count(self) -> int:
        """The number of records, known without a look at them."""
        return self._count

    def __getattr__(self, name: str) -> Any:
        if name not in ("owner", "rtype", "rclass", "ttl", "rdatas"):
            raise AttributeError(name)
        _take_apart(self)
        return object.__getattribute__(self, name)


_new_rrset = StoredRRset.__new__


def stored(wire: bytes, count: int) -> StoredRRset:
    """Wrap records of one owner, type, class and TTL."""
    rrset = _new_rrset(StoredRRset)
    rrset._wire = wire
    rrset._count = count
    return rrset


def _take_apart(rrset: RRset) -> None:
    wire = rrset._wire
    assert wire is not None
    at = 0
    while wire[at]:
        at += wire[at] + 1
    start = at + 1
    rrset.owner = wire[:start]
    rdatas = []
    end = 0
    while end < len(wire):
        at = end + start
        rrset.rtype, rrset.rclass, rrset.ttl, size = _FIXED.unpack_from(wire, at)
        end = at + 10 + size
        rdatas.append(wire[at + 10 : end])
    rrset.rdatas = tuple(rdatas)


def one(wire: bytes) -> Section:
    """Return a section of one record, without taking it apart."""
    section = Section((stored(wire, 1),))
    section._wire = wire
    section._count = 1
    return section


class Node:
    """The records at one name, by type. `answers` keeps what the look-up made of it, by type and DO.

    `sets` is made at the first look: until then it is an unset slot, which is what sends Python to `__getattr__`.
    """

    __slots__ = ("answers", "name", "sets", "value")

    sets: dict[int, Section]

    def __init__(self, name: bytes, value: bytes) -> None:
        self.name = name
        self.value = value
        self.answers: dict[int, Any] = {}

    def __getattr__(self, name: str) -> Any:
        if name != "sets":
            raise AttributeError(name)
        owner, value = self.name, self.value
        found = runs(owner, value) if value.startswith(MANY) else {(value[0] << 8) | value[1]: one(owner + value)}
        self.sets = found
        return found

    def get(self, rtype: int, signed: bool = False) -> Section:
        """Return the records of a type, and with `signed` the RRSIGs that cover it; empty where there are none."""
        found = self.sets.get(rtype, EMPTY)
        return Section(found + self.signatures(rtype)) if signed and RRSIG in self.sets else found

    def signatures(self, rtype: int) -> Section:
        """Return the RRSIGs that cover a type."""
        covered = rtype.to_bytes(2, "big")
        at = len(self.name) + 10 if self.name else 0
        found: list[RRset] = []
        for rrset in self.sets.get(RRSIG, EMPTY):
            wire = rrset.wire  # all of a run cover one type
            start = at or len(rrset.owner) + 10
            if wire[start : start + 2] == covered:
                found.append(rrset)
        return Section(found)


def runs(name: bytes, value: bytes) -> dict[int, Section]:
    """Decode a value of runs: the sections of a name by type."""
    found: dict[int, list[tuple[bytes, int]]] = {}
    at = 2
    end = len(value)
    while at < end:
        rtype, count, size = _RUN.unpack_from(value, at)
        at += 8
        wire = value[at : at + size]
        at += size
        found.setdefault(rtype, []).append((wire, count & 0x7FFF) if count & _OWNERS else (name + wire, count))
    return {rtype: _joined(runs) for rtype, runs in found.items()}


def pick(name: bytes, value: bytes, rtype: int, signed: bool = True, alone: bool = False) -> Section:
    """Return the records of one type and with `signed` the RRSIGs that cover it; nothing else of a node is decoded.

    Empty where there are none, and with `alone` also where a CNAME or NS record at the name says otherwise.
    """
    if not value.startswith(MANY):
        return one(name + value) if (value[0] << 8) | value[1] == rtype else EMPTY
    return packed(*picked(name, value, rtype, signed, alone))


def picked(name: bytes, value: bytes, rtype: int, signed: bool = True, alone: bool = False) -> tuple[bytes, int]:
    """Return the octets and the number of what `pick` returns, of a value of runs."""
    # Hot: the first time that somebody asks for a name of a signed zone, 2 µs; and for each proof.
    covered = rtype.to_bytes(2, "big")
    found: list[bytes] = []
    signatures: list[bytes] = []
    records = 0
    at = 2
    end = len(value)
    start = len(name) + 10
    while at < end:
        kind, count, size = _RUN.unpack_from(value, at)
        at += 8
        if kind == rtype or (kind == RRSIG and signed):
            wire = value[at : at + size]
            if not count & _OWNERS:
                wire = name + wire
            if kind == rtype:
                found.append(wire)
                records += count & 0x7FFF
            elif wire[start : start + 2] == covered:
                signatures.append(wire)
                records += count & 0x7FFF
        elif alone and kind in _REDIRECTING:
            return b"", 0
        at += size
    return (b"".join(found + signatures), records) if found else (b"", 0)


def every(name: bytes, value: bytes) -> tuple[bytes, int]:
    """Return the octets of all records of a value of runs, and how many they are."""
    found: list[bytes] = []
    records = 0
    at = 2
    while at < len(value):
        _, count, size = _RUN.unpack_from(value, at)
        at += 8
        if not count & _OWNERS:
            found.append(name)
        found.append(value[at : at + size])
        records += count & 0x7FFF
        at += size
    return b"".join(found), records


def parted(name: bytes, value: bytes, rtype: int) -> tuple[bytes, bytes]:
    """Divide a value of runs: the records of a type with the RRSIGs that cover it, and all others; empty for none."""
    covered = rtype.to_bytes(2, "big")
    moved: list[bytes] = []
    rest: list[bytes] = []
    at = 2
    while at < len(value):
        kind, count, size = _RUN.unpack_from(value, at)
        end = at + 8 + size
        start = at + 18 + (len(name) if count & _OWNERS else 0)
        belongs = kind == rtype or (kind == RRSIG and value[start : start + 2] == covered)
        (moved if belongs else rest).append(value[at:end])
        at = end
    return MANY + b"".join(moved) if moved else b"", MANY + b"".join(rest) if rest else b""


def _joined(runs: list[tuple[bytes, int]]) -> Section:
    section = Section([stored(wire, count) for wire, count in runs])
    section._wire = runs[0][0] if len(runs) == 1 else b"".join([wire for wire, _ in runs])
    section._count = sum([count for _, count in runs])
    return section


def pack(name: bytes, records: list[Stored]) -> bytes:
    """Encode the records of a name, in file order, as (owner, type class TTL length rdata)."""
    if len(records) == 1:
        owner, record = records[0]
        if owner == name and record[:2] != MANY:
            return record
    by_type: dict[bytes, list[Stored]] = {}
    for pair in records:
        by_type.setdefault(pair[1][:2], []).append(pair)
    out = [MANY]
    for group in by_type.values():
        for run in _split(group):
            out.append(_encode(name, run))
    return b"".join(out)


def _split(group: list[Stored]) -> Iterable[list[Stored]]:
    """Runs of neighbours that agree in owner, class, TTL and what they sign; at most 32767 records each."""
    run: list[Stored] = []
    signs = slice(10, 12 if group[0][1][:2] == _RRSIG else 10)
    for pair in group:
        head = run[0][1] if run else b""
        if run and (
            pair[0] != run[0][0]
            or pair[1][2:8] != head[2:8]
            or pair[1][signs] != head[signs]
            or len(run) == _OWNERS - 1
        ):
            yield run
            run = []
        run.append(pair)
    yield run


def _encode(name: bytes, run: list[Stored]) -> bytes:
    owner, record = run[0]
    rtype = int.from_bytes(record[:2], "big")
    if len(run) == 1 and owner == name:
        return _RUN.pack(rtype, 1, len(record)) + record
    wire = b"".join([part for pair in run for part in pair])
    return _RUN.pack(rtype, len(run) | _OWNERS, len(wire)) + wire


def name_of(key: bytes) -> bytes:
    """Return the name of a canonical key (`names.key` backwards)."""
    labels = key.split(b"\0")[1:]
    labels.reverse()
    if 1 in key:
        # What a `\0` or `\1` octet of a label became; neither image holds a zero, so splitting was safe.
        labels = [label.replace(b"\1\1", b"\0").replace(b"\1\2", b"\1") for label in labels]
    return b"".join([bytes((len(label),)) + label for label in labels]) + ROOT
