"""Regular expressions with Go's syntax and in linear time.

1. RE2 decides what a pattern means. It is imported when the first pattern needs it.
2. The standard library runs a pattern only if `regex_plain.translate` proves that it means the same there and never
   backtracks: about six times as fast as RE2 through its binding (0.4 µs against 2.6 µs on a name of 30 characters).
3. A pattern whose set-up or match could take long is refused: what 64 KiB of pattern may cost on a name is < 50 ms.
"""

from __future__ import annotations

import re
from typing import Any, Protocol

from .regex_plain import translate

MAX_MEMORY_BYTES = 700_000  # RE2's budget; measured: a set-up within it stays under 25 ms
MAX_PROGRAM = 15_000  # instructions; measured: 30 ms on 255 octets in the worst of 700 hostile patterns
MAX_WORK = 100_000  # instructions × capture slots: what RE2's last resort, the NFA, copies for each character
MAX_PARENTHESES = 1000  # Go's limit of nesting
MAX_UNICODE_CLASSES = 100  # \pN and \PN, each some hundred instructions
_TOKENS = re.compile(r"\\Q.*?(?:\\E|\Z)|\\.|\((?:\?P?<([^>]*)>)?", re.DOTALL)
_CAPTURE = re.compile(r"[A-Za-z0-9_]+\Z")

# RE2's words → Go's.
_GO_TEXT = {
    "missing ]": "missing closing ]",
    "missing )": "missing closing )",
    "trailing \\": "trailing backslash at end of expression",
    "no argument for repetition operator": "missing argument to repetition operator",
    "invalid repetition size": "invalid repeat count",
    "bad repetition operator": "invalid nested repetition operator",
    "invalid perl operator": "invalid or unsupported Perl syntax",
    "invalid named capture group": "invalid named capture",
}


class BadRegex(ValueError):
    """A pattern that Go refuses, in Go's words, or that could take too long."""

    def __init__(self, text: str, fragment: str) -> None:
        super().__init__(f"error parsing regexp: {text}: `{fragment}`")


class Match(Protocol):
    """One match; group 0 is all of it, a group that took no part is None."""

    def group(self, *keys: int | str) -> Any: ...
    def groups(self) -> tuple[str | None, ...]: ...
    def groupdict(self) -> dict[str, str | None]: ...
    def start(self, key: int = 0, /) -> int: ...
    def end(self, key: int = 0, /) -> int: ...


class Pattern:
    """A compiled pattern: `search` finds the leftmost match, `names` are the named groups, `groups` how many there are.

    Two patterns of one text are equal, so a model that holds them can be compared and pickled.
    """

    __slots__ = ("_compiled", "groups", "names", "pattern", "search")

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self._compiled = _compile(pattern)
        self.groups: int = self._compiled.groups
        self.names: dict[str, int] = dict(self._compiled.groupindex)
        self.search = self._compiled.search

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pattern) and other.pattern == self.pattern

    def __hash__(self) -> int:
        return hash(self.pattern)

    def __reduce__(self) -> tuple[type[Pattern], tuple[str]]:
        return Pattern, (self.pattern,)

    def __repr__(self) -> str:
        return f"Pattern({self.pattern!r})"


def compile(pattern: str) -> Pattern:
    """Compile a pattern of Go's regexp/syntax; raises BadRegex."""
    return Pattern(pattern)


class _Engine:
    """RE2 behind the face of the standard library; takes texts with unpaired surrogates too."""

    def __init__(self, compiled: Any) -> None:
        self._search = compiled.search
        self.groups: int = compiled.groups
        self.groupindex: dict[str, int] = compiled.groupindex

    def search(self, text: str) -> Any:
        try:
            return self._search(text)
        except UnicodeEncodeError:
            return self._search(text.encode("utf-8", "replace").decode())


def _compile(pattern: str) -> Any:
    plain = translate(pattern)
    if plain is not None:
        return re.compile(plain, re.ASCII)
    _refuse_what_go_refuses(pattern)
    import re2

    options = re2.Options()
    options.log_errors = False
    options.max_mem = MAX_MEMORY_BYTES
    try:
        compiled = re2.compile(pattern, options)
    except re2.error as error:
        raise _translated(error.args[0]) from None
    except UnicodeEncodeError:
        raise BadRegex("invalid UTF-8", pattern.encode("utf-8", "replace").decode()) from None
    size = compiled.programsize
    if size > MAX_PROGRAM or size * (compiled.groups + 1) > MAX_WORK:
        raise BadRegex("expression too large", pattern)
    return _Engine(compiled)


def _refuse_what_go_refuses(pattern: str) -> None:
    """Refuse what RE2 takes and Go does not, and what makes RE2's parser slow."""
    opened = unicode_classes = 0
    for token in _TOKENS.finditer(pattern):
        text = token[0]
        if text == "\\C":
            raise BadRegex("invalid escape sequence", text)
        if token[1] is not None and not _CAPTURE.match(token[1]):
            raise BadRegex("invalid named capture", text)
        opened += text[0] == "("
        unicode_classes += text in ("\\p", "\\P")
    if opened > MAX_PARENTHESES:
        raise BadRegex("expression nests too deeply", pattern)
    if unicode_classes > MAX_UNICODE_CLASSES:
        raise BadRegex("expression too large", pattern)


def _translated(raw: bytes | str) -> BadRegex:
    text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw
    if text.startswith("pattern too large"):
        return BadRegex("expression too large", text.partition(" - ")[2])
    reason, _, fragment = text.partition(": ")
    return BadRegex(_GO_TEXT.get(reason, reason), fragment)
