"""Transaction signatures (RFC 8945) over wire octets: checking what comes in, signing what goes out.

1. A message is signed as the octets it was received or is sent as; nothing is packed a second time.
2. Key and algorithm names compare lower case in digests (RFC 8945 §4.3.3); which key names are known is the caller's
   table's affair.
3. The clock is an argument, in whole seconds since 1970.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from .wire.codes import ANY_CLASS, TSIG
from .wire.names import from_text
from .wire.read import Malformed, name_at

FUDGE_S: Final = 300  # RFC 8945 §10
BADSIG: Final = 16
BADKEY: Final = 17
BADTIME: Final = 18
BADTRUNC: Final = 22
ERROR_TEXT: Final = {BADSIG: "BADSIG", BADKEY: "BADKEY", BADTIME: "BADTIME", BADTRUNC: "BADTRUNC"}
_MIN_MAC_BYTES: Final = 10  # RFC 8945 §5.2.2.1
MAX_UNSIGNED: Final = 99  # RFC 8945 §5.3.1: at least every hundredth message of a stream is signed

ALGORITHMS: Final[dict[bytes, str]] = {
    from_text(f"hmac-{name}."): name for name in ("sha1", "sha224", "sha256", "sha384", "sha512")
}
DEFAULT_ALGORITHM: Final = from_text("hmac-sha256.")
_FIXED = struct.Struct("!HHIH")
_SHORT = struct.Struct("!H")
_TIME = struct.Struct("!HIH")  # signed (48 bits), fudge

Secrets = Mapping[bytes, bytes | None]  # key name → secret; None for a secret that could not be decoded


class TsigError(Exception):
    """A signature that is missing or does not hold; `code` is the TSIG error."""

    def __init__(self, code: int) -> None:
        super().__init__(ERROR_TEXT.get(code, str(code)))
        self.code = code


@dataclass(frozen=True, slots=True)
class Key:
    """A key to sign with."""

    name: bytes
    secret: bytes
    algorithm: bytes = DEFAULT_ALGORITHM


@dataclass(frozen=True, slots=True)
class Tsig:
    """A TSIG record: names as they were written, times in seconds."""

    name: bytes
    algorithm: bytes
    signed: int
    fudge: int
    mac: bytes
    original_id: int
    error: int = 0
    other: bytes = b""

    @property
    def wire(self) -> bytes:
        """The record, uncompressed."""
        rdata = b"".join(
            (
                self.algorithm, _TIME.pack(self.signed >> 32, self.signed & 0xFFFFFFFF, self.fudge),
                _SHORT.pack(len(self.mac)), self.mac,
                struct.pack("!HHH", self.original_id, self.error, len(self.other)), self.other,
            )
        )  # fmt: skip
        return self.name + _FIXED.pack(TSIG, ANY_CLASS, 0, len(rdata)) + rdata

    def lower(self) -> Tsig:
        """The same record with its key's name in lower case."""
        return replace(self, name=self.name.lower())

    def variables(self, timers_only: bool) -> bytes:
        """The fields that a digest covers beside the message (RFC 8945 §4.3.3)."""
        timers = _TIME.pack(self.signed >> 32, self.signed & 0xFFFFFFFF, self.fudge)
        if timers_only:
            return timers
        head = self.name.lower() + struct.pack("!HI", ANY_CLASS, 0) + self.algorithm.lower()
        return head + timers + _SHORT.pack(self.error) + _SHORT.pack(len(self.other)) + self.other


def parse(wire: bytes, at: int) -> Tsig:
    """Read the TSIG record at an offset of a message; raises Malformed."""
    try:
        name, at = name_at(wire, at)
        _, _, _, length = _FIXED.unpack_from(wire, at)
        at += 10
        end = at + length
        algorithm, at = name_at(wire, at)
        high, low, fudge = _TIME.unpack_from(wire, at)
        (size,) = _SHORT.unpack_from(wire, at + 8)
        at += 10
        mac = wire[at : at + size]
        at += size
        original, error, left = struct.unpack_from("!HHH", wire, at)
    except (IndexError, struct.error):
        raise Malformed from None
    other = wire[at + 6 : at + 6 + left]
    if at + 6 + left != end or end > len(wire):
        raise Malformed
    return Tsig(name, algorithm, (high << 32) | low, fudge, mac, original, error, other)


def find(wire: bytes) -> int:
    """Return the offset of a message's TSIG record, 0 where the last record is none; raises Malformed."""
    try:
        counts = struct.unpack_from("!HHHH", wire, 4)
        at, last, rtype = 12, 0, 0
        for _ in range(counts[0]):
            at = _skip_name(wire, at) + 4
        for _ in range(sum(counts[1:])):
            last = at
            at = _skip_name(wire, at)
            rtype, _, _, length = _FIXED.unpack_from(wire, at)
            at += 10 + length
    except (IndexError, struct.error):
        raise Malformed from None
    if at > len(wire):
        raise Malformed
    return last if counts[3] and rtype == TSIG else 0


def _skip_name(wire: bytes, at: int) -> int:
    while size := wire[at]:
        if size >= 0xC0:
            return at + 2
        at += size + 1
    return at + 1


def stripped(wire: bytes, at: int, ident: int) -> bytes:
    """Return a message as it was before its TSIG record at `at` was put on."""
    count = int.from_bytes(wire[10:12], "big") - 1
    return _SHORT.pack(ident) + wire[2:10] + _SHORT.pack(count & 0xFFFF) + wire[12:at]


