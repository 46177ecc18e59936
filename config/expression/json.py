"""JSON as Go reads and writes it: numbers are floats, keys are sorted, `<`, `>` and `&` are escaped."""

from __future__ import annotations

import base64
import json
import math
from typing import Any

from .dates import Duration, Time
from .errors import ExpressionError
from .show import go_type, show, show_float

_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def to_json(value: Any, indent: str = "") -> str:
    """Return the text, indented by two spaces a level."""
    deeper = indent + "  "
    if value is None or isinstance(value, bool):
        return "null" if value is None else show(value)
    if isinstance(value, Duration):
        return str(int(value))
    if isinstance(value, Time):
        return quoted(value.Format("2006-01-02T15:04:05.999999999Z07:00"))
    if isinstance(value, float) and not math.isfinite(value):
        raise ExpressionError(f"json: unsupported value: {show_float(value)}")
    if isinstance(value, (int, float)):
        return show(value)
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, bytes):
        return quoted(base64.b64encode(value).decode())
    if isinstance(value, list):
        inner = [deeper + to_json(one, deeper) for one in value]
        return "[\n" + ",\n".join(inner) + f"\n{indent}]" if inner else "[]"
    if isinstance(value, dict):
        if any(not isinstance(key, str) for key in value):
            raise ExpressionError("json: unsupported type: map[interface {}]interface {}")
        inner = [f"{deeper}{quoted(key)}: {to_json(value[key], deeper)}" for key in sorted(value)]
        return "{\n" + ",\n".join(inner) + f"\n{indent}}}" if inner else "{}"
    raise ExpressionError(f"json: unsupported type: {go_type(value)}")


def quoted(text: str) -> str:
    """Return a string literal."""
    made = json.dumps(text, ensure_ascii=False)
    return "".join(_ESCAPES.get(char, char) for char in made)


def from_json(text: str) -> Any:
    """Return the value of a text."""
    try:
        return json.loads(text, parse_int=_number, parse_float=_number, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise ExpressionError(f"invalid JSON: {error}") from None


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"cannot unmarshal number {text} into Go value of type float64")
    return value


def _refuse(text: str) -> Any:
    raise ValueError(f"invalid character '{text[0]}' looking for beginning of value")
