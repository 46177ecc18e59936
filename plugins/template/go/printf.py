"""Go's `fmt.Sprintf` for the values of templates."""

from __future__ import annotations

import math
import re
from typing import Any

from shardns.config.expression.show import show, show_float
from shardns.config.golang import quote

_VERB = re.compile(r"%(?P<flags>[-+# 0]*)(?P<width>\*|[0-9]*)(?:\.(?P<precision>\*|[0-9]*))?(?P<verb>.?)", re.DOTALL)
MAX_WIDTH = 10_000  # characters; Go allows a million


def printf(form: str, *values: Any) -> str:
    """Return the formatted text; what does not fit shows as `%!d(string=x)`, as in Go."""
    found: list[str] = []
    at = taken = 0
    for match in _VERB.finditer(form):
        found.append(form[at : match.start()])
        at = match.end()
        verb = match["verb"]
        if verb == "%":
            found.append("%")
            continue
        if not verb:
            found.append("%!(NOVERB)")
            continue
        numbers: dict[str, int | None] = {}
        for part in ("width", "precision"):
            text = match[part]
            numbers[part] = (
                None if text is None or (part == "width" and not text) else int(text or 0) if text != "*" else -1
            )
            if text == "*":
                value = values[taken] if taken < len(values) else None
                taken += 1
                if type(value) is int:
                    numbers[part] = value
                else:
                    found.append(f"%!(BAD{'WIDTH' if part == 'width' else 'PREC'})")
                    numbers[part] = None
        if taken >= len(values):
            found.append(f"%!{verb}(MISSING)")
            continue
        found.append(_one(match["flags"], numbers["width"], numbers["precision"], verb, values[taken]))
        taken += 1
    found.append(form[at:])
    if taken < len(values):
        extra = ", ".join(f"{_type(value)}={show(value)}" if value is not None else "<nil>" for value in values[taken:])
        found.append(f"%!(EXTRA {extra})")
    return "".join(found)


def _one(flags: str, width: int | None, precision: int | None, verb: str, value: Any) -> str:
    if width is not None and width < 0:
        flags, width = flags + "-", -width
    width = min(width or 0, MAX_WIDTH)
    precision = min(precision, MAX_WIDTH) if precision is not None and precision >= 0 else None
    text = _text(flags, precision, verb, value)
    if "-" in flags or len(text) >= width:
        return text.ljust(width)
    if ("0" in flags and verb not in "vTqc") or ("0" in flags and _is_number(value)):
        sign = text[:1] if text[:1] in ("+", "-", " ") and _is_number(value) else ""
        return sign + text[len(sign) :].rjust(width - len(sign), "0")
    return text.rjust(width)


def _is_number(value: Any) -> bool:
    return type(value) is int or type(value) is float


def _type(value: Any) -> str:
    from .values import type_name

    return type_name(value)


def _text(flags: str, precision: int | None, verb: str, value: Any) -> str:
    if verb == "T":
        return _type(value)
    if verb == "v":
        if "#" in flags and isinstance(value, str):
            return quote(value)
        return _signed(flags, show(value)) if _is_number(value) else show(value)
    if value is None:
        return f"%!{verb}(<nil>)"
    if isinstance(value, bytes):
        value = value.decode("utf-8", "surrogateescape") if verb in "sqxX" else list(value)
    if isinstance(value, list):
        return f"[{' '.join(_text(flags, precision, verb, one) for one in value)}]"
    found: str | None = None
    if isinstance(value, bool):
        found = show(value) if verb == "t" else None
    elif isinstance(value, int):
        found = _integer(flags, precision, verb, value)
    elif isinstance(value, float):
        found = _float(flags, precision, verb, value)
    else:
        found = _string(flags, precision, verb, value if isinstance(value, str) else show(value))
    return f"%!{verb}({_type(value)}={show(value)})" if found is None else found


def _signed(flags: str, text: str) -> str:
    if text[:1] in ("-", "+"):
        return text
    return "+" + text if "+" in flags else " " + text if " " in flags else text


_BASES = {"d": "d", "b": "b", "o": "o", "O": "o", "x": "x", "X": "X"}
_PREFIXES = {"b": "0b", "o": "0", "x": "0x", "X": "0X"}


def _integer(flags: str, precision: int | None, verb: str, value: int) -> str | None:
    if verb in _BASES:
        digits = format(abs(value), _BASES[verb]).rjust(precision or 0, "0")
        prefix = "0o" if verb == "O" else _PREFIXES.get(verb, "") if "#" in flags else ""
        return _signed(flags, ("-" if value < 0 else "") + prefix + digits)
    char = chr(value) if 0 <= value < 0x110000 else "\ufffd"
    match verb:
        case "c":
            return char
        case "q":
            return "'" + ("\\'" if char == "'" else quote(char)[1:-1].replace('\\"', '"')) + "'"
        case "U":
            return f"U+{value:04X}" + (f" '{char}'" if "#" in flags and char.isprintable() else "")
    return None


def _float(flags: str, precision: int | None, verb: str, value: float) -> str | None:
    if verb not in "eEfFgG":
        return None
    if not math.isfinite(value):
        return _signed(flags, show_float(value))
    if verb in "gG" and precision is None:
        text = show_float(value)
        return _signed(flags, text.upper() if verb == "G" else text)
    form = f".{6 if precision is None else precision}{verb}"
    return _signed(flags, format(value, form))


def _string(flags: str, precision: int | None, verb: str, value: str) -> str | None:
    match verb:
        case "s":
            return value if precision is None else value[:precision]
        case "q":
            text = value if precision is None else value[:precision]
            return f"`{text}`" if "#" in flags and "`" not in text and text.isprintable() else quote(text)
        case "x" | "X":
            octets = value.encode("utf-8", "surrogateescape")[: len(value) if precision is None else precision]
            octets = value.encode("utf-8", "surrogateescape") if precision is None else octets
            text = octets.hex(" ") if " " in flags else octets.hex()
            return text.upper() if verb == "X" else text
    return None
