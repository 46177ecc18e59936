"""Walks over the words of one directive in one server block the way the reference's plugins do.

1. All lines of a directive in a block stand in one list; a directive that leaves words unread sees them again as the
   start of its next line.
2. A block opens only where `{` ends the directive's own line; `}` closes it, nesting means nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from .errors import WrongCount
from .tokens import Token


class Cursor:
    """`value` is the word read last."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self.tokens = tokens
        self.at = -1

    @property
    def value(self) -> Token:
        """The current word."""
        return self.tokens[max(self.at, 0)]

    def next(self) -> bool:
        """Go to the next word, on whichever line."""
        if self.at + 1 >= len(self.tokens):
            return False
        self.at += 1
        return True

    def next_here(self) -> bool:
        """Go to the next word if it stands on the same line."""
        if self.at + 1 < len(self.tokens) and self.tokens[self.at + 1].follows(self.value):
            self.at += 1
            return True
        return False

    def remaining(self, any_word: int = 0) -> list[Token]:
        """Read what is left of the line, up to `{`; the first `any_word` words may be `{`."""
        found: list[Token] = []
        while self.next_here():
            if self.value.text == "{" and len(found) >= any_word:
                self.at -= 1
                break
            found.append(self.value)
        return found

    def opens(self) -> bool:
        """Tell whether a block opens here, and step over its `{`."""
        following = self.tokens[self.at + 1 : self.at + 2]
        if following and following[0].text == "{" and following[0].follows(self.value):
            self.at += 1
            return True
        return False

    def next_property(self) -> bool:
        """Go to the next word of an open block; False where the block ends."""
        return self.next() and self.value.text != "}"

    def skip_line(self) -> None:
        """Leave the rest of a line that was refused."""
        while self.at + 1 < len(self.tokens) and self.tokens[self.at + 1].follows(self.value):
            if self.tokens[self.at + 1].text == "}":
                break
            self.at += 1

    def wrong_count(self) -> WrongCount:
        """Return the reference's complaint about the words after the current one."""
        return WrongCount(at=self.value)
