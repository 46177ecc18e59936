r"""Text → words with positions, as the reference's lexer cuts them (spec core §2.1).

1. White space is Unicode's; `\r` outside quotes vanishes without ending a word.
2. A word that starts with `"` ends at the next unescaped `"`; only `\"` is an escape.
3. `#` ends the word and swallows text up to the next white space if it stands inside a word, to the end of the line
   if it starts one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .errors import Place

BYTE_ORDER_MARK = "\ufeff"
# Go's unicode.IsSpace, which is not Python's str.isspace.
_SPACE = frozenset("\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B))))
_ENDS = "".join(sorted(_SPACE - {"\r"}))
_PLAIN = re.compile(f"[^{_ENDS}#]*")
_TO_SPACE = re.compile(f"[^{_ENDS}]*")


@dataclass(frozen=True, slots=True)
class Token:
    """A word. `breaks` counts the line ends inside it (only quoted words have any).

    `row` is the line for the purpose of "on the same line"; words that come from TOML have one that is not their
    place's line.
    """

    text: str
    place: Place
    breaks: int = 0
    row: int = 0

    def __str__(self) -> str:
        return self.text

    def follows(self, other: Token) -> bool:
        """Tell whether this word stands on the line where the other ends."""
        if self.row or other.row:
            return self.row == other.row
        return self.place.file == other.place.file and self.place.line == other.place.line + other.breaks

    def holding(self, text: str) -> Token:
        """Return the same word with another text, as substitution makes it."""
        return self if text == self.text else Token(text, self.place, text.count("\n"), self.row)


def cut(text: str, file: str) -> list[Token]:
    """Cut a file into words."""
    return _Lexer(text.removeprefix(BYTE_ORDER_MARK), file).cut()


class _Lexer:
    """One pass over the text; a character is looked at once."""

    def __init__(self, text: str, file: str) -> None:
        self.text = text
        self.file = file
        self.at = 0
        self.line = 1
        self.line_start = 0

    def cut(self) -> list[Token]:
        found = []
        while (token := self.next()) is not None:
            found.append(token)
        return found

    def next(self) -> Token | None:
        """Skip to the next word and return it."""
        text, size = self.text, len(self.text)
        while self.at < size:
            char = text[self.at]
            if char == "#":
                self._to_line_end()
            elif char == '"':
                return self._quoted()
            elif char in _SPACE:
                self._advance(char)
            else:
                return self._bare()
        return None

    def _advance(self, char: str) -> None:
        self.at += 1
        if char == "\n":
            self.line += 1
            self.line_start = self.at

    def _to_line_end(self) -> None:
        end = self.text.find("\n", self.at)
        self.at = len(self.text) if end < 0 else end

    def _place(self) -> Place:
        return Place(self.file, self.line, self.at - self.line_start + 1)

    def _bare(self) -> Token:
        place, start = self._place(), self.at
        plain = _PLAIN.match(self.text, start)
        self.at = end = plain.end() if plain else start
        if self.text[end : end + 1] == "#":
            swallowed = _TO_SPACE.match(self.text, end)
            self.at = swallowed.end() if swallowed else end
        return Token(self.text[start:end].replace("\r", ""), place)

    def _quoted(self) -> Token | None:
        place = self._place()
        self.at += 1
        found: list[str] = []
        breaks = 0
        while self.at < len(self.text):
            char = self.text[self.at]
            self._advance(char)
            if char == '"':
                return Token("".join(found), place, breaks)
            if char == "\\":
                if self.at == len(self.text):
                    break
                char = self.text[self.at]
                self._advance(char)
                if char != '"':
                    found.append("\\")
            breaks += char == "\n"
            found.append(char)
        return Token("".join(found), place, breaks) if found else None
