"""The syntax tree. `at` is the offset in the source that an error points to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class Node:
    """Base of all nodes."""

    at: int


@dataclass(slots=True)
class Literal(Node):
    """A number, string, bytes, true, false or nil."""

    value: Any


@dataclass(slots=True)
class Name(Node):
    """A variable, or something of the environment."""

    name: str


@dataclass(slots=True)
class Unary(Node):
    """`not`, `!`, `-`, `+`."""

    op: str
    operand: Node


@dataclass(slots=True)
class Binary(Node):
    """An operator between two operands."""

    op: str
    left: Node
    right: Node


@dataclass(slots=True)
class Chain(Node):
    """Where a `?.` inside gives up: the whole is nil."""

    inner: Node


@dataclass(slots=True)
class Member(Node):
    """`base.name`, `base[index]`, with `?.` optional."""

    base: Node
    key: Node
    optional: bool = False
    called: bool = False


@dataclass(slots=True)
class Slice(Node):
    """`base[low:high]`."""

    base: Node
    low: Node | None
    high: Node | None


@dataclass(slots=True)
class Call(Node):
    """A call of something of the environment or of a method."""

    callee: Node
    arguments: list[Node]


@dataclass(slots=True)
class Builtin(Node):
    """A call of a built-in function."""

    name: str
    arguments: list[Node]


@dataclass(slots=True)
class Closure(Node):
    """The predicate of a built-in."""

    body: Node


@dataclass(slots=True)
class Pointer(Node):
    """`#`, `#acc`, `#index` inside a predicate."""

    name: str


@dataclass(slots=True)
class Let(Node):
    """`let name = value; body`."""

    name: str
    value: Node
    body: Node


@dataclass(slots=True)
class Sequence(Node):
    """`a; b`: the last value counts."""

    items: list[Node]


@dataclass(slots=True)
class Conditional(Node):
    """`test ? yes : no` and `if test { yes } else { no }`."""

    test: Node
    yes: Node
    no: Node


@dataclass(slots=True)
class Array(Node):
    """`[a, b]`."""

    items: list[Node]


@dataclass(slots=True)
class Map(Node):
    """`{key: value}`."""

    pairs: list[tuple[Node, Node]]
