"""Value types: one word of a configuration → a typed value, or the reference's complaint. Plugins import from here.

`refused` is the text for a word that is not accepted: `{}` is the word, `{q}` the word quoted, `{error}` why.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import TYPE_CHECKING

from . import regex, zones
from .codes import CLASS_CODE, TYPE_CODE, Rcode
from .errors import Refuse, WrongCount, nearest
from .names import from_text
from .regex import Pattern
from .value import CHOICE, DURATION, INTEGER, STRING, Convert, Value, Words, fill

if TYPE_CHECKING:
    from .draft import Draft

__all__ = [
    "ADDRESS", "CHOICE", "CIDR", "CLASS", "DURATION", "FILE", "INTEGER", "IP", "NAME", "NUMBERED", "RCODE", "REGEX",
    "STRING", "TYPE", "ZONE", "ZONES", "Convert", "Refuse", "Value", "Words", "WrongCount", "fill", "is_ip",
]  # fmt: skip


class ZONES(Value[tuple[bytes, ...]]):
    """A zone argument: scheme and port are cut off, CIDR becomes reverse zones, what cannot be read is dropped."""

    label = "ZONE"
    spread = True

    def parse(self, word: str, draft: Draft) -> tuple[bytes, ...]:
        """Return none, one or several names."""
        return zones.normalise(word)


class ZONE(Value[bytes]):
    """One zone; of a CIDR that makes several, the first. `refused` is the text where it cannot be read."""

    label = "ZONE"

    def __init__(self, refused: str = "unable to normalize '{}'", located: bool | None = None) -> None:
        self.refused, self.located = refused, located

    def parse(self, word: str, draft: Draft) -> bytes:
        """Return the name."""
        found = zones.normalise(word)
        if not found:
            raise Refuse(fill(self.refused, word), self.located)
        return found[0]


class NAME(Value[bytes]):
    """A domain name, made absolute and lower case; nothing is cut off."""

    label = "NAME"

    def __init__(self, refused: str = "invalid domain name {}", located: bool | None = None) -> None:
        self.refused, self.located = refused, located

    def parse(self, word: str, draft: Draft) -> bytes:
        """Return the name in wire form."""
        try:
            return from_text(word).lower()
        except ValueError as error:
            raise Refuse(fill(self.refused, word), self.located, hint=str(error)) from None


class IP(Value[str]):
    """An IP literal, kept as it is written."""

    label = "IP"

    def __init__(self, refused: str = "invalid IP address: {}", located: bool | None = None) -> None:
        self.refused, self.located = refused, located

    def parse(self, word: str, draft: Draft) -> str:
        """Return the address."""
        if not is_ip(word):
            raise Refuse(fill(self.refused, word), self.located)
        return word


class ADDRESS(Value[tuple[str, int]]):
    """`HOST:PORT`, `[IPv6]:PORT` or `:PORT`; a port alone or a host alone takes the defaults given."""

    label = "ADDRESS"

    def __init__(
        self, port: int | None = None, refused: str = "invalid address: {}", located: bool | None = None
    ) -> None:
        self.port, self.refused, self.located = port, refused, located

    def parse(self, word: str, draft: Draft) -> tuple[str, int]:
        """Return host and port."""
        host, colon, port = word.rpartition(":")
        if (not colon or is_ip(word)) and self.port is not None:
            return word.strip("[]"), self.port
        if not port.isdecimal() or int(port) > 65535 or (":" in host and not host.startswith("[")):
            raise Refuse(fill(self.refused, word), self.located, hint="expected HOST:PORT")
        return host.strip("[]"), int(port)


class CIDR(Value[str]):
    """A network `IP/BITS`, host bits cleared; `bare` lets an address without bits stand for itself."""

    label = "CIDR"

    def __init__(
        self, refused: str = "invalid CIDR address: {}", bare: bool = False, located: bool | None = None
    ) -> None:
        self.refused, self.bare, self.located = refused, bare, located

    def parse(self, word: str, draft: Draft) -> str:
        """Return the network's text."""
        if ("/" in word and "%" not in word and "/" not in word.partition("/")[2]) or (self.bare and "/" not in word):
            bits = word.partition("/")[2]
            try:
                if not bits or (bits.isascii() and bits.isdecimal()):
                    return str(ipaddress.ip_network(word, strict=False))
            except ValueError:
                pass
        raise Refuse(fill(self.refused, word), self.located)


class REGEX(Value[Pattern]):
    """A regular expression in Go's syntax; the value is a `regex.Pattern`, which compares and pickles by its text."""

    label = "REGEX"

    def __init__(self, refused: str = "{error}", located: bool | None = None) -> None:
        self.refused, self.located = refused, located

    def parse(self, word: str, draft: Draft) -> Pattern:
        """Return the compiled pattern."""
        try:
            return regex.compile(word)
        except ValueError as error:
            raise Refuse(fill(self.refused, word, str(error)), self.located) from None


class NUMBERED(Value[int]):
    """A mnemonic with a number behind it. `fold` accepts any letter case."""

    def __init__(
        self, table: Mapping[str, int], label: str, refused: str, *, fold: bool = True, located: bool | None = None
    ) -> None:
        self.table, self.label, self.refused, self.fold, self.located = table, label, refused, fold, located

    def parse(self, word: str, draft: Draft) -> int:
        """Return the number."""
        found = self.table.get(word.upper() if self.fold else word)
        if found is None:
            raise Refuse(fill(self.refused, word), self.located, hint=nearest(word.upper(), list(self.table)))
        return found


_RCODES = {code.name: int(code) for code in Rcode if code is not Rcode.BADVERS} | {"NOTIMPL": 4, "BADSIG": 16}


class RCODE(NUMBERED):
    """A response code by its mnemonic."""

    def __init__(
        self, refused: str = "{} is not a valid rcode", *, fold: bool = True, located: bool | None = None
    ) -> None:
        super().__init__(_RCODES, "RCODE", refused, fold=fold, located=located)


class TYPE(NUMBERED):
    """A record type by its mnemonic."""

    def __init__(self, refused: str = "invalid RR type {}", *, fold: bool = True, located: bool | None = None) -> None:
        super().__init__(TYPE_CODE, "TYPE", refused, fold=fold, located=located)


class CLASS(NUMBERED):
    """A class by its mnemonic."""

    def __init__(self, refused: str = "invalid RR class {}", *, fold: bool = True, located: bool | None = None) -> None:
        super().__init__(CLASS_CODE, "CLASS", refused, fold=fold, located=located)


class FILE(Value[str]):
    """A file name; relative ones stand below the block's `root` unless `root=False`."""

    label = "FILE"

    def __init__(self, root: bool = True, label: str = "FILE") -> None:
        self.root, self.label = root, label

    def parse(self, word: str, draft: Draft) -> str:
        """Return the path."""
        return draft.path(word) if self.root else word


def is_ip(word: str) -> bool:
    """Tell whether the word is an IP literal as Go's net.ParseIP reads it: no zone index."""
    try:
        return "%" not in word and bool(ipaddress.ip_address(word))
    except ValueError:
        return False
