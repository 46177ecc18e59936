"""Name compression (RFC 1035 §4.1.4) of whole messages, with a budget.

As the reference does it: names match letter by letter, owners and the rdata names of RFC 1035's types are compressed,
names of younger types are only targets. Records are added in order until the budget is spent; what comes after is cut.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from .codes import CNAME, DNAME, MX, NS, PTR, SOA, SRV
from .records import Section

_MAX_POINTER: Final = 0x3FFF
_HEAD = struct.Struct("!HHIH")
# type → (octets before the first name, number of names, may those be compressed)
_NAMES: Final[dict[int, tuple[int, int, bool]]] = {
    NS: (0, 1, True), CNAME: (0, 1, True), SOA: (0, 2, True), PTR: (0, 1, True), MX: (2, 1, True),
    3: (0, 1, True), 4: (0, 1, True), 7: (0, 1, True), 8: (0, 1, True), 9: (0, 1, True), 14: (0, 2, True),
    SRV: (6, 1, False), DNAME: (0, 1, False), 17: (0, 2, False), 18: (2, 1, False), 21: (2, 1, False),
    36: (2, 1, False),
}  # fmt: skip


class Packed(NamedTuple):
    """The question and what was kept of the sections, the kept records by section, and whether any was cut."""

    body: bytes
    counts: tuple[int, int, int]
    cut: bool


class _Writer:
    __slots__ = ("at", "out")

    def __init__(self, question: bytes) -> None:
        self.out = bytearray(question)
        self.at: dict[bytes, int] = {}
        if question:
            self._remember(question[:-4], 12)

    def _remember(self, name: bytes, offset: int) -> None:
        at = 0
        while name[at]:
            suffix = name[at:]
            if suffix in self.at or offset + at > _MAX_POINTER:
                return
            self.at[suffix] = offset + at
            at += name[at] + 1

    def name(self, name: bytes, pointers: bool = True) -> None:
        """Append a name, as far as possible as a pointer; remember where its suffixes stand."""
        offset = len(self.out) + 12
        at = 0
        while name[at]:
            known = self.at.get(name[at:])
            if known is not None:
                if pointers:
                    self.out += name[:at] + (0xC000 | known).to_bytes(2, "big")
                else:
                    self.out += name
                return
            if offset + at <= _MAX_POINTER:
                self.at[name[at:]] = offset + at
            at += name[at] + 1
        self.out += name

    def record(self, owner: bytes, rtype: int, rclass: int, ttl: int, rdata: bytes) -> None:
        """Append one record."""
        self.name(owner)
        start = len(self.out)
        self.out += _HEAD.pack(rtype, rclass, ttl, len(rdata))
        layout = _NAMES.get(rtype)
        if layout is None:
            self.out += rdata
            return
        skip, count, pointers = layout
        self.out += rdata[:skip]
        for _ in range(count):
            end = skip
            while end < len(rdata) and rdata[end]:
                end += rdata[end] + 1
            if end >= len(rdata):
                break
            self.name(rdata[skip : end + 1], pointers)
            skip = end + 1
        self.out += rdata[skip:]
        self.out[start + 8 : start + 10] = (len(self.out) - start - 10).to_bytes(2, "big")


def compress(question: bytes, sections: tuple[Section, Section, Section], budget: int) -> Packed:
    """Pack a question and three sections into at most `budget` octets (without header and OPT)."""
    writer = _Writer(question)
    counts = [0, 0, 0]
    cut = False
    for index, records in enumerate(sections):
        for rrset in records:
            for rdata in rrset.rdatas:
                if cut:
                    break
                before = len(writer.out)
                if before >= budget:
                    cut = True
                    break
                writer.record(rrset.owner, rrset.rtype, rrset.rclass, rrset.ttl, rdata)
                if len(writer.out) > budget:
                    del writer.out[before:]
                    cut = True
                else:
                    counts[index] += 1
    return Packed(bytes(writer.out), (counts[0], counts[1], counts[2]), cut)
