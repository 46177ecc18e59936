"""Elements, members and slices."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo
from typing import Any

from .dates import METHOD_NAMES, Duration, Time
from .errors import ExpressionError
from .show import go_type, show


def fetch(base: Any, key: Any) -> Any:
    """Return `base[key]`: of a map nil where it has no such key, of a time or duration a method."""
    if isinstance(base, Mapping):
        return base.get(key)
    if isinstance(base, (list, str, bytes)):
        if type(key) is not int and type(key) is not float:
            raise ExpressionError(f"invalid operation: int({go_type(key)})")
        units = base.encode() if isinstance(base, str) else base
        at = int(key) + (len(units) if key < 0 else 0)
        if not 0 <= at < len(units):
            raise ExpressionError(f"index out of range: {at} (array length is {len(units)})")
        return units[at]
    kind = "time" if isinstance(base, Time) else "duration" if isinstance(base, Duration) else ""
    if kind and key in METHOD_NAMES[kind]:
        return getattr(base, key)
    if isinstance(base, tzinfo) and key == "String":
        return lambda: str(base)
    raise ExpressionError(f"cannot fetch {show(key)} from {go_type(base)}")


def sliced(base: Any, low: Any, high: Any) -> Any:
    """Return `base[low:high]`: bounds below 0 count from the end, strings are cut by octets."""
    if not isinstance(base, (list, str, bytes)):
        raise ExpressionError(f"cannot slice {show(base)}")
    units = base.encode("utf-8", "surrogateescape") if isinstance(base, str) else base
    bounds = []
    for bound in (low, len(units) if high is None else high):
        if type(bound) is not int:
            raise ExpressionError(f"invalid operation: int({go_type(bound)})")
        bounds.append(min(len(units), max(0, bound + len(units) if bound < 0 else bound)))
    part = units[min(bounds[0], bounds[1]) : bounds[1]]
    return part.decode("utf-8", "surrogateescape") if isinstance(base, str) and isinstance(part, bytes) else part
