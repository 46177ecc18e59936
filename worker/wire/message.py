"""Whole messages to replies: what an upstream sent, read once, kept as bytes, turned into RRsets only if a layer looks.

1. `decode` walks every record, so a reply that exists is sound: no later look at it raises.
2. Names are read as they were sent, with their letter case; those in rdata are decompressed for every type that may
   hold compressed ones.
3. Compression pointers point backwards only and each run of labels is read once a message, so work is linear.
4. Lenient as the reference: octets behind the last record are ignored, and a message that ends at the border of a
   record has as many records as it has, whatever the header says.
"""

from __future__ import annotations

import struct
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from ..reply import Reply
from .codes import AAAA, OPT, TC, A
from .edns import Edns, options
from .names import MAX_NAME_BYTES, ROOT
from .read import MAX_POINTERS, Malformed
from .records import EMPTY, RRset, Section

_HEADER = struct.Struct("!HHHHHH")
_FIXED = struct.Struct("!HHIH")
_CLEARED = 0x7800 | 0x000F  # opcode and rcode are attributes of their own
_run = itemgetter(0, 1, 2, 3)
_SECTIONS: Final = ("answer", "authority", "additional")

# How rdata is laid out where names, strings or a fixed length stand in it: a number is that many octets, "n" a name,
# "s" a character-string, "S" such strings up to the end, "*" whatever is left. RFC 1035 §3.3, RFC 1183, RFC 2163,
# RFC 2230, RFC 2535, RFC 2782, RFC 2915, RFC 4034, RFC 6672, RFC 6742, RFC 9460.
Layout = tuple[int | str, ...]
LAYOUTS: dict[int, Layout] = {
    1: (4,), 2: ("n",), 3: ("n",), 4: ("n",), 5: ("n",), 6: ("n", "n", 20), 7: ("n",), 8: ("n",), 9: ("n",), 12: ("n",),
    13: ("s", "s"), 14: ("n", "n"), 15: (2, "n"), 16: ("S",), 17: ("n", "n"), 18: (2, "n"), 21: (2, "n"), 23: ("n",),
    24: (18, "n", "*"), 26: (2, "n", "n"), 28: (16,), 30: ("n", "*"), 33: (6, "n"), 35: (4, "s", "s", "s", "n"),
    36: (2, "n"), 39: ("n",), 43: (4, "*"), 46: (18, "n", "*"), 47: ("n", "*"), 48: (4, "*"), 58: ("n", "n"),
    64: (2, "n", "*"), 65: (2, "n", "*"), 99: ("S",), 107: (2, "n"), 250: ("n", "*"), 258: ("S",),
}  # fmt: skip

Record = tuple[bytes, int, int, int, bytes]  # owner, type, class, TTL (s), rdata


class Cut(Malformed):
    """A message that ends too early: what a datagram that did not fit looks like."""


class WireReply(Reply):
    """A reply as it came over the wire.

    `raw` is the whole message, ID first, without trailing octets; `question_end` the offset behind its question;
    `opt_start` and `opt_end` delimit the OPT record that counts (0 and 0 without one); `id` is the message's. The
    three sections and `edns` are made at the first look; until then they are unset slots, which is what sends Python
    to `__getattr__`. OPT records never stand in `additional`.
    """

    __slots__ = ("_records", "id", "opt_end", "opt_start", "question_end", "raw")

    def __init__(self, raw: bytes, question_end: int, records: tuple[list[Record], ...], opt: tuple[int, int]) -> None:
        self.id, word = _HEADER.unpack_from(raw)[:2]
        self.raw = raw
        self.question_end = question_end
        self.opt_start, self.opt_end = opt
        self.flags = word & ~_CLEARED & 0xFFFF
        self.opcode = (word >> 11) & 15
        self.rcode = word & 15
        self.compress = False
        self.packed = None
        self._records = records
        if self.opt_end:
            at = self.opt_start
            # RFC 6891 §6.1.3: the upper eight bits of the rcode stand in the OPT's TTL.
            self.rcode |= raw[at + 5] << 4
        else:
            self.edns = None

    def __getattr__(self, name: str) -> Any:
        if name == "edns":
            self.edns = _edns(self.raw, self.opt_start, self.opt_end)
        elif name in _SECTIONS:
            setattr(self, name, _section(self._records[_SECTIONS.index(name)]))
        else:
            raise AttributeError(name)
        return getattr(self, name)

    @property
    def answers(self) -> int:
        """The number of records in the answer section, without making it."""
        return len(self._records[0])

    @property
    def question(self) -> bytes:
        """The question as it stands in the message: empty for none, possibly compressed."""
        return self.raw[12 : self.question_end]

    def __repr__(self) -> str:
        return f"WireReply({self.rcode}, {self.flags:#06x}, {len(self.raw)} octets)"


def decode(wire: bytes) -> WireReply:
    """Read a whole message; ID and question are for the caller to check. Raises Malformed, Cut if it is too short."""
    try:
        return _read(wire)
    except (IndexError, struct.error):
        raise Cut from None
    except ValueError:
        raise Malformed from None


def truncated(wire: bytes) -> WireReply:
    """Return what can be kept of a datagram that did not fit: header and question, TC set. Raises Malformed."""
    if len(wire) < 12:
        raise Cut
    ident, word, count = _HEADER.unpack_from(wire)[:3]
    end = 12
    try:
        for _ in range(count):
            end = _question(wire, end)
    except (IndexError, Malformed):
        count, end = 0, 12
    return WireReply(_HEADER.pack(ident, word | TC, count, 0, 0, 0) + wire[12:end], end, ([], [], []), (0, 0))


