"""Bytes to queries: header screening first, then the question, then whatever OPT there is.

Lenient as the reference is (spec core §4.1): section counts may exceed the data if it ends at a record boundary,
trailing octets are ignored, the question may hold compression pointers, the last of several OPTs counts.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from ..query import Query
from .codes import OPT, SOA, TSIG, Opcode, Rcode
from .edns import Edns, options
from .names import ROOT

if TYPE_CHECKING:
    from ..query import Request

HEADER_BYTES: Final = 12
_HEADER = struct.Struct("!HHHHHH")
_REJECT = struct.Struct("!HHHHHH")
_FIXED = struct.Struct("!HHIH")
_ECHOED: Final = 0x03B0  # TC RD RA AD CD survive in a reject; AA and Z do not
MAX_POINTERS: Final = 126  # bounds the walk through compression pointers
_MAX_KNOWN: Final = 4096
KNOWN_OPTS: Final[dict[bytes, Edns]] = {}  # OPT records without options, by their octets
# Header without ID → flags, number of records: those of the additional section, plus 256 times the others.
KNOWN_HEADERS: Final[dict[bytes, tuple[int, int]]] = {}
_OTHERS: Final = 256


class Malformed(Exception):
    """A message that cannot be read; `rcode` is what its sender is told."""

    def __init__(self, rcode: Rcode = Rcode.FORMERR) -> None:
        super().__init__(rcode.name)
        self.rcode = rcode


def reject(wire: bytes, rcode: int, opcode: int = 0, question: bytes = b"") -> bytes:
    """Return the bare answer to what is not worth more (spec core §4.1)."""
    ident, flags = _HEADER.unpack_from(wire)[:2]
    word = 0x8000 | (opcode << 11) | (flags & _ECHOED) | rcode
    return _REJECT.pack(ident, word, 1 if question else 0, 0, 0, 0) + question


def read(wire: bytes, request: Request) -> Query | bytes | None:
    """Return the query, or the reject to send, or None where silence is right.

    `wire` is a whole message. A message whose header promises a question and holds none gives a Query with an empty
    `owner` (the core answers SERVFAIL).
    """
    # Hot path: a header seen before, a plain name, then nothing or one OPT without surprises. 1.0 µs.
    known = KNOWN_HEADERS.get(wire[2:12])
    if known is None:
        rejected = _screen(wire)
        if rejected is not None or len(wire) < 12 or wire[2] & 0x80:
            return rejected
        known = KNOWN_HEADERS[wire[2:12]]
    flags, records = known
    try:
        at = 12
        size = wire[12]
        while size:
            if size > 63:
                return _unusual(wire, request, flags, records)
            at += size + 1
            size = wire[at]
        end = at + 5
        if at > 266 or len(wire) < end:
            return _unusual(wire, request, flags, records)
        owner = wire[12 : at + 1]
        query = Query(
            request, (wire[0] << 8) | wire[1], flags, owner.lower(), owner,
            (wire[at + 1] << 8) | wire[at + 2], (wire[at + 3] << 8) | wire[at + 4], None, wire, end,
        )  # fmt: skip
        if records:
            found = KNOWN_OPTS.get(wire[end:]) if records < _OTHERS else None
            query.edns = found or _additional(wire, end, request, records)
        elif len(wire) > end:
            request.size_bytes = end
        return query
    except (IndexError, Malformed, ValueError):
        if len(wire) == 12:
            return Query(request, (wire[0] << 8) | wire[1], flags, b"", b"", 0, 0)
        return _broken(wire)


def _screen(wire: bytes) -> bytes | None:
    """Judge a header: the reject to send, or None for a good one (remembered) and for silence."""
    if len(wire) < 12:
        return None
    flags, qdcount, ancount, nscount, arcount = _HEADER.unpack_from(wire)[1:]
    if flags & 0x8000:
        return None
    opcode = (flags >> 11) & 15
    if opcode and opcode != Opcode.NOTIFY:
        return reject(wire, Rcode.NOTIMP, opcode)
    if qdcount != 1 or ancount > 1 or nscount > 1 or arcount > 2:
        return reject(wire, Rcode.FORMERR)
    if len(KNOWN_HEADERS) >= _MAX_KNOWN:
        KNOWN_HEADERS.clear()
    KNOWN_HEADERS[wire[2:12]] = (flags, arcount + _OTHERS * (ancount + nscount))
    return None


def complaint(wire: bytes) -> str:
    """Say why `read` gives no query, in the reference's words."""
    if len(wire) >= HEADER_BYTES and (wire[2] & 0x80 or _screen(wire) is not None):
        return "dns request rejected"
    return "dns: buffer size too small"


