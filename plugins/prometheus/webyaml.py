"""As much YAML as a web configuration needs: nested mappings, lists of scalars, quoted and plain scalars, comments."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

_KEY = re.compile(r"""(?P<key>"[^"]*"|'[^']*'|[^\s:#'"\[\]{}-][^:#]*?)\s*:(?:\s+(?P<value>.*))?$""")
_WORDS: dict[str, Any] = {
    "true": True,
    "false": False,
    "yes": True,
    "no": False,
    "null": None,
    "~": None,
    "": None,
    "{}": {},
    "[]": [],
}


class Line(NamedTuple):
    """One line with something on it."""

    number: int
    indent: int
    text: str


def load(text: str) -> dict[str, Any]:
    """Return the document, a mapping; raises ValueError with the line for anything that is not in this subset."""
    lines = [line for number, raw in enumerate(text.splitlines(), 1) if (line := _line(number, raw))]
    if not lines:
        return {}
    value, rest = _block(lines, lines[0].indent)
    if rest or not isinstance(value, dict):
        raise ValueError(f"yaml: line {(rest or lines)[0].number}: a mapping was expected")
    return value


def _line(number: int, raw: str) -> Line | None:
    indent = len(raw) - len(raw.lstrip(" "))
    if raw[indent : indent + 1] == "\t":
        raise ValueError(f"yaml: line {number}: found character that cannot start any token")
    text = _uncommented(raw.strip())
    return None if not text or text in ("---", "...") else Line(number, indent, text)


def _uncommented(text: str) -> str:
    quote = ""
    for at, char in enumerate(text):
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"" and (at == 0 or text[at - 1] in " [,:"):
            quote = char
        elif char == "#" and (at == 0 or text[at - 1] in " \t"):
            return text[:at].rstrip()
    return text


def _block(lines: list[Line], indent: int) -> tuple[Any, list[Line]]:
    if lines[0].text == "-" or lines[0].text.startswith("- "):
        return _list(lines, indent)
    found: dict[str, Any] = {}
    while lines and lines[0].indent == indent:
        line, *lines = lines
        match = _KEY.match(line.text)
        if match is None:
            raise ValueError(f"yaml: line {line.number}: could not find expected ':'")
        key = str(scalar(match["key"]))
        if key in found:
            raise ValueError(f"yaml: line {line.number}: key {key!r} already set in map")
        nested = lines and (lines[0].indent > indent or (lines[0].indent == indent and lines[0].text.startswith("- ")))
        if not match["value"] and nested:
            found[key], lines = _block(lines, lines[0].indent)
        else:
            found[key] = scalar(match["value"] or "")
    if lines and lines[0].indent > indent:
        raise ValueError(f"yaml: line {lines[0].number}: did not find expected key")
    return found, lines


def _list(lines: list[Line], indent: int) -> tuple[list[Any], list[Line]]:
    found = []
    while lines and lines[0].indent == indent and lines[0].text.startswith("-"):
        found.append(scalar(lines[0].text[1:].strip()))
        lines = lines[1:]
    return found, lines


def scalar(text: str) -> Any:
    """Return the value of a scalar, or of a list in brackets."""
    if text.startswith("[") and text.endswith("]") and text != "[]":
        return [scalar(part.strip()) for part in text[1:-1].split(",")]
    if len(text) > 1 and text[0] == text[-1] == '"':
        return text[1:-1].replace('\\"', '"').replace("\\n", "\n").replace("\\\\", "\\")
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1].replace("''", "'")
    return _WORDS.get(text.lower(), text)
