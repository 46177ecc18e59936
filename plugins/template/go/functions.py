"""The functions of templates. Each raises CallError with Go's text."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus

from shardns.config.expression.show import show
from shardns.config.golang import integer

from .errors import CallError
from .printf import printf
from .values import MISSING, Struct, Texts, truth, type_name


@dataclass(frozen=True, slots=True)
class Routine:
    """A function: how many arguments it takes (`most` None: any number), and of which types where that is fixed."""

    work: Callable[..., Any]
    least: int
    most: int | None = None
    types: tuple[type, ...] = ()


def _plain(values: tuple[Any, ...]) -> list[Any]:
    return [None if value is MISSING else value for value in values]


def sprint(*values: Any) -> str:
    """Join values; a space stands between two that are not strings."""
    found = ""
    before: Any = ""
    for number, value in enumerate(_plain(values)):
        if number and not isinstance(value, str) and not isinstance(before, str):
            found += " "
        found += show(value)
        before = value
    return found


def _length(value: Any) -> int:
    if isinstance(value, str):
        return len(value.encode("utf-8", "surrogateescape"))
    if isinstance(value, (list, dict, bytes)):
        return len(value)
    if value is None or value is MISSING:
        raise CallError("len of nil pointer")
    raise CallError(f"len of type {type_name(value)}")


def _at(value: Any, size: int, key: Any, most: int) -> int:
    if type(key) is not int:
        text = "nil" if key is None or key is MISSING else f"type {type_name(key)}"
        raise CallError(f"cannot index slice/array with {text}")
    if not 0 <= key < most:
        raise CallError(f"index out of range: {key}")
    return key


def _index(value: Any, *keys: Any) -> Any:
    if value is None or value is MISSING:
        raise CallError("index of untyped nil")
    for key in keys:
        if isinstance(value, str):
            octets = value.encode("utf-8", "surrogateescape")
            value = octets[_at(octets, len(octets), key, len(octets))]
        elif isinstance(value, (list, bytes)):
            value = value[_at(value, len(value), key, len(value))]
        elif isinstance(value, dict):
            if not isinstance(key, str):
                raise CallError(f"value has type {type_name(key)}; should be string")
            value = value.get(key, "" if isinstance(value, Texts) else None)
        elif value is None:
            raise CallError("index of nil pointer")
        else:
            raise CallError(f"can't index item of type {type_name(value)}")
    return value


def _slice(value: Any, *bounds: Any) -> Any:
    if not isinstance(value, (str, list, bytes)):
        if value is None or value is MISSING:
            raise CallError("slice of untyped nil")
        raise CallError(f"can't slice item of type {type_name(value)}")
    if len(bounds) > 3:
        raise CallError(f"too many slice indexes: {len(bounds)}")
    if isinstance(value, str) and len(bounds) == 3:
        raise CallError("cannot 3-index slice a string")
    octets = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
    found = [_at(value, len(octets), bound, len(octets) + 1) for bound in bounds]
    low, high = found[0] if found else 0, found[1] if len(found) > 1 else len(octets)
    if low > high:
        raise CallError(f"invalid slice index: {low} > {high}")
    if len(found) == 3 and high > found[2]:
        raise CallError(f"invalid slice index: {high} > {found[2]}")
    part = octets[low:high]
    return part.decode("utf-8", "surrogateescape") if isinstance(part, bytes) and isinstance(value, str) else part


# Comparison --------------------------------------------------------------------------------------------------------


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    for kind, types in (("int", int), ("float", float), ("string", str)):
        if isinstance(value, types):
            return kind
    return ""


def _equal(first: Any, *others: Any) -> bool:
    if not others:
        raise CallError("missing argument for comparison")
    return any(_same(first, other) for other in others)


def _same(first: Any, other: Any) -> bool:
    nothing = [value is None or value is MISSING for value in (first, other)]
    if any(nothing):
        return all(nothing)
    if _kind(first) != _kind(other):
        raise CallError("incompatible types for comparison")
    if not _kind(first) and not isinstance(first, Struct):
        raise CallError(f"non-comparable type {show(first)}: {type_name(first)}")
    return bool(first == other)


def _less(first: Any, other: Any) -> bool:
    for value in (first, other):
        if not _kind(value):
            raise CallError("invalid type for comparison")
    if _kind(first) != _kind(other):
        raise CallError("incompatible types for comparison")
    if isinstance(first, bool):
        raise CallError("invalid type for comparison")
    return bool(operator.lt(first, other))


# Escaping ----------------------------------------------------------------------------------------------------------

_HTML = {"\0": "\ufffd", '"': "&#34;", "'": "&#39;", "&": "&amp;", "<": "&lt;", ">": "&gt;"}
_JS = {
    "\\": "\\\\", "'": "\\'", '"': '\\"', "<": "\\u003C", ">": "\\u003E", "&": "\\u0026", "=": "\\u003D",
}  # fmt: skip


def _joined(values: tuple[Any, ...]) -> str:
    return sprint(*values)


def _html(*values: Any) -> str:
    return "".join(_HTML.get(char, char) for char in _joined(values))


def _js(*values: Any) -> str:
    return "".join(_JS.get(char) or (char if char.isprintable() else f"\\u{ord(char):04X}") for char in _joined(values))


def _urlquery(*values: Any) -> str:
    return quote_plus(_joined(values), safe="", errors="surrogateescape")


def _call(function: Any, *values: Any) -> Any:
    if function is None or function is MISSING:
        raise CallError("call of nil")
    if not callable(function):
        raise CallError(f"non-function of type {type_name(function)}")
    return function(*values)


def _parse_int(text: str, base: int, bits: int) -> int:
    """Read an unsigned integer in any base, as strconv.ParseUint."""
    if base == 10 and 0 < bits <= 64:
        return _converted(lambda: integer(text, "ParseUint", bits))
    return _converted(lambda: _unsigned(text, base, bits))


def _converted(read: Callable[[], int]) -> int:
    try:
        return read()
    except ValueError as error:
        raise CallError(str(error)) from None


def _unsigned(text: str, base: int, bits: int) -> int:
    failed = f"strconv.ParseUint: parsing {printf('%q', text)}: "
    if not text:
        raise ValueError(failed + "invalid syntax")
    if base and not 2 <= base <= 36:
        raise ValueError(failed + f"invalid base {base}")
    if not 0 <= bits <= 64:
        raise ValueError(failed + f"invalid bit size {bits}")
    digits = text
    if not base:
        prefix = text[:2].lower()
        base = {"0x": 16, "0b": 2, "0o": 8}.get(prefix, 8 if text[0] == "0" and len(text) > 1 else 10)
        digits = text[2:] if prefix in ("0x", "0b", "0o") else text
    if not digits.isascii() or not digits.isalnum():
        raise ValueError(failed + "invalid syntax")
    try:
        value = int(digits[-300:], base)
    except ValueError:
        raise ValueError(failed + "invalid syntax") from None
    if value >= 1 << (bits or 64) or len(digits.lstrip("0")) > 64:
        raise ValueError(failed + "value out of range")
    return value


# `and` and `or` are here for their names: the runner looks at their arguments one by one.
FUNCTIONS: dict[str, Routine] = {
    "and": Routine(lambda *values: values[-1], 1), "or": Routine(lambda *values: values[-1], 1),
    "not": Routine(lambda value: not truth(value), 1, 1), "len": Routine(_length, 1, 1), "index": Routine(_index, 1),
    "slice": Routine(_slice, 1), "print": Routine(sprint, 0),
    "println": Routine(lambda *values: " ".join(show(value) for value in _plain(values)) + "\n", 0),
    "printf": Routine(lambda form, *values: printf(form, *_plain(values)), 1, None, (str,)),
    "html": Routine(_html, 0), "js": Routine(_js, 0), "urlquery": Routine(_urlquery, 0), "call": Routine(_call, 1),
    "eq": Routine(_equal, 1), "ne": Routine(lambda first, other: not _same(first, other), 2, 2),
    "lt": Routine(_less, 2, 2), "ge": Routine(lambda first, other: not _less(first, other), 2, 2),
    "le": Routine(lambda first, other: not _less(other, first), 2, 2),
    "gt": Routine(lambda first, other: _less(other, first), 2, 2),
    "parseInt": Routine(_parse_int, 3, 3, (str, int, int)),
}  # fmt: skip
