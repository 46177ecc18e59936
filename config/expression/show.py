"""Values as Go prints them: `%v` and `%T`."""

from __future__ import annotations

import math
from typing import Any

from shardns.config.golang import duration_text

_NAMES = {
    type(None): "<nil>", bool: "bool", int: "int", float: "float64", str: "string", bytes: "[]uint8",
    list: "[]interface {}", dict: "map[string]interface {}",
}  # fmt: skip


def go_type(value: Any) -> str:
    """Return the name of a value's type, `%T`."""
    return _NAMES.get(type(value)) or str(getattr(value, "GO_TYPE", "func()"))


def show(value: Any) -> str:
    """Return a value's text, `%v`."""
    if isinstance(value, str):
        return value
    if value is None:
        return "<nil>"
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, float):
        return show_float(value)
    if isinstance(value, (list, tuple, bytes)):
        return f"[{' '.join(map(show, value))}]"
    if isinstance(value, dict):
        pairs = sorted((show(key), show(inner)) for key, inner in value.items())
        return f"map[{' '.join(f'{key}:{inner}' for key, inner in pairs)}]"
    return str(value)


def show_float(value: float) -> str:
    """Return a float's shortest text, with an exponent below 1e-4 and from 1e21."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    size = abs(value)
    if size and (size < 1e-4 or size >= 1e21):
        mantissa, _, exponent = f"{value!r}e0".partition("e")
        if "e" not in repr(value):
            mantissa, _, exponent = f"{value:.17e}".partition("e")
        power = int(exponent.partition("e")[0])
        return f"{mantissa.removesuffix('.0')}e{'-' if power < 0 else '+'}{abs(power):02d}"
    text = repr(value) if "e" not in repr(value) else f"{value:.0f}"
    return text.removesuffix(".0")


def show_duration(nanoseconds: int) -> str:
    """Return a duration's text."""
    return duration_text(nanoseconds / 1e9)
