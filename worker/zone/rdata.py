"""Rdata from text to wire form: the types that zones are full of; `rare` has the others.

Texts of errors are the reference's.
"""

from __future__ import annotations

import base64
import binascii
import socket
from collections.abc import Callable
from typing import Final

from ..wire import codes
from ..wire.names import MAX_LABEL_BYTES, MAX_NAME_BYTES, ROOT, from_text
from .errors import Bad, Token
from .tokens import BLANK, QUOTED

MAX_TTL: Final = 0xFFFFFFFF
_UNITS: Final = {ord(c): n for c, n in zip("smhdwSMHDW", (1, 60, 3600, 86400, 604800) * 2, strict=True)}
_SHORT: Final = 255  # octets of a character string


def ttl(word: bytes) -> int | None:
    """Read a TTL: digits, or digits with the units s m h d w in any combination; None where it is none."""
    if word.isdigit():
        value = int(word)
        return value if value <= MAX_TTL else None
    total = number = 0
    for char in word:
        if char in _UNITS:
            total += number * _UNITS[char]
            number = 0
        elif 0x30 <= char <= 0x39:
            number = number * 10 + char - 0x30
        else:
            return None
    total += number
    return total if total <= MAX_TTL else None


def unescape(word: bytes) -> bytes:
    r"""Resolve `\X` and `\DDD`."""
    if b"\\" not in word:
        return word
    out = bytearray()
    at = 0
    while at < len(word):
        char = word[at]
        at += 1
        if char == 0x5C and at < len(word):
            digits = word[at : at + 3]
            if len(digits) == 3 and digits.isdigit() and int(digits) < 256:
                out.append(int(digits))
                at += 3
            else:
                out.append(word[at])
                at += 1
        elif char != 0x5C:
            out.append(char)
    return bytes(out)


def name(word: bytes, origin: bytes) -> bytes:
    """Read a domain name, keeping its letter case; raises ValueError for what is none."""
    if word == b"@":
        return origin
    if b"\\" in word:
        return from_text(ascii_text(word), origin)
    if word == b".":
        return ROOT
    parts = word.split(b".")
    absolute = not parts[-1]
    if absolute:
        parts.pop()
    wire = b"".join([bytes((len(part),)) + part for part in parts]) + (ROOT if absolute else origin)
    if len(wire) > MAX_NAME_BYTES or not all(0 < len(part) <= MAX_LABEL_BYTES for part in parts):
        raise ValueError("not a domain name")
    return wire


def ascii_text(word: bytes) -> str:
    r"""Return the word as text in which octets above 127 are escaped as `\DDD`."""
    return "".join([chr(c) if c < 128 else f"\\{c:03d}" for c in word])


