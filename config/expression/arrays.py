"""Built-in functions on arrays and maps."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .errors import ExpressionError
from .frame import Frame
from .operators import equal
from .predicates import compared, descends
from .show import go_type, show

_MAX_DEPTH = 100


def _array(value: Any, what: str) -> list[Any]:
    if isinstance(value, bytes):
        return list(value)
    if not isinstance(value, list):
        raise ExpressionError(f"cannot {what} {go_type(value)}")
    return value


def _map(value: Any, what: str) -> dict[Any, Any]:
    if not isinstance(value, dict):
        raise ExpressionError(what.format(go_type(value)))
    return value


def _end(at: int) -> Callable[[Frame, Any], Any]:
    def run(frame: Frame, value: Any) -> Any:
        return value[at] if isinstance(value, (list, bytes)) and value else None

    return run


def _take(frame: Frame, value: Any, count: Any) -> Any:
    found = _array(value, "take from")
    if type(count) is not int:
        raise ExpressionError(f"cannot take {go_type(count)} elements")
    if count < 0:
        raise ExpressionError("slice bounds out of range")
    return found[:count]


def _from_pairs(frame: Frame, value: Any) -> dict[Any, Any]:
    made: dict[Any, Any] = {}
    for pair in _array(value, "transform from pairs"):
        if not isinstance(pair, list):
            raise ExpressionError(f"invalid pair {show(pair)}")
        if len(pair) != 2:
            raise ExpressionError(f"invalid pair length {show(pair)}")
        made[pair[0]] = pair[1]
    return made


def _reverse(frame: Frame, value: Any) -> list[Any]:
    found = _array(value, "reverse")
    frame.spend(len(found))
    return found[::-1]


def _uniq(frame: Frame, value: Any) -> list[Any]:
    kept: list[Any] = []
    for one in _array(value, "uniq"):
        frame.spend(1 + len(kept) // 16)  # a comparison with each that was kept
        if not any(equal(one, other) for other in kept):
            kept.append(one)
    return kept


def _concat(frame: Frame, *values: Any) -> list[Any]:
    made: list[Any] = []
    for value in values:
        found = _array(value, "concat")
        frame.spend(len(found))
        made += found
    return made


def _flatten(frame: Frame, value: Any, depth: int = 0) -> list[Any]:
    if depth > _MAX_DEPTH:
        raise ExpressionError("recursion depth exceeded")
    made: list[Any] = []
    for one in _array(value, "flatten"):
        made += _flatten(frame, one, depth + 1) if isinstance(one, list) else [one]
    frame.spend(len(made))
    return made


def _sort(frame: Frame, value: Any, order: Any = "asc") -> list[Any]:
    found = _array(value, "sort")
    if not isinstance(order, str):
        raise ExpressionError(f"sort order argument must be a string (got {go_type(order)})")
    frame.spend(len(found))
    return sorted(found, key=functools.cmp_to_key(compared), reverse=descends(order))


ARRAYS: dict[str, Callable[..., Any]] = {
    "first": _end(0),
    "last": _end(-1),
    "take": _take,
    "keys": lambda frame, value: list(_map(value, "cannot get keys from {}")),
    "values": lambda frame, value: list(_map(value, "cannot get values from {}").values()),
    "toPairs": lambda frame, value: [[k, v] for k, v in _map(value, "cannot transform {} to pairs").items()],
    "fromPairs": _from_pairs,
    "reverse": _reverse,
    "uniq": _uniq,
    "concat": _concat,
    "flatten": _flatten,
    "sort": _sort,
}