def _mac(secret: bytes, algorithm: bytes, data: bytes) -> bytes:
    return hmac.new(secret, data, getattr(hashlib, ALGORITHMS[algorithm])).digest()


def _prior(mac: bytes) -> bytes:
    return _SHORT.pack(len(mac)) + mac if mac else b""


def verify(wire: bytes, at: int, secrets: Secrets, now: int) -> Tsig:
    """Check the signature of a query; raises TsigError, and Malformed for a record that cannot be read.

    An error of the key or the MAC comes before one of the time (RFC 8945 §5.2). MACs must be whole: a good one that
    was cut to a permitted length is BADTRUNC (§5.2.4).
    """
    tsig = parse(wire, at)
    check(tsig, stripped(wire, at, tsig.original_id) + tsig.variables(False), secrets, now)
    return tsig


def check(tsig: Tsig, data: bytes, secrets: Secrets, now: int) -> None:
    """Compare a record's MAC with that of `data`, then its time with `now`."""
    if tsig.name not in secrets:
        raise TsigError(BADKEY)
    secret = secrets[tsig.name]
    algorithm = tsig.algorithm.lower()
    if secret is None or algorithm not in ALGORITHMS:
        raise TsigError(BADSIG)
    whole = _mac(secret, algorithm, data)
    if not hmac.compare_digest(whole, tsig.mac):
        least = max(_MIN_MAC_BYTES, len(whole) // 2)
        cut = least <= len(tsig.mac) < len(whole)
        raise TsigError(BADTRUNC if cut and hmac.compare_digest(whole[: len(tsig.mac)], tsig.mac) else BADSIG)
    if abs(now - tsig.signed) > tsig.fudge:
        raise TsigError(BADTIME)


class Signer:
    """Signs the messages of one answer, each over the MAC of the one before it (RFC 8945 §5.3.1).

    `asked` is the query's record, `ident` its message ID; `error` what was wrong with it. Errors of the key or the MAC
    go out unsigned, BADTIME goes out signed with the client's time (RFC 8945 §5.2.3, §5.3.2).
    """

    __slots__ = ("_asked", "_error", "_ident", "_now", "_secret", "_timers_only", "mac")

    def __init__(self, asked: Tsig, ident: int, secret: bytes | None, now: int, error: int = 0) -> None:
        self._asked = asked
        self._ident = ident
        self._secret = secret
        self._now = now
        self._error = error
        self._timers_only = False
        self.mac = asked.mac

    def sign(self, rest: bytes) -> bytes:
        """Return a message, both times without its ID, with the record put on."""
        asked = self._asked
        head = rest[:8] + _SHORT.pack(int.from_bytes(rest[8:10], "big") + 1) + rest[10:]
        signed, other = self._now, b""
        if self._error == BADTIME:
            signed, other = asked.signed, self._now.to_bytes(6, "big")
        record = Tsig(asked.name, asked.algorithm, signed, FUDGE_S, b"", self._ident, self._error, other)
        if self._secret is None:
            return head + Tsig(asked.name, asked.algorithm, 0, FUDGE_S, b"", self._ident, self._error, other).wire
        data = _prior(self.mac) + _SHORT.pack(self._ident) + rest + record.variables(self._timers_only)
        self.mac = _mac(self._secret, asked.algorithm.lower(), data)
        self._timers_only = True
        return head + Tsig(asked.name, asked.algorithm, signed, FUDGE_S, self.mac, self._ident, self._error, other).wire


class Exchange:
    """The client's side: signs one query, then checks the messages of its answer.

    Of several messages some may come unsigned, at most 99 in a row; the last must be signed (RFC 8945 §5.3.1).
    """

    def __init__(self, key: Key) -> None:
        self.key = key
        self._secrets: Secrets = {key.name: key.secret}
        self._mac = b""
        self._waiting: list[bytes] = []
        self._timers_only = False

    def sign(self, wire: bytes, now: int) -> bytes:
        """Return the whole query with the record put on."""
        key = self.key
        ident = int.from_bytes(wire[:2], "big")
        bare = Tsig(key.name, key.algorithm, now, FUDGE_S, b"", ident)
        self._mac = _mac(key.secret, key.algorithm, wire + bare.variables(False))
        count = int.from_bytes(wire[10:12], "big") + 1
        signed = Tsig(key.name, key.algorithm, now, FUDGE_S, self._mac, ident)
        return wire[:10] + _SHORT.pack(count) + wire[12:] + signed.wire

    def check(self, wire: bytes, now: int) -> bytes:
        """Return a message of the answer without its record; raises TsigError and Malformed."""
        at = find(wire)
        if not at:
            self._waiting.append(wire)
            if not self._timers_only or len(self._waiting) > MAX_UNSIGNED:
                raise TsigError(BADSIG)
            return wire
        tsig = parse(wire, at)
        if tsig.error:
            raise TsigError(tsig.error)
        bare = stripped(wire, at, tsig.original_id)
        data = b"".join((_prior(self._mac), *self._waiting, bare, tsig.variables(self._timers_only)))
        check(tsig.lower(), data, self._secrets, now)
        self._mac, self._waiting, self._timers_only = tsig.mac, [], True
        return wire[:2] + bare[2:]

    def finish(self) -> None:
        """Refuse a stream whose last message was not signed."""
        if self._waiting or not self._timers_only:
            raise TsigError(BADSIG)
