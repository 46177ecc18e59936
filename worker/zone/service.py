"""Rdata of SVCB and HTTPS records (RFC 9460 §2.1) from text, with as much judgement of parameters as the reference has.

A parameter is taken as it stands, alone or in odd company: which go together is the operator's matter.
"""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Callable
from typing import Final

from .errors import Bad, Token
from .rdata import Words, unescape
from .tokens import BLANK, QUOTED

KEYS: Final = (
    b"mandatory",
    b"alpn",
    b"no-default-alpn",
    b"port",
    b"ipv4hint",
    b"ech",
    b"ipv6hint",
    b"dohpath",
    b"ohttp",
)
_NUMBERS: Final = {text: number for number, text in enumerate(KEYS)}
_RESERVED: Final = 65535
_COMMA: Final = 0x2C
_BACKSLASH: Final = 0x5C


def service(words: Words) -> bytes:
    """Take priority, target and parameters; raises `Bad`."""
    head = words.number("bad SVCB priority", 16) + words.name("bad SVCB Target")
    tokens = words.tokens[words.tokens.index(words.words[words.at - 1]) + 1 :]
    words.rest()
    found: dict[int, bytes] = {}
    for key, value, token in _pairs(tokens):
        number = _number(key)
        if number == _RESERVED:
            raise Bad("bad SVCB key", token)
        if number in found:
            raise Bad("repeated SVCB keys are not allowed", token)
        try:
            found[number] = _VALUES.get(number, unescape)(value)
        except ValueError:
            raise Bad("", token) from None  # the reference loses the reason
    return head + b"".join(
        number.to_bytes(2, "big") + len(value).to_bytes(2, "big") + value for number, value in sorted(found.items())
    )


def _pairs(tokens: list[Token]) -> list[tuple[bytes, bytes, Token]]:
    """Return the parameters: key, value (maybe from quotes behind the equals sign), and the word with the key."""
    found: list[tuple[bytes, bytes, Token]] = []
    apart = True
    for at, token in enumerate(tokens):
        if token.kind == BLANK:
            apart = True
        elif token.kind == QUOTED:
            if not at or tokens[at - 1].kind in (BLANK, QUOTED) or not tokens[at - 1].text.endswith(b"="):
                raise Bad("SVCB key can't contain double quotes", Token(QUOTED, b'"', token.line, token.column))
            key, value, word = found.pop()
            if value:
                raise Bad("SVCB key can't contain double quotes", Token(QUOTED, b'"', token.line, token.column))
            found.append((key, token.text, word))
            apart = False
        elif not apart:
            raise Bad("bad SVCB value quotation", token)
        else:
            key, _, value = token.text.partition(b"=")
            if not key:
                raise Bad("bad SVCB key", token)
            found.append((key, value, token))
    return found


def _number(key: bytes) -> int:
    """Return the number of a key; 65535 for what is none, and for one that has a name and is given by number."""
    if not key.startswith(b"key"):
        return _NUMBERS.get(key, _RESERVED)
    digits = key[3:]
    if not digits.isdigit() or digits.startswith(b"0") or len(digits) > 5:
        return _RESERVED
    number = int(digits)
    return number if len(KEYS) <= number < _RESERVED else _RESERVED


def _mandatory(value: bytes) -> bytes:
    keys = value.removesuffix(b",").split(b",") if value else []
    return b"".join(number.to_bytes(2, "big") for number in sorted(map(_number, keys)))


def _alpn(value: bytes) -> bytes:
    """RFC 9460 appendix A.1: commas and backslashes of a protocol are escaped once more than in other values."""
    if not value:
        return b""
    protocols = [bytearray()]
    octets = iter(_octets(value))
    for char in octets:
        if char == _COMMA:
            protocols.append(bytearray())
            continue
        if char == _BACKSLASH:
            char = next(octets, 0)
            if char not in (_COMMA, _BACKSLASH):
                raise ValueError("a wrong escape")
        protocols[-1].append(char)
    if not all(0 < len(protocol) < 256 for protocol in protocols):
        raise ValueError("an empty protocol, or one that is too long")
    return b"".join(bytes((len(protocol),)) + protocol for protocol in protocols)


def _octets(value: bytes) -> bytes:
    if value.endswith(b"\\") and not value.endswith(b"\\\\"):
        raise ValueError("an escape is cut off")
    return unescape(value)


def _nothing(value: bytes) -> bytes:
    if value:
        raise ValueError("a value where none may be")
    return b""


def _port(value: bytes) -> bytes:
    if not value.isdigit() or int(value) > 0xFFFF:
        raise ValueError("no port")
    return int(value).to_bytes(2, "big")


def _hints(kind: type[ipaddress.IPv4Address] | type[ipaddress.IPv6Address]) -> Callable[[bytes], bytes]:
    def read(value: bytes) -> bytes:
        addresses = [kind(text) for text in value.decode("ascii").removesuffix(",").split(",")]
        if any(getattr(address, "ipv4_mapped", None) for address in addresses):
            raise ValueError("an IPv4 address")
        return b"".join(address.packed for address in addresses)

    return read


_VALUES: Final[dict[int, Callable[[bytes], bytes]]] = {
    0: _mandatory,
    1: _alpn,
    2: _nothing,
    3: _port,
    4: _hints(ipaddress.IPv4Address),
    5: lambda value: base64.b64decode(value, validate=True),
    6: _hints(ipaddress.IPv6Address),
    7: unescape,
    8: _nothing,
}
