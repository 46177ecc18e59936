"""Built-in functions on values. The first argument of each is the frame, whose budget bounds what they make."""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable
from datetime import UTC, tzinfo
from typing import Any

from . import dates
from .access import fetch
from .arrays import ARRAYS
from .errors import BUDGET_TEXT, ExpressionError
from .frame import Frame
from .json import from_json, to_json
from .operators import string, wrap
from .predicates import compared
from .show import go_type, show

Function = Callable[..., Any]
SPACE = " \t\n\v\f\r\x85\xa0"


def _integer(value: Any) -> int:
    if type(value) is int or isinstance(value, (float, dates.Duration)):
        return int(value)
    raise ExpressionError(f"invalid operation: int({go_type(value)})")


def _len(frame: Frame, value: Any) -> int:
    if isinstance(value, (list, dict, str, bytes)):
        return len(value)
    raise ExpressionError(f"invalid argument for len (type {go_type(value)})")


_TYPE_NAMES = {
    "<nil>": "nil", "float64": "float", "[]uint8": "array", "[]interface {}": "array", "func()": "func",
    "map[string]interface {}": "map",
}  # fmt: skip


def _type(frame: Frame, value: Any) -> str:
    return _TYPE_NAMES.get(go_type(value), go_type(value))


def _number(name: str, work: Callable[[Any], Any]) -> Function:
    def run(frame: Frame, value: Any) -> Any:
        if type(value) is int or type(value) is float:
            return work(value)
        raise ExpressionError(f"invalid argument for {name} (type {go_type(value)})")

    return run


def _rounded(work: Callable[[float], float]) -> Callable[[Any], float]:
    return lambda value: work(float(value)) if math.isfinite(value) else float(value)


def _half_away(value: float) -> float:
    return math.copysign(math.floor(abs(value) + 0.5), value) if abs(value) < 2**52 else value


def _int(frame: Frame, value: Any) -> int:
    if isinstance(value, str):
        if re.fullmatch(r"[+-]?[0-9]{1,30}", value, re.ASCII) and wrap(int(value)) == int(value):
            return int(value)
        raise ExpressionError(f"invalid operation: int({value})")
    if isinstance(value, float) and not abs(value) < 2**63:
        return -(2**63)
    return _integer(value)


def _float(frame: Frame, value: Any) -> float:
    if isinstance(value, str):
        try:
            if not re.search(r"[\s_]", value):
                return float(value)
        except ValueError:
            pass
        raise ExpressionError(f"invalid operation: float({value})")
    if type(value) is int or isinstance(value, (float, dates.Duration)):
        return float(value)
    raise ExpressionError(f"invalid operation: float({go_type(value)})")


def _text(work: Callable[..., Any]) -> Function:
    """A function on strings alone."""
    return lambda frame, *values: work(*[string(value) for value in values])


def _find(work: Callable[[str, str], int]) -> Function:
    """A position, in octets."""

    def run(frame: Frame, text: Any, part: Any) -> int:
        at = work(string(text), string(part))
        return at if at < 0 else len(text[:at].encode("utf-8", "surrogateescape"))

    return run


def _split(frame: Frame, text: Any, separator: Any, count: Any = -1, keep: str = "") -> list[str]:
    return _parts(frame, string(text), string(separator), _integer(count), keep)


def _parts(frame: Frame, text: str, separator: str, count: int, keep: str) -> list[str]:
    if count == 0:
        return []
    frame.spend(len(text) if not separator else text.count(separator) + 1)
    if not separator:
        parts = list(text) if count < 0 else [*text[: count - 1], text[count - 1 :]] if text else []
        return [part for part in parts if part]
    parts = text.split(separator, -1 if count < 0 else count - 1)
    return [part + keep for part in parts[:-1]] + parts[-1:]


def _split_after(frame: Frame, text: Any, separator: Any, count: Any = -1) -> list[str]:
    return _split(frame, text, separator, count, keep=string(separator))


def _replace(frame: Frame, text: Any, old: Any, new: Any, count: Any = -1) -> str:
    body, size = string(text), len(string(text)) + string(text).count(string(old)) * len(string(new))
    if size > 1000:
        frame.spend(size)
    return body.replace(old, new, max(-1, _integer(count)))


def _repeat(frame: Frame, text: Any, count: Any) -> str:
    times = _integer(count)
    if times < 0:
        raise ExpressionError(f"invalid argument for repeat (expected positive integer, got {times})")
    if times > 1_000_000:
        raise ExpressionError(BUDGET_TEXT)
    frame.spend(len(string(text)) * times)
    return string(text) * times


def _join(frame: Frame, values: Any, glue: Any = "") -> str:
    if not isinstance(values, list):
        raise ExpressionError(f"invalid argument for join (type {go_type(values)})")
    texts = [string(value) for value in values]
    frame.spend(sum(map(len, texts)) + len(string(glue)) * len(texts))
    return str(glue).join(texts)


