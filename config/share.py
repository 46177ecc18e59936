"""Which word belongs to which field: the part of reading that looks at counts and places, not at values."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile

from .cursor import Cursor
from .errors import WrongCount
from .fields import Arg, Args, Field, Flag, Props, complaint
from .schema import Option, Schema, positional
from .tokens import Token


def most_words(schema: type[Schema]) -> int | None:
    """Return how many arguments the directive's own line can have, None for any number."""
    most = 0
    for option in positional(schema):
        if isinstance(option.spec, Args) and option.spec.most is None:
            return None
        most += option.spec.most or 0 if isinstance(option.spec, Args) else 1
    return most


def braces(schema: type[Schema]) -> int:
    """Return how many words at the head of the directive's own line may be `{`: its required arguments."""
    taking = (isinstance(one.spec, Arg) and one.spec.brace and one.required for one in positional(schema))
    return sum(1 for _ in takewhile(bool, taking))


def share(schema: type[Schema], head: Token, words: list[Token]) -> Iterator[tuple[Option, list[Token]]]:
    """Yield the positional fields with their words; `head` is the word before them. Raises Refuse.

    Like the reference it asks for a word only when those before it have been judged.
    """
    fields = positional(schema)
    most = most_words(schema)
    if most is not None and len(words) > most:
        surplus = fields[-1].spec if fields else None
        at = words[-1] if fields else words[0]
        raise complaint(surplus.surplus if isinstance(surplus, Field) else None, WrongCount(at=at))
    left = list(words)
    last = words[-1] if words else head
    for place, option in enumerate(fields):
        own = _own(option, left, fields[place + 1 :], last)
        left = left[len(own) :]
        yield option, own
    if left:
        raise WrongCount(at=last)


def _own(option: Option, left: list[Token], later: list[Option], last: Token) -> list[Token]:
    """Return the words at the head of `left` that belong to a field."""
    spec = option.spec
    if isinstance(spec, Arg):
        needed = sum(1 for other in later if isinstance(other.spec, Arg) and other.required)
        wanted = spec.when is None or (bool(left) and spec.when(left[0].text))
        if left and wanted and (option.required or len(left) > needed):
            return left[:1]
        if option.required:
            raise complaint(spec.missing, WrongCount(at=last))
        return []
    assert isinstance(spec, Args)
    later_words = sum(1 for other in later if isinstance(other.spec, Arg) and other.required)
    room = max(len(left) - later_words, 0)
    size = room if spec.most is None else min(room, spec.most)
    if size < spec.least:
        raise complaint(spec.missing, WrongCount(at=last))
    return left[:size]


def take(spec: Props, cursor: Cursor) -> list[Token]:
    """Take the words of a property whose name the cursor stands on. Raises Refuse."""
    most = spec.most
    words: list[Token] = []
    if spec.rest == "property":
        while (most is None or len(words) < most) and cursor.next_here():
            words.append(cursor.value)
    elif isinstance(spec, Flag) and spec.rest == "error":
        if cursor.next_here():
            raise complaint(spec.surplus, WrongCount(at=cursor.value))
    else:
        words = cursor.remaining()
    if len(words) < spec.least:
        raise complaint(spec.missing, WrongCount(at=cursor.value))
    if most is not None and len(words) > most:
        if spec.rest == "error":
            raise complaint(spec.surplus, WrongCount(at=cursor.value))
        words = words[:most]
    return words
