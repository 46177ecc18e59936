"""Constants as Go writes them: strings, characters, numbers."""

from __future__ import annotations

import re

_ESCAPE = re.compile(
    r"""\\(?:x([0-9a-fA-F]{2})|([0-7]{3})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([abfnrtv\\'"])|(.))""", re.DOTALL
)
_SHORT = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def unquote(text: str) -> str:
    """Return the value of a string literal; raises ValueError. Octets above 0x7f become surrogate escapes."""
    if text[0] == "`":
        return text[1:-1].replace("\r", "")

    def resolve(match: re.Match[str]) -> str:
        octet = match[1] or match[2]
        if octet:
            code = int(octet, 16 if match[1] else 8)
            if code > 255:
                raise ValueError("invalid syntax")
            return bytes((code,)).decode("utf-8", "surrogateescape")
        if match[3] or match[4]:
            code = int(match[3] or match[4], 16)
            if code > 0x10FFFF or 0xD800 <= code < 0xE000:
                raise ValueError("invalid syntax")
            return chr(code)
        if match[6]:
            raise ValueError("invalid syntax")
        return _SHORT.get(match[5], match[5])

    joined = _ESCAPE.sub(resolve, text[1:-1])
    return joined.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")


def character(text: str) -> int:
    """Return the code of a character constant; raises ValueError."""
    value = unquote(text)
    if len(value) != 1:
        raise ValueError("malformed character constant: " + text)
    return ord(value)


def number(text: str) -> int | float:
    """Return the value of a number, an int unless it has a point or an exponent; raises ValueError."""
    digits = text.replace("_", "").lower()
    sign = -1 if digits[0] == "-" else 1
    digits = digits.lstrip("+-")
    if digits.endswith("i") and not digits.startswith("0x"):
        raise ValueError("complex numbers are not supported")
    for prefix, base in (("0x", 16), ("0b", 2), ("0o", 8)):
        if digits.startswith(prefix):
            return _bounded(sign * int(digits[2:], base), text)
    if any(char in digits for char in ".e"):
        return sign * float(digits)
    if len(digits) > 1 and digits[0] == "0":
        return _bounded(sign * int(digits, 8), text)
    return _bounded(sign * int(digits[:30]), text)


def _bounded(value: int, text: str) -> int:
    if not -(2**63) <= value < 2**63:
        raise ValueError(f"integer overflow: {text}")
    return value
