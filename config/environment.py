"""`{%NAME%}` and `{$NAME}` inside words (spec core §2.2).

1. An unset variable is the empty string; a reference without a name or an end stops the substitution.
2. A value that holds a reference is expanded again; a value that leads back to itself is an error, not a loop.
"""

from __future__ import annotations

from collections.abc import Mapping

MAX_EXPANSIONS = 1000  # per word; far above what a person writes
MAX_WORD = 1 << 20  # characters of a word after substitution


class EnvironmentLoop(ValueError):
    """A value that leads back to itself."""


def substitute(text: str, environ: Mapping[str, str]) -> str:
    """Return the text with all references replaced; raises EnvironmentLoop."""
    if "{%" in text:
        text = _replace(text, "{%", "%}", environ)
    if "{$" in text:
        text = _replace(text, "{$", "}", environ)
    return text


def _replace(text: str, start: str, end: str, environ: Mapping[str, str]) -> str:
    for _ in range(MAX_EXPANSIONS):
        first = text.find(start)
        last = text.find(end, first) if first >= 0 else -1
        if last <= first + len(start) - 1:
            return text
        if last == first + len(start):
            return text
        reference = text[first : last + len(end)]
        value = environ.get(reference[len(start) : -len(end)], "")
        if len(text) + text.count(reference) * len(value) > MAX_WORD:
            break
        text = text.replace(reference, value)
    raise EnvironmentLoop("environment variable refers to itself without end")
