"""$GENERATE: many records from a range and a template, as BIND introduced it."""

from __future__ import annotations

from typing import Final

from . import tokens
from .errors import Bad, Token

MAX_STEPS: Final = 65535


def lines_of(value: Token, rest: list[Token]) -> bytes:
    """Return the lines that a directive stands for; `value` is its range, `rest` what follows it."""
    start, stop, step = _range(value)
    if not rest or rest[0].kind != tokens.BLANK:
        raise Bad("garbage after $GENERATE range", rest[0] if rest else value)
    template = b"".join([b'"%b"' % t.text if t.kind == tokens.QUOTED else t.text for t in rest[1:-1]])
    parts = _parts(template, start, stop, value)
    return b"".join(
        [b"".join([_fill(part, number) for part in parts]) + b"\n" for number in range(start, stop + 1, step)]
    )


def _range(value: Token) -> tuple[int, int, int]:
    span, slash, step_text = value.text.partition(b"/")
    step = _integer(step_text, value, "bad step in $GENERATE range") if slash else 1
    if step <= 0:
        raise Bad("bad step in $GENERATE range", value)
    first, dash, last = span.partition(b"-")
    if not dash:
        raise Bad("bad start-stop in $GENERATE range", value)
    start = _integer(first, value, "bad start in $GENERATE range")
    stop = _integer(last, value, "bad stop in $GENERATE range")
    if stop < start or (stop - start) // step > MAX_STEPS:
        raise Bad("bad range in $GENERATE range", value)
    return start, stop, step


def _integer(text: bytes, token: Token, error: str) -> int:
    if not text.isdigit() or len(text) > 18:
        raise Bad(error, token)
    return int(text)


# A part of the template: literal text, or (format, offset) of a number.
_Part = bytes | tuple[str, int]


def _fill(part: _Part, number: int) -> bytes:
    if isinstance(part, bytes):
        return part
    form, offset = part
    return format(number + offset, form).encode()


def _parts(template: bytes, start: int, stop: int, token: Token) -> list[_Part]:
    parts: list[_Part] = []
    at = 0
    escaped = False
    while at < len(template):
        char = template[at : at + 1]
        at += 1
        if char == b"\\":
            if escaped:
                parts.append(b"\\")
            escaped = not escaped
        elif char != b"$":
            # A backslash before anything else disappears, and that character with it, as in the reference.
            if not escaped:
                parts.append(char)
            escaped = False
        elif escaped or template[at : at + 1] == b"$":
            parts.append(b"$")
            at += not escaped
            escaped = False
        elif template[at : at + 1] == b"{":
            end = template.find(b"}", at)
            if end < 0:
                raise Bad("bad modifier in $GENERATE", token)
            parts.append(_modifier(template[at + 1 : end], start, stop, token))
            at = end + 1
        else:
            parts.append(("d", 0))
    return parts


def _modifier(text: bytes, start: int, stop: int, token: Token) -> tuple[str, int]:
    fields = text.decode("latin-1").split(",")
    if len(fields) > 3:
        raise Bad("bad modifier in $GENERATE", token)
    offset_text, width_text, base = (*fields, *("0", "0", "d")[len(fields) :])
    if base not in ("o", "d", "x", "X"):
        raise Bad("bad base in $GENERATE", token)
    try:
        offset = int(offset_text)
    except ValueError:
        raise Bad("bad offset in $GENERATE", token) from None
    if not width_text.isdigit() or int(width_text) > 255:
        raise Bad("bad width in $GENERATE", token)
    if start + offset < 0 or stop + offset > 0x7FFFFFFF:
        raise Bad("bad offset in $GENERATE", token)
    return (f"0{int(width_text)}{base}" if int(width_text) else base), offset