def _from_base64(frame: Frame, text: Any) -> str:
    try:
        return base64.b64decode(re.sub(r"[\r\n]", "", string(text)), validate=True).decode("utf-8", "surrogateescape")
    except binascii.Error:
        raise ExpressionError("illegal base64 data at input byte 0") from None


def _extreme(name: str, sign: int) -> Function:
    def pick(values: tuple[Any, ...] | list[Any]) -> Any:
        best = None
        for value in values:
            found = pick(value) if isinstance(value, list) else value
            if found is None and isinstance(value, list):
                continue
            if type(found) is not int and type(found) is not float:
                raise ExpressionError(f"invalid argument for {name} (type {go_type(found)})")
            if best is None or sign * compared(found, best) > 0:
                best = found
        return best

    return lambda frame, *values: pick(values)


def _flat(name: str, values: tuple[Any, ...] | list[Any]) -> list[float]:
    found: list[float] = []
    for value in values:
        if isinstance(value, list):
            found += _flat(name, value)
        elif type(value) is int or type(value) is float:
            found.append(float(value))
        else:
            raise ExpressionError(f"invalid argument for {name} (type {go_type(value)})")
    return found


def _mean(frame: Frame, *values: Any) -> float:
    found = _flat("mean", values)
    return sum(found) / len(found) if found else 0.0


def _median(frame: Frame, *values: Any) -> float:
    found = sorted(_flat("median", values))
    middle = len(found) // 2
    if not found:
        return 0.0
    return found[middle] if len(found) % 2 else (found[middle - 1] + found[middle]) / 2


def _now(frame: Frame, zone: Any = UTC) -> dates.Time:
    return dates.now(zone)


def _date(frame: Frame, *values: Any) -> dates.Time:
    zone: Any = UTC
    if values and isinstance(values[0], tzinfo):
        zone, values = values[0], values[1:]
    texts = [string(value) for value in values]
    if len(texts) == 3:
        zone = dates.timezone(texts[2])
    return dates.date(texts[0], texts[1] if len(texts) > 1 else None, zone)


def _bits(name: str, work: Callable[[int, int], int]) -> Function:
    def run(frame: Frame, left: Any, right: Any) -> int:
        for value in (left, right):
            if type(value) is not int:
                raise ExpressionError(f"cannot use {go_type(value)} as argument (type int) to call {name}")
        if name.startswith("bitsh") or name == "bitushr":
            if right < 0:
                raise ExpressionError(f"invalid operation: negative shift count {right} (type int)")
            right = min(right, 64)
        return wrap(work(left, right))

    return run


def _get(frame: Frame, base: Any, key: Any) -> Any:
    try:
        return fetch(base, key)
    except ExpressionError:
        return None


FUNCTIONS: dict[str, Function] = {
    **ARRAYS,
    "len": _len, "type": _type, "string": lambda frame, value: show(value), "get": _get,
    "abs": _number("abs", lambda value: wrap(abs(value)) if type(value) is int else abs(value)),
    "ceil": _number("ceil", _rounded(lambda value: float(math.ceil(value)))),
    "floor": _number("floor", _rounded(lambda value: float(math.floor(value)))),
    "round": _number("round", _rounded(_half_away)), "int": _int, "float": _float,
    "trim": _text(lambda text, chars=SPACE: text.strip(chars) if chars else text),
    "trimPrefix": _text(lambda text, prefix=" ": text.removeprefix(prefix)),
    "trimSuffix": _text(lambda text, suffix=" ": text.removesuffix(suffix)),
    "upper": _text(str.upper), "lower": _text(str.lower), "split": _split, "splitAfter": _split_after,
    "replace": _replace, "repeat": _repeat, "join": _join, "indexOf": _find(str.find),
    "lastIndexOf": _find(str.rfind), "hasPrefix": _text(lambda text, prefix: text.startswith(prefix)),
    "hasSuffix": _text(lambda text, suffix: text.endswith(suffix)), "max": _extreme("max", 1),
    "min": _extreme("min", -1), "mean": _mean, "median": _median,
    "toJSON": lambda frame, value: to_json(value), "fromJSON": lambda frame, text: from_json(string(text)),
    "toBase64": lambda frame, text: base64.b64encode(string(text).encode("utf-8", "surrogateescape")).decode(),
    "fromBase64": _from_base64, "now": _now, "date": _date,
    "duration": lambda frame, text: dates.duration(string(text)),
    "timezone": lambda frame, name: dates.timezone(string(name)),
    "bitand": _bits("bitand", lambda x, y: x & y), "bitor": _bits("bitor", lambda x, y: x | y),
    "bitxor": _bits("bitxor", lambda x, y: x ^ y), "bitnand": _bits("bitnand", lambda x, y: x & ~y),
    "bitshl": _bits("bitshl", lambda x, y: x << y), "bitshr": _bits("bitshr", lambda x, y: x >> y),
    "bitushr": _bits("bitushr", lambda x, y: (x & 0xFFFFFFFFFFFFFFFF) >> y),
    "bitnot": lambda frame, value: ~_integer(value),
}  # fmt: skip
