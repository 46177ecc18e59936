"""What is wrong with a zone file, worded as the reference's parser words it, and where."""

from __future__ import annotations

from typing import Final

_ESCAPES: Final = {7: "\\a", 8: "\\b", 9: "\\t", 10: "\\n", 11: "\\v", 12: "\\f", 13: "\\r", 34: '\\"', 92: "\\\\"}


class Token:
    """A word of a zone file: its kind, its text without quotes, and the place the reference reports for it.

    `code` is the number of a type or class.
    """

    __slots__ = ("code", "column", "kind", "line", "text")

    def __init__(self, kind: int, text: bytes, line: int, column: int, code: int = 0) -> None:
        self.kind = kind
        self.text = text
        self.line = line
        self.column = column
        self.code = code

    def __repr__(self) -> str:
        return f"Token({self.kind}, {self.text!r}, {self.line}:{self.column})"


class Bad(Exception):
    """A word that cannot stand where it stands."""

    def __init__(self, text: str, token: Token | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.token = token


class ZoneTextError(Exception):
    """A zone file that cannot be read: the reference's text, and the place."""

    def __init__(self, file: str, text: str, token: Token) -> None:
        self.file = file
        self.line = token.line
        self.column = token.column
        super().__init__(f"{file}: dns: {text}: {quoted(token.text)} at line: {token.line}:{token.column}")


def quoted(raw: bytes) -> str:
    """Quote as Go's `strconv.QuoteToASCII` does."""
    out = ['"']
    for char in raw.decode("utf-8", "surrogateescape"):
        code = ord(char)
        if code in _ESCAPES:
            out.append(_ESCAPES[code])
        elif 0xDC80 <= code <= 0xDCFF:  # an octet that is not UTF-8
            out.append(f"\\x{code - 0xDC00:02x}")
        elif 0x20 <= code < 0x7F:
            out.append(char)
        elif code < 0x20 or code == 0x7F:
            out.append(f"\\x{code:02x}")
        else:
            out.append(f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}")
    out.append('"')
    return "".join(out)
