"""What `errors` can be told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from shardns.config import golang
from shardns.config.errors import Refuse
from shardns.config.schema import Arg, Draft, Flag, Props, Schema
from shardns.config.tokens import Token
from shardns.config.values import CHOICE, REGEX, Words

LEVELS = ("warning", "error", "info", "debug")
MAX_PATTERN = 10000  # characters


@dataclass(frozen=True)
class Consolidate:
    """Count errors that match `pattern` for `period_s` and report the count at `level`."""

    period_s: float
    pattern: str
    level: str = "error"
    show_first: bool = False


def consolidate(words: Sequence[Token], draft: Draft) -> Consolidate:
    """Read `DURATION REGEXP [LEVEL] [show_first]`."""
    period, pattern, *rest = words
    try:
        period_s = golang.seconds(period.text)
    except ValueError as error:
        raise Refuse(str(error), True, period, hint="expected a duration such as 30s or 5m") from None
    if len(pattern.text) > MAX_PATTERN:
        raise Refuse(f"regex pattern too long: {len(pattern.text)} > {MAX_PATTERN}", True, pattern)
    REGEX(located=True).parse(pattern.text, draft)
    level = ""
    show_first = False
    for word in rest:
        if word.text in LEVELS:
            if level:
                raise Refuse("multiple log levels specified in consolidate", True, word)
            if show_first:
                raise Refuse("log level must come before show_first in consolidate", True, word)
            level = word.text
        elif word.text == "show_first":
            show_first = True
        else:
            hint = f"expected one of: {', '.join(LEVELS)}, show_first"
            raise Refuse(f"unknown option in consolidate: {word.text}", True, word, hint=hint)
    return Consolidate(period_s, pattern.text, level or "error", show_first)


class Options(
    Schema, repeat="once", unknown="Unexpected token '{}', expecting 'Unknown field {}'", unknown_heading="Syntax error"
):
    """Log the errors of the plugins below: `[ERROR] plugin/errors: RCODE NAME TYPE: TEXT`."""

    output: Annotated[str, Arg(CHOICE("stdout", refused="invalid log file: {}", located=True))] = "stdout"
    "Where the lines go: only `stdout`."

    stacktrace: Annotated[bool, Flag(rest="property")] = False
    "Log the stack of a panic that the server caught."

    consolidate: Annotated[
        tuple[Consolidate, ...], Props(Words(consolidate, "DURATION REGEXP [LEVEL] [show_first]"), least=2, most=4)
    ] = ()
    "Instead of every error that matches REGEXP log one line with their number for each DURATION, at LEVEL (warning, "
    "error, info or debug; default error). With show_first the first of them is logged at once. The first pattern that "
    "matches takes the error."

    def shape(self, draft: Draft) -> None:
        """Have panics logged with their stack."""
        if self.stacktrace:
            draft.stacktrace = True
