"""The types of expressions, named as Go names them: what the checker reckons with and what environments declare."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal[
    "any", "nil", "bool", "int", "float", "string", "bytes", "array", "map", "function", "time", "duration", "location"
]


@dataclass(frozen=True, slots=True)
class Type:
    """One type. Two types are assignable if their texts are equal, so `text` is Go's name.

    `element` is what an array or map holds, `fields` a map's known keys, all there are if it is `strict`. A function
    has `takes` and `gives`.
    """

    text: str
    kind: Kind
    element: Type | None = None
    fields: Mapping[str, Type] | None = field(default=None, hash=False)
    strict: bool = False
    takes: tuple[Type, ...] = ()
    gives: Type | None = None

    @property
    def is_number(self) -> bool:
        """Tell whether it is an int or a float."""
        return self.kind in ("int", "float")

    @property
    def of(self) -> Type:
        """The type of the elements, ANY where it is not known."""
        return self.element or ANY


ANY = Type("unknown", "any")
NIL = Type("nil", "nil")
BOOL = Type("bool", "bool")
INT = Type("int", "int")
FLOAT = Type("float64", "float")
STRING = Type("string", "string")
BYTES = Type("[]uint8", "bytes", INT)
TIME = Type("time.Time", "time")
DURATION = Type("time.Duration", "duration")
LOCATION = Type("*time.Location", "location")
ARRAY = Type("[]interface {}", "array")
INTS = Type("[]int", "array", INT)
FLOATS = Type("[]float64", "array", FLOAT)
STRINGS = Type("[]string", "array", STRING)
MAP = Type("map[string]interface {}", "map")
MAP_OF_ANY = Type("map[interface {}]interface {}", "map")
GROUPS = Type("map[interface {}][]interface {}", "map", ARRAY)


def array_of(element: Type) -> Type:
    """Return the type of an array literal whose elements are known to be of one type."""
    return Type(ARRAY.text, "array", element)


def function(takes: tuple[Type, ...], gives: Type) -> Type:
    """Return the type of a function, for an environment."""
    inside = ", ".join("interface {}" if one.kind == "any" else one.text for one in takes)
    return Type(f"func({inside}) {gives.text}", "function", takes=takes, gives=gives)


def assignable(given: Type, wanted: Type) -> bool:
    """Tell whether a value of one type may stand where the other is wanted; ANY is judged when it runs."""
    if wanted.kind == "any" or given.kind == "any" or given.text == wanted.text:
        return True
    return given.kind == "nil" and wanted.kind in ("array", "map", "location")


def comparable(left: Type, right: Type) -> bool:
    """Tell whether `==` may stand between two types."""
    kinds = {left.kind, right.kind}
    if kinds & {"any", "nil"} or (left.is_number and right.is_number):
        return True
    return left.text == right.text or kinds == {"array"}


def maybe(left: Type, right: Type, *kinds: Kind) -> bool:
    """Tell whether an operator for these kinds may work, one side or both being known only when it runs."""
    if left.kind == "any":
        return right.kind == "any" or right.kind in kinds
    return right.kind == "any" and left.kind in kinds
