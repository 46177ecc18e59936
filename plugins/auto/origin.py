"""From the name of a file to the name of its zone."""

from __future__ import annotations

import re
from typing import Final

from shardns.config.regex import Match

from .options import Directory

_REFERENCE: Final = re.compile(r"\$(?:\$|(\w+)|\{(\w+)\})", re.ASCII)


def origin_of(name: str, folder: Directory) -> str | None:
    """Return the zone's name as text, absolute, None where the file does not count."""
    assert folder.pattern is not None and folder.template is not None
    match = folder.pattern.search(name)
    if match is None:
        return None
    text = expand(folder.template, match, folder.pattern.names)
    if not text:
        return None
    return text if _is_absolute(text) else f"{text}."


def expand(template: str, match: Match, names: dict[str, int]) -> str:
    """Put groups for `$1`, `${1}`, `$name` and `${name}`, `$` for `$$`; an unknown group is empty, a lone `$` stays."""

    def group(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        if name is None:
            return "$"
        is_number = name.isdecimal() and (name == "0" or not name.startswith("0"))
        number = int(name) if is_number else names.get(name, -1)
        if not 0 <= number <= len(match.groups()):
            return ""
        return match.group(number) or ""

    return _REFERENCE.sub(group, template)


def _is_absolute(text: str) -> bool:
    """Tell whether the last dot is one: it is not where an odd number of backslashes stands before it."""
    if not text.endswith("."):
        return False
    body = text[:-1]
    return (len(body) - len(body.rstrip("\\"))) % 2 == 0
