"""Zone transfers in, as state machines without I/O: AXFR (RFC 5936) and IXFR (RFC 1995) over messages.

1. Messages go in, records come out; whether they are a whole zone or differences shows with the second record.
2. Nothing counts before `done`: a stream that ends earlier was no transfer.
3. What is received is bounded in records and octets.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from ..wire.codes import AXFR, IN, IXFR, SOA, SRV
from ..wire.message import Record, decode
from ..wire.read import Malformed
from .journal import Delta
from .rdata import FOLDED, fold

MAX_RECORDS: Final = 50_000_000
MAX_BYTES: Final = 8 << 30
HALF: Final = 1 << 31
_QUERY: Final = b"\0\0\0\1\0\0\0\0\0\0"
_FIXED = struct.Struct("!HHIH")
_TIMERS: Final = 20  # octets behind the names of a SOA record


class TransferError(Exception):
    """A transfer, or a check, that failed; the text says why."""


@dataclass(frozen=True, slots=True)
class Soa:
    """What a secondary needs of a SOA record; times in seconds."""

    serial: int
    refresh: int
    retry: int
    expire: int

    @classmethod
    def of(cls, rdata: bytes) -> Soa:
        """Read the rdata; raises TransferError."""
        if len(rdata) < _TIMERS + 2:
            raise TransferError("bad SOA record")
        words = [int.from_bytes(rdata[at : at + 4], "big") for at in range(len(rdata) - _TIMERS, len(rdata), 4)]
        return cls(*words[:4])


def older(a: int, b: int) -> bool:
    """Tell whether serial `a` comes before `b` (RFC 1982); half the space apart, the greater number is the later."""
    return b - a < HALF if a < b else a - b >= HALF


def question(origin: bytes, qtype: int, ident: int, soa: bytes = b"") -> bytes:
    """Return a query; `soa` is the client's own SOA rdata for an IXFR."""
    tail = origin + qtype.to_bytes(2, "big") + IN.to_bytes(2, "big")
    head = ident.to_bytes(2, "big") + _QUERY
    if soa:
        head = head[:9] + b"\1" + head[10:]
        tail += origin + SOA.to_bytes(2, "big") + IN.to_bytes(2, "big") + bytes(4) + len(soa).to_bytes(2, "big") + soa
    return head + tail


def answer(wire: bytes, ident: int) -> list[Record]:
    """Return the answer section of a message that must be a good answer; raises TransferError."""
    if len(wire) < 12 or int.from_bytes(wire[:2], "big") != ident or not wire[2] & 0x80:
        raise TransferError("dns: id mismatch")
    if rcode := wire[3] & 15:
        raise TransferError(f"dns: bad xfr rcode: {rcode}")
    try:
        return decode(wire).answers_received
    except Malformed as error:
        raise TransferError(f"dns: malformed message: {error}") from None


def _stored(record: Record) -> tuple[bytes, bytes]:
    """Return a record as it is kept: owner, and type, class, TTL, length and rdata; names as the reference folds."""
    owner, rtype, _, ttl, rdata = record
    if rtype in FOLDED:
        rdata = fold(rtype, rdata)
    return owner if rtype == SRV else owner.lower(), _FIXED.pack(rtype, IN, ttl, len(rdata)) + rdata


class _State(Enum):
    START = 0
    SECOND = 1
    WHOLE = 2
    DELETIONS = 3
    ADDITIONS = 4
    DONE = 5


Sink = Callable[[bytes, bytes], None]


