"""Rdata of a signed zone from plain words: RRSIG NSEC DS DNSKEY NSEC3 and their kin (RFC 4034 §2-§5).

These are half of the records of a signed zone; each function takes the words behind the type and raises ValueError for
whatever is not plain, which then goes through the full grammar and its error texts.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from ..wire import codes
from .rdata import name, ttl

_TYPES: Final = {text.encode(): code for text, code in codes.TYPE_CODE.items()}
_STAMP_CHARS: Final = 14  # YYYYMMDDHHmmSS
_HASH_CHARS: Final = 32  # of SHA-1 in base32hex
_FROM_HEX32: Final = bytes.maketrans(b"0123456789ABCDEFGHIJKLMNOPQRSTUV", b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")


def type_code(word: bytes) -> int:
    """Return the number of a type's mnemonic or `TYPEn`."""
    upper = word.upper()
    code = _TYPES.get(upper)
    if code is None:
        if not upper.startswith(b"TYPE") or not upper[4:].isdigit() or int(upper[4:]) > 0xFFFF:
            raise ValueError("no type")
        code = int(upper[4:])
    return code


def number(word: bytes, size: int) -> bytes:
    """Read a decimal number of `size` octets."""
    if not word.isdigit():
        raise ValueError("no number")
    try:
        return int(word).to_bytes(size, "big")
    except OverflowError:
        raise ValueError("too large a number") from None


@lru_cache(maxsize=1024)
def moment(word: bytes) -> bytes:
    """Read a time: YYYYMMDDHHmmSS, or seconds since 1970 (RFC 4034 §3.2)."""
    if len(word) != _STAMP_CHARS:
        return number(word, 4)
    stamp = datetime.strptime(word.decode(), "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    return (int(stamp.timestamp()) & 0xFFFFFFFF).to_bytes(4, "big")


def rrsig(words: list[bytes], origin: bytes) -> bytes:
    """RFC 4034 §3.2."""
    covered, algorithm, labels, lifetime, expires, starts, tag, signer, *signature = words
    seconds = ttl(lifetime)
    if seconds is None:
        raise ValueError("no TTL")
    return b"".join((
        type_code(covered).to_bytes(2, "big"), number(algorithm, 1), number(labels, 1), seconds.to_bytes(4, "big"),
        moment(expires), moment(starts), number(tag, 2), name(signer, origin), _base64(signature),
    ))  # fmt: skip


def nsec(words: list[bytes], origin: bytes) -> bytes:
    """RFC 4034 §4.2."""
    return name(words[0], origin) + bitmap(tuple(words[1:]))


@lru_cache(maxsize=1024)
def bitmap(words: tuple[bytes, ...]) -> bytes:
    """Encode a set of types (RFC 4034 §4.1.2)."""
    windows: dict[int, bytearray] = {}
    for word in words:
        code = type_code(word)
        bits = windows.setdefault(code >> 8, bytearray(32))
        bits[(code & 0xFF) >> 3] |= 0x80 >> (code & 7)
    found = []
    for window, bits in sorted(windows.items()):
        used = bytes(bits).rstrip(b"\0")
        found.append(bytes((window, len(used))) + used)
    return b"".join(found)


def ds(words: list[bytes], origin: bytes) -> bytes:
    """RFC 4034 §5.3."""
    tag, algorithm, kind, *digest = words
    data = bytes.fromhex(b"".join(digest).decode("ascii"))
    if not data:
        raise ValueError("no digest")
    return number(tag, 2) + number(algorithm, 1) + number(kind, 1) + data


def dnskey(words: list[bytes], origin: bytes) -> bytes:
    """RFC 4034 §2.2."""
    flags, protocol, algorithm, *public = words
    return number(flags, 2) + number(protocol, 1) + number(algorithm, 1) + _base64(public)


def nsec3(words: list[bytes], origin: bytes) -> bytes:
    """RFC 5155 §3.3."""
    algorithm, flags, iterations, salt, following, *types = words
    salted = b"" if salt == b"-" else bytes.fromhex(salt.decode("ascii"))
    if len(salted) > 255 or len(following) != _HASH_CHARS:
        raise ValueError("no hash")
    after = base64.b32decode(following.upper().translate(_FROM_HEX32))
    return b"".join((
        number(algorithm, 1), number(flags, 1), number(iterations, 2),
        bytes((len(salted),)), salted, bytes((len(after),)), after, bitmap(tuple(types)),
    ))  # fmt: skip


def _base64(words: list[bytes]) -> bytes:
    data = base64.b64decode(b"".join(words), validate=True)
    if not data:
        raise ValueError("no data")
    return data


SIGNED: Final[dict[int, Callable[[list[bytes], bytes], bytes]]] = {
    codes.RRSIG: rrsig,
    codes.NSEC: nsec,
    codes.DS: ds,
    codes.DNSKEY: dnskey,
    codes.NSEC3: nsec3,
    32769: ds,  # DLV
    59: ds,  # CDS
    60: dnskey,  # CDNSKEY
}