def _broken(wire: bytes) -> bytes:
    """FORMERR, with the question if that much could be read."""
    try:
        owner, at = name_at(wire, 12)
        if len(wire) >= at + 4:
            return reject(wire, Rcode.FORMERR, 0, owner + wire[at : at + 4])
    except (IndexError, Malformed):
        pass
    return reject(wire, Rcode.FORMERR)


def _unusual(wire: bytes, request: Request, flags: int, records: int) -> Query | bytes:
    """The whole reading of the question: pointers, and questions cut off behind the name."""
    try:
        owner, at = name_at(wire, 12)
        left = len(wire) - at
        if left in (1, 3):
            raise Malformed
        qtype = int.from_bytes(wire[at : at + 2], "big")
        qclass = int.from_bytes(wire[at + 2 : at + 4], "big")
        end = min(at + 4, len(wire))
        query = Query(request, (wire[0] << 8) | wire[1], flags, owner.lower(), owner, qtype, qclass)
        query.edns = _additional(wire, end, request, records)
        request.size_bytes += HEADER_BYTES + len(owner) + 4 - end
        return query
    except (IndexError, Malformed, ValueError):
        return _broken(wire)


def name_at(wire: bytes, at: int) -> tuple[bytes, int]:
    """Read a possibly compressed name; returns it uncompressed, with the offset behind it.

    Raises Malformed for reserved label types, loops and names over 255 octets, IndexError at the end of data.
    """
    out = bytearray()
    after = -1
    jumps = 0
    while size := wire[at]:
        if size < 64:
            label = wire[at : at + size + 1]
            if len(label) != size + 1:
                raise Malformed
            out += label
            at += size + 1
            if len(out) > 254:
                raise Malformed
        elif size >= 0xC0:
            if after < 0:
                after = at + 2
            jumps += 1
            if jumps > MAX_POINTERS:
                raise Malformed
            at = ((size & 0x3F) << 8) | wire[at + 1]
        else:
            raise Malformed
    return bytes(out) + ROOT, (at + 1 if after < 0 else after)


def _additional(wire: bytes, at: int, request: Request, count: int) -> Edns | None:
    """Walk the records behind the question; the last OPT counts. Notes a TSIG on the request.

    Neither means anything outside the additional section (RFC 6891 §6.1.1, RFC 8945 §5.1), and octets behind the last
    record are not counted as the message's.
    """
    found = None
    start = at
    others, additional = divmod(count, _OTHERS)
    for number in range(others + additional):
        if at >= len(wire):
            break
        counts = number >= others
        _, body = name_at(wire, at)
        rtype, size, ttl, length = _FIXED.unpack_from(wire, body) if body + 10 <= len(wire) else _cut()
        if body + 10 + length > len(wire):
            raise Malformed
        if rtype == OPT:
            edns = Edns(size, (ttl >> 16) & 255, ttl >> 24, ttl & 0xFFFF, options(wire[body + 10 : body + 10 + length]))
            if counts:
                request.tsig_at = 0
                found = edns
        elif rtype == TSIG and counts:
            request.tsig = wire[at : body + 10 + length]
            request.tsig_at = at
            request.wire = wire
            request.once = True
        else:
            if rtype == SOA:
                request.wire = wire
            if counts:
                request.tsig_at = 0
            check_rdata(wire, body + 10, length, rtype)
        at = body + 10 + length
    request.size_bytes = at
    if found is not None and not found.options and count == 1 and at == len(wire) and len(KNOWN_OPTS) < _MAX_KNOWN:
        KNOWN_OPTS[wire[start:]] = found
    return found


def _cut() -> tuple[int, int, int, int]:
    raise Malformed


def check_rdata(wire: bytes, at: int, length: int, rtype: int) -> None:
    """Refuse rdata that is not what its type says; none at all, or an end between two fields, is let through."""
    from .layouts import LAYOUTS  # which stands on this module

    end = at + length
    if not length:
        return
    for item in LAYOUTS.get(rtype, ("*",)):
        if item == "n":
            at = name_at(wire[:end], at)[1]
        elif item == "S":
            while at < end:
                at += wire[at] + 1
        elif item == "*":
            at = end
        else:
            at += wire[at] + 1 if item == "s" else int(item)
        if at >= end:
            break
    if at != end:
        raise Malformed