def asks(wire: bytes, owner: bytes, qtype: int, qclass: int) -> bool:
    """Tell whether a message is a response that holds exactly this question; the letter case of `owner` is ignored."""
    if len(wire) < 12 or not wire[2] & 0x80 or wire[4:6] != b"\0\1":
        return False
    tail = qtype.to_bytes(2, "big") + qclass.to_bytes(2, "big")
    at = 12 + len(owner)
    if wire[12:at] == owner or wire[12:at].lower() == owner.lower():
        return wire[at : at + 4] == tail
    try:
        name, at = _Names(wire).read(12)
    except (IndexError, Malformed):
        return False
    return name.lower() == owner.lower() and wire[at : at + 4] == tail


def _read(wire: bytes) -> WireReply:
    # One loop for all records, since a call a record costs as much as the record: 1.5 us for one address and an OPT.
    ident, word, questions, *counts = _HEADER.unpack_from(wire)
    size = len(wire)
    at = 12
    held = 0
    while held < questions and at < size:
        at = _question(wire, at)
        held += 1
    question_end = at
    names = _Names(wire)
    if held:
        names.read(12)
    opt = (0, 0)
    sections: list[list[Record]] = []
    lies = held != questions
    for count in counts:
        records: list[Record] = []
        sections.append(records)
        for _ in range(count):
            if at == size:
                lies = True
                break
            start = at
            # Hot path: an owner that is a pointer to a name read before, and addresses.
            owner = names.known.get(((wire[at] & 63) << 8) | wire[at + 1]) if wire[at] >= 0xC0 else None
            if owner is None:
                owner, at = names.read(at)
            else:
                at += 2
            rtype, rclass, ttl, length = _FIXED.unpack_from(wire, at)
            at += 10
            end = at + length
            if end > size:
                raise Cut
            if (rtype == A and length == 4) or (rtype == AAAA and length == 16):
                rdata = wire[at:end]
            elif rtype == OPT:
                if len(sections) == 3:
                    opt = (start, end)
                    _edns(wire, start, end)
                at = end
                continue
            else:
                rdata = names.rdata(at, end, LAYOUTS.get(rtype))
            records.append((owner, rtype, rclass, ttl, rdata))
            at = end
    raw = wire if at == size else wire[:at]
    if lies:
        raw = _HEADER.pack(ident, word, held, *(len(s) for s in sections)) + raw[12:]
    return WireReply(raw, question_end, tuple(sections), opt)


def _question(wire: bytes, at: int) -> int:
    while size := wire[at]:
        if size > 63:
            if size < 0xC0:
                raise Malformed
            at += 1
            break
        at += size + 1
    if at + 5 > len(wire):
        raise Cut
    return at + 5


def _edns(wire: bytes, start: int, end: int) -> Edns:
    if wire[start]:  # RFC 6891 §6.1.2: the owner is the root
        raise Malformed
    _, size, ttl, _ = _FIXED.unpack_from(wire, start + 1)
    return Edns(size, (ttl >> 16) & 255, ttl >> 24, ttl & 0xFFFF, options(wire[start + 11 : end]))


def _section(records: list[Record]) -> Section:
    if not records:
        return EMPTY
    if len(records) == 1:
        owner, rtype, rclass, ttl, rdata = records[0]
        return Section((RRset(owner, rtype, ttl, (rdata,), rclass),))
    return Section(
        RRset(owner, rtype, ttl, tuple(record[4] for record in run), rclass)
        for (owner, rtype, rclass, ttl), run in groupby(records, _run)
    )


class _Names:
    """Reads names of one message, each run of labels once."""

    __slots__ = ("known", "wire")

    def __init__(self, wire: bytes) -> None:
        self.wire = wire
        self.known: dict[int, bytes] = {}

    def read(self, at: int) -> tuple[bytes, int]:
        """Return the name at an offset, uncompressed, and the offset behind it. Raises Malformed, IndexError."""
        wire, known = self.wire, self.known
        parts: list[tuple[int, bytes]] = []  # (offset, labels that stand there)
        start = at
        after = 0
        while True:
            size = wire[at]
            if size == 0:
                parts.append((start, wire[start:at]))
                after = after or at + 1
                tail = ROOT
                break
            if size < 64:
                at += size + 1
                continue
            if size < 0xC0:
                raise Malformed
            target = ((size & 63) << 8) | wire[at + 1]
            parts.append((start, wire[start:at]))
            after = after or at + 2
            found = known.get(target)
            if found is not None:
                tail = found
                break
            # RFC 1035 §4.1.4: a prior occurrence; what points elsewhere may loop.
            if target >= start or len(parts) > MAX_POINTERS:
                raise Malformed
            start = at = target
        name = tail
        for offset, labels in reversed(parts):
            name = labels + name
            known[offset] = name
        if len(name) > MAX_NAME_BYTES:
            raise Malformed
        return name, after

    def rdata(self, at: int, end: int, layout: Layout | None) -> bytes:
        """Return rdata with its names uncompressed. Raises Malformed where it is not what its type says."""
        wire = self.wire
        if layout is None:
            return wire[at:end]
        if at == end and layout != ("S",):
            raise Malformed
        out: list[bytes] = []
        for item in layout:
            if item == "n":
                name, after = self.read(at)
                out.append(name)
            elif item == "*":
                after = end
                out.append(wire[at:end])
            elif item == "S":
                after = _strings(wire, at, end)
                out.append(wire[at:end])
            else:
                after = at + (wire[at] + 1 if item == "s" else int(item))
                out.append(wire[at:after])
            if after > end:
                raise Cut
            at = after
        if at != end:
            raise Malformed
        return b"".join(out)


def _strings(wire: bytes, at: int, end: int) -> int:
    while at < end:
        at += wire[at] + 1
    return at
