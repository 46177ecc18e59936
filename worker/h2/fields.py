"""What a field list must be to be a request, a response or a trailer section (RFC 9113 §8)."""

from __future__ import annotations

import re
from typing import Final

from .hpack import MAX_REMEMBERED, MAX_REMEMBERED_BYTES, Field

_METHOD, _SCHEME, _PATH, _AUTHORITY, _PROTOCOL = 1, 2, 4, 8, 16
_REQUEST: Final = {
    b":method": _METHOD, b":scheme": _SCHEME, b":path": _PATH, b":authority": _AUTHORITY, b":protocol": _PROTOCOL,
}  # fmt: skip
_NAME: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9a-z-]+")  # RFC 9113 §8.2.1: a token without capitals
# §8.2.2: what belongs to connections has no place here
_FORBIDDEN: Final = frozenset((b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade"))
_VISIBLE: Final = bytes(range(0x21, 0x7F))
_LENGTH: Final = -1
UNKNOWN: Final = -1  # the length of a body that its headers do not tell


class Malformed(ValueError):
    """A message that RFC 9113 §8.1.1 calls malformed: its stream ends."""


def check_request(fields: list[Field]) -> int:
    """Return the length of the body of a request, UNKNOWN where it is not told. Raises Malformed."""
    seen, length, plain = 0, UNKNOWN, False
    known = _fine.get
    for field in fields:
        bit = known(field)
        if bit is None:
            bit = _judge(field)
        if bit > 0:
            if plain or seen & bit:
                raise Malformed("a pseudo-header field out of place")
            seen |= bit
            continue
        plain = True
        if bit < 0:
            length = _length(field[1], length)
    if seen & 7 != 7 and not (seen == _METHOD | _AUTHORITY and (b":method", b"CONNECT") in fields):
        raise Malformed("a request without method, scheme or path")
    if seen & _PROTOCOL:
        raise Malformed("extended CONNECT was not offered")
    return length


_fine: dict[Field, int] = {}
"""Fields that were judged already, for all connections (a look-up instead of a check): the bit of a pseudo-header."""


def _judge(field: Field) -> int:
    """Return the bit of a pseudo-header field, 0 for another, LENGTH for a body's length. Raises Malformed."""
    name, value = field
    _check_value(value)
    bit = _REQUEST.get(name)
    if bit is None:
        if name == b"content-length":
            return _LENGTH
        _check_name(name, value)
        bit = 0
    elif bit == _PATH and value[:1] != b"/" and value != b"*":
        raise Malformed("not a path")
    if bit != _PATH and len(name) + len(value) <= MAX_REMEMBERED_BYTES:  # paths are many
        if len(_fine) >= MAX_REMEMBERED:
            _fine.clear()
        _fine[field] = bit
    return bit


def check_response(fields: list[Field]) -> int:
    """Return the length of the body of a response, UNKNOWN where it is not told. Raises Malformed."""
    if not fields or fields[0][0] != b":status" or not re.fullmatch(rb"[1-9][0-9]{2}", fields[0][1]):
        raise Malformed("a response without status")
    return _check_all(fields[1:])


def check_trailers(fields: list[Field]) -> None:
    """Check the fields behind a body. Raises Malformed."""
    _check_all(fields)


def _check_all(fields: list[Field]) -> int:
    length = UNKNOWN
    for name, value in fields:
        length = _check(name, value, length)
    return length


def _check(name: bytes, value: bytes, length: int) -> int:
    _check_value(value)
    if name == b"content-length":
        return _length(value, length)
    _check_name(name, value)
    return length


def _check_name(name: bytes, value: bytes) -> None:
    if not _NAME.fullmatch(name) or name in _FORBIDDEN or (name == b"te" and value.lower() != b"trailers"):
        raise Malformed("a field that may not be")


def _length(value: bytes, length: int) -> int:
    if not value.isdigit() or len(value) > 18 or length not in (UNKNOWN, int(value)):
        raise Malformed("not a content-length")
    return int(value)


def _check_value(value: bytes) -> None:
    if not value.translate(None, _VISIBLE):
        return  # the usual value, in one step
    if b"\n" in value or b"\r" in value or b"\0" in value or value.strip(b" \t") != value:
        raise Malformed("not a field value")
