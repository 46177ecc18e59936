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
from typing import Final

from ..reply import Reply
from .codes import AAAA, OPT, TC, A
from .edns import Edns, options
from .layouts import LAYOUTS, Cut, Names
from .read import Malformed
from .records import EMPTY, RRset, Section

_HEADER = struct.Struct("!HHHHHH")
_ID_FLAGS = struct.Struct("!HH")
_FIXED = struct.Struct("!HHIH")
_CLEARED = 0x7800 | 0x000F  # opcode and rcode are attributes of their own
_run = itemgetter(0, 1, 2, 3)

_NO_OPT: Final = (0, 0)
_ADDITIONAL: Final = 2
MAX_KNOWN_OPTS: Final = 4096
_known_opts: dict[bytes, Edns] = {}
Record = tuple[bytes, int, int, int, bytes]  # owner, type, class, TTL (s), rdata


class WireReply(Reply):
    """A reply as it came over the wire.

    `raw` is the whole message, ID first, without trailing octets; `question_end` the offset behind its question;
    `opt_start` and `opt_end` delimit the OPT record that counts (0 and 0 without one); `asked` is the question that it
    was found to answer, as (owner, type, class). The three sections and `edns` are made at the first look. OPT records
    never stand in `additional`.
    """

    # Properties instead of `__getattr__`: a class that has one makes Python look every attribute up the long way.
    __slots__ = (
        "_additional", "_answer", "_authority", "_edns", "_records", "asked", "opt_end", "opt_start", "question_end",
        "raw",
    )  # fmt: skip

    def __init__(
        self, raw: bytes, word: int, question_end: int, records: tuple[list[Record], ...], opt: tuple[int, int]
    ) -> None:
        self.raw = raw
        self.question_end = question_end
        self.opt_start, self.opt_end = opt
        self.flags = word & ~_CLEARED & 0xFFFF
        self.opcode = (word >> 11) & 15
        self.rcode = word & 15
        self.compress = False
        self.packed = None
        self.asked: tuple[bytes, int, int] | None = None
        self._records = records
        self._answer: Section | None = None
        self._authority = self._additional = EMPTY if not records[1] and not records[2] else None
        self._edns: Edns | None = None
        if opt[1]:
            # RFC 6891 §6.1.3: the upper eight bits of the rcode stand in the OPT's TTL.
            self.rcode |= raw[opt[0] + 5] << 4

    @property
    def answer(self) -> Section:  # type: ignore[override]  # replies are immutable
        """The answer section."""
        section = self._answer
        if section is None:
            section = self._answer = _section(self._records[0])
        return section

    @property
    def authority(self) -> Section:  # type: ignore[override]  # as above
        """The authority section."""
        section = self._authority
        if section is None:
            section = self._authority = _section(self._records[1])
        return section

    @property
    def additional(self) -> Section:  # type: ignore[override]  # as above
        """The additional section."""
        section = self._additional
        if section is None:
            section = self._additional = _section(self._records[2])
        return section

    @property
    def edns(self) -> Edns | None:  # type: ignore[override]  # as above
        """The OPT record that counts."""
        edns = self._edns
        if edns is None and self.opt_end:
            edns = self._edns = _edns(self.raw, self.opt_start, self.opt_end)
        return edns

    @property
    def answers(self) -> int:
        """The number of records in the answer section, without making it."""
        return len(self._records[0])

    @property
    def received(self) -> tuple[list[Record], ...]:
        """The records of the three sections, one by one, without making them; OPT records are left out."""
        return self._records

    @property
    def answers_received(self) -> list[Record]:
        """The records of the answer section, one by one, without making it."""
        return self._records[0]

    @property
    def question(self) -> bytes:
        """The question as it stands in the message: empty for none, possibly compressed."""
        return self.raw[12 : self.question_end]

    def keep_packed(self, question_end: int) -> None:
        """Let the writer send the sections as they came, compressed names and all.

        Only for the reply to a client's own query whose question ends at `question_end`: pointers count from there.
        """
        raw, extra = self.raw, len(self._records[2])
        end = self.opt_start or len(raw)
        held = int.from_bytes(raw[10:12], "big")
        if self.question_end != question_end or held != extra + (self.opt_end > 0) or self.opt_end not in (0, len(raw)):
            return
        self.packed = (raw[2:10] + extra.to_bytes(2, "big"), raw[question_end:end])

    def __repr__(self) -> str:
        return f"WireReply({self.rcode}, {self.flags:#06x}, {len(self.raw)} octets)"


