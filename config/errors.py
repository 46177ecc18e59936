"""What an operator did wrong, and where: every problem of a file at once, each with its line, a caret and a remedy.

1. The first line of a problem is the reference's text, byte for byte; the rest is ours.
2. `Refuse` is raised where a value is judged and knows no file; whoever holds the word turns it into a `Problem`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .tokens import Token


class Place(NamedTuple):
    """Where a word starts; line and column count from 1."""

    file: str
    line: int
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong. `str()` is what the operator sees."""

    text: str
    place: Place | None = None
    source_line: str | None = None
    hint: str = ""

    def __str__(self) -> str:
        shown = [self.text]
        if self.place is not None:
            shown.append(f"  --> {self.place}")
            if self.source_line is not None:
                shown += self._drawn(self.place)
        if self.hint:
            shown.append(f"  = {self.hint}")
        return "\n".join(shown)

    def _drawn(self, place: Place) -> list[str]:
        gutter = " " * len(str(place.line))
        line = (self.source_line or "").rstrip("\r\n")
        before = "".join(c if c == "\t" else " " for c in line[: place.column - 1])
        return [f"  {gutter} |", f"  {place.line} | {line}", f"  {gutter} | {before}^"]


class ConfigError(Exception):
    """A configuration that cannot be used, with all its problems in the order in which the reference meets them."""

    def __init__(self, problems: Iterable[Problem] | str) -> None:
        found = (Problem(problems),) if isinstance(problems, str) else tuple(problems)
        super().__init__(found)
        self.problems: tuple[Problem, ...] = found

    @property
    def text(self) -> str:
        """The reference's own text: the first problem's first line(s), without our remedy."""
        return self.problems[0].text if self.problems else ""

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


@dataclass(eq=False)
class Refuse(Exception):
    """A value, or a combination of values, that is not accepted.

    `text` is the reference's. `located` puts `FILE:LINE - Error during parsing: ` before it, as the reference does for
    some of its texts (None: as the place where it is caught decides). `at` moves it to another word, `inner` stands
    between the plugin's prefix (or `prefix`) and the text, `hint` is our remedy, `heading` follows the line number.
    """

    text: str
    located: bool | None = None
    at: Token | None = None
    inner: str = ""
    hint: str = ""
    heading: str = "Error during parsing"
    prefix: str | None = None

    def __post_init__(self) -> None:
        super().__init__(self.text)

    def __str__(self) -> str:
        return self.text


@dataclass(eq=False)
class WrongCount(Refuse):
    """Too few or too many words: the reference's text names the last word it had read (`at`, or the current one)."""

    text: str = ""
    located: bool | None = field(default=True)


def count_text(word: str) -> str:
    """Return the reference's text for a missing or surplus word, `word` being the last one read."""
    if word == "{":
        return "Unexpected token '{', expecting argument"
    return f"Wrong argument count or unexpected line ending after '{word}'"


def nearest(word: str, known: Sequence[str]) -> str:
    """Return a remedy for an unknown word: the nearest valid one, else all of them."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if close:
        return f"did you mean '{close[0]}'?"
    return f"expected one of: {', '.join(known)}" if known else ""
