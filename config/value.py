"""What a value type is, and the plain ones: words, numbers, durations, choices, and the two ways out.

1. A value type judges one word and knows no file; `Refuse` carries the text, the schema adds the place.
2. `spread` types turn one word into several values (a tuple that the field joins); `whole` types take all words of
   their field at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from . import golang
from .errors import Refuse, nearest

if TYPE_CHECKING:
    from .draft import Draft
    from .tokens import Token

T = TypeVar("T")


class Value(Generic[T]):
    """Base of all value types. `label` is what help prints; `located` is the default for its complaints."""

    label = "VALUE"
    spread = False
    whole = False

    def parse(self, word: str, draft: Draft) -> T:
        """Return the value of one word; raise Refuse."""
        raise TypeError(f"{self.label} judges whole fields")

    def parse_words(self, words: Sequence[Token], draft: Draft) -> T:
        """Return the value of a whole field; only `whole` types are asked."""
        raise TypeError(f"{self.label} judges single words")

    def schema(self) -> dict[str, Any]:
        """Return the JSON schema of one word."""
        return {"type": "string"}


class STRING(Value[str]):
    """Any word, as it stands."""

    label = "STRING"

    def __init__(self, label: str = "STRING") -> None:
        self.label = label

    def parse(self, word: str, draft: Draft) -> str:
        """Return the word."""
        return word


class INTEGER(Value[int]):
    """A decimal integer. `below`/`above` are the texts outside `low`…`high` (`{}` is the number).

    `go` names the Go function whose error text is printed: Atoi, ParseInt or ParseUint, with `bits`.
    """

    label = "INTEGER"

    def __init__(
        self, low: int | None = None, high: int | None = None, *, below: str | None = None, above: str | None = None,
        go: str = "Atoi", bits: int = 64, located: bool | None = None, invalid: str | None = None,
    ) -> None:  # fmt: skip
        self.low, self.high, self.go, self.bits, self.located, self.invalid = low, high, go, bits, located, invalid
        self.below = below or above or "value {} is out of range"
        self.above = above or below or "value {} is out of range"

    def parse(self, word: str, draft: Draft) -> int:
        """Return the number."""
        try:
            number = golang.integer(word, self.go, self.bits)
        except ValueError as error:
            text = str(error) if self.invalid is None else fill(self.invalid, word, str(error))
            raise Refuse(text, self.located, hint=f"expected {self.range_text()}") from None
        if self.low is not None and number < self.low:
            raise Refuse(fill(self.below, str(number)), self.located, hint=f"expected {self.range_text()}")
        if self.high is not None and number > self.high:
            raise Refuse(fill(self.above, str(number)), self.located, hint=f"expected {self.range_text()}")
        return number

    def range_text(self) -> str:
        """Say which integers are fine."""
        low = f" from {self.low}" if self.low is not None else ""
        return f"an integer{low}{f' to {self.high}' if self.high is not None else ''}"

    def schema(self) -> dict[str, Any]:
        """Return the JSON schema of the number."""
        bounds = {"minimum": self.low, "maximum": self.high}
        return {"type": "integer"} | {k: v for k, v in bounds.items() if v is not None}


class DURATION(Value[float]):
    """A Go duration (`1m30s`, `500ms`) in seconds. `plain`: a bare integer counts as seconds.

    `below`/`above` are the texts outside `low`…`high`, in which `{}` is the duration as Go prints it; `low_open` also
    refuses `low` itself. `invalid` replaces the text for a malformed word (`{}` the word, `{error}` Go's text).
    """

    label = "DURATION"

    def __init__(
        self, low: float | None = None, high: float | None = None, *, below: str | None = None,
        above: str | None = None, low_open: bool = False,
        plain: bool = False, located: bool | None = None, invalid: str | None = None,
    ) -> None:  # fmt: skip
        self.low, self.high, self.low_open, self.plain = low, high, low_open, plain
        self.located, self.invalid = located, invalid
        self.below = below or above or "duration {} is out of range"
        self.above = above or below or "duration {} is out of range"

    def parse(self, word: str, draft: Draft) -> float:
        """Return the seconds."""
        try:
            span = golang.seconds(f"{word}s" if self.plain and _is_integer(word) else word)
        except ValueError as error:
            text = str(error) if self.invalid is None else fill(self.invalid, word, str(error))
            raise Refuse(text, self.located, hint="expected a duration such as 30s, 1m30s or 500ms") from None
        if self.low is not None and (span < self.low or (self.low_open and span == self.low)):
            raise Refuse(fill(self.below, golang.duration_text(span)), self.located)
        if self.high is not None and span > self.high:
            raise Refuse(fill(self.above, golang.duration_text(span)), self.located)
        return span


class CHOICE(Value[str]):
    """One of a few words; `fold` accepts any letter case and gives the listed spelling."""

    def __init__(
        self, *words: str, refused: str = "unknown value '{}'", fold: bool = False, located: bool | None = None
    ) -> None:
        self.words, self.refused, self.fold, self.located = words, refused, fold, located
        self.label = "|".join(words)

    def parse(self, word: str, draft: Draft) -> str:
        """Return the word as it is listed."""
        for known in self.words:
            if word == known or (self.fold and word.lower() == known.lower()):
                return known
        raise Refuse(fill(self.refused, word), self.located, hint=nearest(word, self.words))

    def schema(self) -> dict[str, Any]:
        """Return the JSON schema of the choice."""
        return {"enum": list(self.words)}


class Words(Value[Any]):
    """The way out for directives with a grammar of their own: a function judges all words of the field at once.

    It gets the words with their places and the draft, and returns the value or raises `Refuse(text, at=word)` or
    `WrongCount(at=last_word_read)`. `words` is empty where the directive has none.
    """

    whole = True

    def __init__(self, judge: Callable[[Sequence[Token], Draft], Any], label: str = "WORD...") -> None:
        self.judge, self.label = judge, label

    def parse_words(self, words: Sequence[Token], draft: Draft) -> Any:
        """Return what the function makes of the words."""
        return self.judge(words, draft)


class Convert(Value[Any]):
    """A function on one word; it returns the value or raises Refuse (or ValueError: its text is the complaint)."""

    def __init__(self, judge: Callable[[str, Draft], Any], label: str = "VALUE", *, spread: bool = False) -> None:
        self.judge, self.label, self.spread = judge, label, spread

    def parse(self, word: str, draft: Draft) -> Any:
        """Return what the function makes of the word."""
        try:
            return self.judge(word, draft)
        except ValueError as error:
            raise Refuse(str(error)) from None


def fill(text: str, word: str, error: str = "") -> str:
    """Put the word for `{}` and `{q}` (quoted as Go does), the inner text for `{error}`."""
    return text.replace("{error}", error).replace("{q}", golang.quote(word)).replace("{}", word)


def _is_integer(word: str) -> bool:
    try:
        golang.integer(word)
    except ValueError:
        return False
    return True
