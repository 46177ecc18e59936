"""What the reference inherits from its language: durations, integers and their error texts, quoted strings."""

from __future__ import annotations

import re
from fractions import Fraction

_UNITS_NS = {
    "ns": 1, "us": 1_000, "µs": 1_000, "μs": 1_000, "ms": 1_000_000, "s": 1_000_000_000, "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}  # fmt: skip
MAX_NS = 2**63 - 1  # a duration is a signed 64-bit count of nanoseconds
_PART = re.compile(r"([0-9]*)(?:(\.)([0-9]*))?", re.ASCII)
_UNIT = re.compile(r"[^0-9.]*")
_INTEGER = re.compile(r"[+-]?[0-9]+", re.ASCII)


def quote(text: str) -> str:
    """Return the text as Go's `%q` prints it."""
    known = {
        '"': '\\"',
        "\\": "\\\\",
        "\n": "\\n",
        "\t": "\\t",
        "\r": "\\r",
        "\a": "\\a",
        "\b": "\\b",
        "\f": "\\f",
        "\v": "\\v",
    }
    return '"' + "".join(known.get(c) or (c if c.isprintable() else _escape(c)) for c in text) + '"'


def _escape(char: str) -> str:
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def nanoseconds(text: str) -> int:
    """Read a Go duration; raises ValueError with the reference's text."""
    rest, sign = text, 1
    if rest[:1] in ("+", "-"):
        sign, rest = (-1 if rest[0] == "-" else 1), rest[1:]
    if rest == "0":
        return 0
    if not rest:
        raise ValueError(f"time: invalid duration {quote(text)}")
    total = 0
    while rest:
        size, rest = _part(text, rest)
        total += size
        if total > MAX_NS + (sign < 0):
            raise ValueError(f"time: invalid duration {quote(text)}")
    return sign * total


def _part(text: str, rest: str) -> tuple[int, str]:
    number = _PART.match(rest)
    assert number is not None  # the pattern matches the empty string
    whole, fraction = number[1], number[3] or ""
    if not whole and not fraction:
        raise ValueError(f"time: invalid duration {quote(text)}")
    rest = rest[number.end() :]
    unit = _UNIT.match(rest)
    word = unit[0] if unit else ""
    if not word:
        raise ValueError(f"time: missing unit in duration {quote(text)}")
    if word not in _UNITS_NS:
        raise ValueError(f"time: unknown unit {quote(word)} in duration {quote(text)}")
    if len(whole) > 19:
        raise ValueError(f"time: invalid duration {quote(text)}")
    size = int(Fraction(f"{whole or 0}.{fraction[:20] or 0}") * _UNITS_NS[word])
    return size, rest[len(word) :]


def seconds(text: str) -> float:
    """Read a Go duration as seconds; raises ValueError with the reference's text."""
    return nanoseconds(text) / 1e9


def duration_text(value_s: float) -> str:
    """Write seconds as Go prints a duration: `1m0s`, `1.5s`, `250ms`, `0s`."""
    total = round(value_s * 1e9)
    sign, total = ("-" if total < 0 else ""), abs(total)
    if total < 1_000_000_000:
        for unit, size in (("ms", 1_000_000), ("µs", 1_000), ("ns", 1)):
            if total >= size:
                return f"{sign}{_decimal(total, size)}{unit}"
        return "0s"
    minutes, rest = divmod(total, 60_000_000_000)
    hours, minutes = divmod(minutes, 60)
    text = f"{_decimal(rest, 1_000_000_000)}s"
    if hours:
        text = f"{hours}h{minutes}m{text}"
    elif minutes:
        text = f"{minutes}m{text}"
    return sign + text


def _decimal(total: int, size: int) -> str:
    whole, rest = divmod(total, size)
    digits = str(rest).rjust(len(str(size)) - 1, "0").rstrip("0") if rest else ""
    return f"{whole}.{digits}" if digits else str(whole)


def integer(text: str, function: str = "Atoi", bits: int = 64) -> int:
    """Read a decimal integer; raises ValueError with the text of `strconv.Atoi`, `ParseInt` or `ParseUint`."""
    unsigned = function == "ParseUint"
    if not _INTEGER.fullmatch(text) or (unsigned and text[0] in "+-"):
        raise ValueError(f"strconv.{function}: parsing {quote(text)}: invalid syntax")
    low, high = (0, 2**bits - 1) if unsigned else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    value = int(text) if len(text) < 100 else high + 1
    if not low <= value <= high:
        raise ValueError(f"strconv.{function}: parsing {quote(text)}: value out of range")
    return value