class Inbound:
    """One transfer. `sink` gets owner and record (type to rdata) of a whole zone, the SOA first and once.

    `soa` is the rdata of the SOA that is held already: with it an IXFR is asked for. Behind `done`, `deltas` is the
    outcome of an incremental answer, `whole` tells a full one, and neither means that nothing has changed.
    Records of other classes than IN are left out; `foreign` is the first of them.
    """

    def __init__(self, origin: bytes, sink: Sink, soa: bytes = b"") -> None:
        self.origin = origin
        self.sink = sink
        self.held = soa
        self.first = b""  # rdata of the new version's SOA
        self.deltas: list[Delta] = []
        self.whole = False
        self.foreign: Record | None = None
        self.records = 0
        self.size_bytes = 0
        self._state = _State.START
        self._removed: list[bytes] = []
        self._added: list[bytes] = []

    @property
    def done(self) -> bool:
        """Whether the last record has come."""
        return self._state is _State.DONE

    def query(self, ident: int) -> bytes:
        """Return the query to send."""
        return question(self.origin, IXFR if self.held else AXFR, ident, self.held)

    def feed(self, wire: bytes, ident: int) -> None:
        """Take one message; raises TransferError."""
        self.size_bytes += len(wire)
        records = answer(wire, ident)
        self.records += len(records)
        if self.records > MAX_RECORDS or self.size_bytes > MAX_BYTES:
            raise TransferError("the zone is too large")
        for record in records:
            # Hot: a million times in a large transfer. Once it is a whole zone, only a SOA record has a say.
            if self._state is _State.WHOLE and record[1] != SOA:
                if record[2] == IN:
                    self.sink(*_stored(record))
                else:
                    self.foreign = self.foreign or record
            else:
                self._take(record)
        if self._state is _State.SECOND and self._is_current():
            self._state = _State.DONE
        elif self._state is _State.START:
            raise TransferError("dns: no SOA")

    def _is_current(self) -> bool:
        """A lone SOA that is not newer than ours says that nothing has changed (RFC 1995 §2)."""
        return bool(self.held) and not older(Soa.of(self.held).serial, Soa.of(self.first).serial)

    def _take(self, record: Record) -> None:
        rtype = record[1]
        if record[2] != IN:
            self.foreign = self.foreign or record
            return
        owner, tail = _stored(record)
        if rtype == SOA and owner == self.origin:
            self._take_soa(owner, tail, tail[10:])
        elif self._state is _State.SECOND or self._state is _State.WHOLE:
            self._begin_whole()
            self.sink(owner, tail)
        elif self._state is _State.DELETIONS:
            self._removed.append(owner + tail)
        elif self._state is _State.ADDITIONS:
            self._added.append(owner + tail)
        elif self._state is _State.START:
            raise TransferError("dns: no SOA")
        else:
            raise TransferError("records behind the end of the transfer")

    def _take_soa(self, owner: bytes, tail: bytes, rdata: bytes) -> None:
        serial = Soa.of(rdata).serial
        match self._state:
            case _State.START:
                self.first, self._first = rdata, (owner, tail)
                self._state = _State.SECOND
            case _State.SECOND if self.held and serial == Soa.of(self.held).serial and serial != self._serial():
                self._removed = [owner + tail]
                self._state = _State.DELETIONS
            case _State.SECOND | _State.WHOLE:
                self._begin_whole()
                self._end(serial)
            case _State.DELETIONS:
                self._added = [owner + tail]
                self._state = _State.ADDITIONS
            case _State.ADDITIONS:
                self._end_delta(owner, tail, serial)
            case _State.DONE:
                raise TransferError("records behind the end of the transfer")

    def _serial(self) -> int:
        return Soa.of(self.first).serial

    def _begin_whole(self) -> None:
        if not self.whole:
            self.whole = True
            self._state = _State.WHOLE
            self.sink(*self._first)

    def _end(self, serial: int) -> None:
        if serial != self._serial():
            raise TransferError("the zone changed during its transfer")
        self._state = _State.DONE

    def _end_delta(self, owner: bytes, tail: bytes, serial: int) -> None:
        """A SOA behind additions: the end, or the next difference, which begins where this one ends."""
        before, after = (int.from_bytes(records[0][-20:-16], "big") for records in (self._removed, self._added))
        self.deltas.append(Delta(before, after, tuple(self._removed), tuple(self._added)))
        if serial != after:
            raise TransferError("the differences do not follow each other")
        if after == self._serial():
            self._state = _State.DONE
            return
        self._removed = [owner + tail]
        self._state = _State.DELETIONS
