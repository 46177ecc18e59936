"""Splits a command line into words as the reference does: shell quoting, and nothing else that a shell would do."""

from __future__ import annotations

_BLANK = " \t\r\n"


def split(text: str) -> list[str]:
    """Return the words. Raises ValueError with the reference's text where a quote or an escape does not end."""
    found: list[str] = []
    word: list[str] | None = None
    quote = ""
    at = 0
    while at < len(text):
        char = text[at]
        at += 1
        if quote == "'" and char != "'":
            word = [*(word or ()), char]
        elif char == "\\":
            if at == len(text):
                raise ValueError("EOF found after escape character")
            word = [*(word or ()), text[at]]
            at += 1
        elif quote:
            if char == quote:
                quote = ""
            else:
                word = [*(word or ()), char]
        elif char in "\"'":
            quote = char
            word = word or []
        elif char in _BLANK:
            if word is not None:
                found.append("".join(word))
            word = None
        elif char == "#" and word is None:
            end = text.find("\n", at)
            at = len(text) if end < 0 else end
        else:
            word = [*(word or ()), char]
    if quote:
        raise ValueError("EOF found when expecting closing quote.")
    return found if word is None else [*found, "".join(word)]