def decode(wire: bytes, owner_end: int = 0) -> WireReply:
    """Read a whole message; ID and question are for the caller to check. Raises Malformed, Cut if it is too short.

    `owner_end`: whoever knows that there is one question, and that its name is sound and ends there, uncompressed.
    """
    try:
        return _read(wire, owner_end)
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
    word |= TC
    return WireReply(_HEADER.pack(ident, word, count, 0, 0, 0) + wire[12:end], word, end, ([], [], []), _NO_OPT)


def asked_plainly(wire: bytes, owner: bytes, qtype: int, qclass: int) -> bool:
    """Tell whether a message is a response that holds exactly this question, uncompressed and in this letter case."""
    at = 12 + len(owner)
    return (
        wire[12:at] == owner
        and wire[4:6] == b"\0\1"
        and wire[2] > 127
        and wire[at : at + 4] == _ID_FLAGS.pack(qtype, qclass)
    )


def asks(wire: bytes, owner: bytes, qtype: int, qclass: int) -> bool:
    """Tell whether a message is a response that holds exactly this question; the letter case of `owner` is ignored."""
    if len(wire) < 12 or not wire[2] & 0x80 or wire[4:6] != b"\0\1":
        return False
    tail = qtype.to_bytes(2, "big") + qclass.to_bytes(2, "big")
    at = 12 + len(owner)
    if wire[12:at] == owner or wire[12:at].lower() == owner.lower():
        return wire[at : at + 4] == tail
    try:
        name, at = Names(wire).read(12)
    except (IndexError, Malformed):
        return False
    return name.lower() == owner.lower() and wire[at : at + 4] == tail


def _read(wire: bytes, owner_end: int) -> WireReply:
    # One loop for all records, since a call a record costs as much as the record: 1.5 us for one address and an OPT.
    ident, word, questions, answers, authorities, additionals = _HEADER.unpack_from(wire)
    size = len(wire)
    names = Names(wire)
    known = names.known
    if owner_end:
        at = owner_end + 4
        held = 1
        known[12] = wire[12:owner_end]
        if at > size:
            raise Cut
    else:
        at = 12
        held = 0
    while held < questions and at < size:
        owner, at = names.read(at)
        at += 4
        held += 1
        if at > size:
            raise Cut
    question_end = at
    opt = _NO_OPT
    sections: list[list[Record]] = []
    lies = held != questions
    for number, count in enumerate((answers, authorities, additionals)):
        records: list[Record] = []
        sections.append(records)
        while count:
            count -= 1
            if at == size:
                lies = True
                break
            start = at
            # Hot path: an owner that is a pointer to a name read before, and addresses.
            first = wire[at]
            if first >= 0xC0 and (found := known.get(((first & 63) << 8) | wire[at + 1])):
                owner = found
                at += 2
            else:
                owner, at = names.read(at)
            rtype, rclass, ttl, length = _FIXED.unpack_from(wire, at)
            at += 10
            end = at + length
            if end > size:
                raise Cut
            if (rtype == A and length == 4) or (rtype == AAAA and length == 16):
                rdata = wire[at:end]
            elif rtype == OPT:
                if number == _ADDITIONAL:
                    opt = (start, end)
                    if length or at - start != 11:
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
    return WireReply(raw, word, question_end, (sections[0], sections[1], sections[2]), opt)


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
    octets = wire[start:end]
    edns = _known_opts.get(octets)
    if edns is not None:
        return edns
    if wire[start]:  # RFC 6891 §6.1.2: the owner is the root
        raise Malformed
    _, size, ttl, _ = _FIXED.unpack_from(wire, start + 1)
    edns = Edns(size, (ttl >> 16) & 255, ttl >> 24, ttl & 0xFFFF, options(octets[11:]))
    if len(octets) == 11 and len(_known_opts) < MAX_KNOWN_OPTS:
        _known_opts[octets] = edns
    return edns


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