class Words:
    """The words behind a type, taken one by one."""

    def __init__(self, tokens: list[Token], end: Token, origin: bytes) -> None:
        """`tokens` hold blanks, `words` do not."""
        self.tokens = tokens
        self.words = [token for token in tokens if token.kind != BLANK]
        self.end = end
        self.origin = origin
        self.at = 0

    def next(self) -> Token:
        """Take the next word; behind the last one, the end of the line."""
        at = self.at
        if at >= len(self.words):
            return self.end
        self.at = at + 1
        return self.words[at]

    def rest(self) -> list[Token]:
        """Take all words that are left."""
        found = self.words[self.at :]
        self.at = len(self.words)
        return found

    def name(self, text: str) -> bytes:
        """Take a domain name."""
        token = self.next()
        try:
            if token is self.end or token.kind == QUOTED:
                raise ValueError
            return name(token.text, self.origin)
        except ValueError:
            raise Bad(text, token) from None

    def number(self, text: str, bits: int) -> bytes:
        """Take a decimal number."""
        token = self.next()
        if token.kind == QUOTED or not token.text.isdigit() or int(token.text) >> bits:
            raise Bad(text, token)
        return int(token.text).to_bytes(bits // 8, "big")

    def joined(self) -> bytes:
        """Take the rest as one word: base64 and hexadecimal data may be split anywhere; ValueError for quotes."""
        found = self.rest()
        if any(token.kind == QUOTED for token in found):
            raise ValueError("data in quotes")
        return b"".join([token.text for token in found])


def _address(words: Words, family: socket.AddressFamily, text: str) -> bytes:
    token = words.next()
    try:
        if token.kind == QUOTED:
            raise ValueError
        return socket.inet_pton(family, token.text.decode())
    except (OSError, ValueError):
        raise Bad(text, token) from None


def _soa(words: Words) -> bytes:
    names = words.name("bad SOA Ns") + words.name("bad SOA Mbox")
    text = "bad SOA zone parameter"
    out = [names, words.number(text, 32)]
    for _ in range(4):
        token = words.next()
        value = ttl(token.text)
        if value is None or token is words.end:
            raise Bad(text, token)
        out.append(value.to_bytes(4, "big"))
    return b"".join(out)


def strings(words: Words, text: str) -> bytes:
    """Take the rest as character strings; one longer than 255 octets is split."""
    out = []
    for token in words.rest():
        raw = unescape(token.text)
        for at in range(0, len(raw) or 1, _SHORT):
            piece = raw[at : at + _SHORT]
            out.append(bytes((len(piece),)) + piece)
    if not out:
        raise Bad(text, words.end)
    return b"".join(out)


def _mx(words: Words) -> bytes:
    return words.number("bad MX Pref", 16) + words.name("bad MX Mx")


def _srv(words: Words) -> bytes:
    out = [words.number(f"bad SRV {field}", 16) for field in ("Priority", "Weight", "Port")]
    return b"".join(out) + words.name("bad SRV Target")


def base64_of(words: Words, text: str) -> bytes:
    """Take the rest as base64 (RFC 4648)."""
    try:
        return base64.b64decode(words.joined(), validate=True)
    except (binascii.Error, ValueError):
        raise Bad(text, words.end) from None


def hex_of(words: Words, text: str) -> bytes:
    """Take the rest as hexadecimal digits."""
    try:
        return bytes.fromhex(words.joined().decode("ascii", "replace"))
    except ValueError:
        raise Bad(text, words.end) from None


def _single(kind: str, field: str) -> Callable[[Words], bytes]:
    text = f"bad {kind} {field}"
    return lambda words: words.name(text)


def _pair(kind: str, first: str, second: str) -> Callable[[Words], bytes]:
    return lambda words: words.name(f"bad {kind} {first}") + words.name(f"bad {kind} {second}")


def _strings(kind: str) -> Callable[[Words], bytes]:
    return lambda words: strings(words, f"bad {kind} Txt")


COMMON: Final[dict[int, Callable[[Words], bytes]]] = {
    codes.A: lambda words: _address(words, socket.AF_INET, "bad A A"),
    codes.AAAA: lambda words: _address(words, socket.AF_INET6, "bad AAAA AAAA"),
    codes.NS: _single("NS", "Ns"),
    codes.CNAME: _single("CNAME", "Target"),
    codes.DNAME: _single("DNAME", "Target"),
    codes.PTR: _single("PTR", "Ptr"),
    codes.MD: _single("MD", "Md"),
    codes.MF: _single("MF", "Mf"),
    codes.MB: _single("MB", "Mb"),
    codes.MG: _single("MG", "Mg"),
    codes.MR: _single("MR", "Mr"),
    codes.MINFO: _pair("MINFO", "Rmail", "Email"),
    codes.RP: _pair("RP", "Mbox", "Txt"),
    58: _pair("TALINK", "PreviousName", "NextName"),
    codes.MX: _mx,
    codes.SRV: _srv,
    codes.SOA: _soa,
    codes.TXT: _strings("TXT"),
    99: _strings("SPF"),
    56: _strings("NINFO"),
    258: _strings("AVC"),
    261: _strings("RESINFO"),
    31: lambda words: hex_of(words, "bad EID Endpoint"),
    32: lambda words: hex_of(words, "bad NIMLOC Locator"),
    101: lambda words: words.number("bad UID Uid", 32),
    102: lambda words: words.number("bad GID Gid", 32),
}


FOLDED: Final = frozenset((codes.NS, codes.CNAME, codes.SOA, codes.MX, codes.SVCB, codes.HTTPS))


def fold(rtype: int, rdata: bytes) -> bytes:
    """Lower the names in the rdata of those types whose names the reference lowers: NS CNAME SOA MX SVCB HTTPS."""
    if rtype in (codes.NS, codes.CNAME):
        return rdata.lower()
    if rtype == codes.MX:
        return rdata[:2] + rdata[2:].lower()
    if rtype == codes.SOA:
        return rdata[:-20].lower() + rdata[-20:]
    if rtype in (codes.SVCB, codes.HTTPS):
        end = 2
        while rdata[end]:
            end += rdata[end] + 1
        return rdata[:2] + rdata[2:end].lower() + rdata[end:]
    return rdata
