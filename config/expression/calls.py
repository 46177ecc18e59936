"""What the built-in functions take and give, for the checker."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from .nodes import Builtin, Literal, Name, Node
from .types import (
    ANY,
    ARRAY,
    BOOL,
    DURATION,
    FLOAT,
    FLOATS,
    GROUPS,
    INT,
    INTS,
    LOCATION,
    MAP,
    MAP_OF_ANY,
    STRING,
    STRINGS,
    TIME,
    Type,
    array_of,
    assignable,
)  # fmt: skip

if TYPE_CHECKING:
    from .check import Checker

Judge = Callable[["Checker", Builtin], Type]

_LETTERS = {
    "a": ANY, "s": STRING, "i": INT, "b": BOOL, "A": ARRAY, "S": STRINGS, "I": INTS, "F": FLOATS, "t": TIME,
    "d": DURATION, "z": LOCATION,
}  # fmt: skip
# The last overload that fails gives the error, as in the reference.
_OVERLOADS = {
    "type": "a>s", "string": "a>s", "trim": "s>s ss>s", "trimPrefix": "ss>s s>s", "trimSuffix": "ss>s s>s",
    "upper": "s>s", "lower": "s>s", "split": "ss>S ssi>S", "splitAfter": "ss>S ssi>S", "replace": "sssi>s sss>s",
    "repeat": "si>s", "join": "Ss>s As>s A>s S>s", "indexOf": "ss>i", "lastIndexOf": "ss>i", "hasPrefix": "ss>b",
    "hasSuffix": "ss>b", "toJSON": "a>s", "fromJSON": "s>a", "toBase64": "s>s", "fromBase64": "s>s",
    "duration": "s>d", "timezone": "s>z", "sort": "As>A Is>A Fs>A Ss>A A>A F>A S>A I>A", "bitand": "ii>i",
    "bitor": "ii>i", "bitxor": "ii>i", "bitnand": "ii>i", "bitshl": "ii>i", "bitshr": "ii>i", "bitushr": "ii>i",
    "bitnot": "i>i",
}  # fmt: skip


class Mistake(Exception):
    """A wrong call: what is wrong, and at which node."""

    def __init__(self, node: Node, text: str) -> None:
        super().__init__(text)
        self.node = node
        self.text = text


@cache
def overloads(name: str) -> tuple[tuple[tuple[Type, ...], Type], ...]:
    """Return the signatures of a built-in."""
    found = []
    for text in _OVERLOADS[name].split():
        takes, _, gives = text.partition(">")
        found.append((tuple(_LETTERS[letter] for letter in takes), _LETTERS[gives]))
    return tuple(found)


def _collection(checker: Checker, node: Builtin) -> Type:
    given = checker.check(node.arguments[0])
    if given.kind != "any" and given.kind not in ("array", "bytes"):
        raise Mistake(node.arguments[0], f"builtin {node.name} takes only array (got {given.text})")
    return given


def _test(checker: Checker, node: Builtin, collection: Type) -> None:
    if len(node.arguments) > 1:
        found = checker.predicate(node.arguments[1], collection)
        if found not in (ANY, BOOL):
            raise Mistake(node.arguments[1], f"predicate should return boolean (got {found.text})")


def _tested(gives: Callable[[Type], Type]) -> Judge:
    def judge(checker: Checker, node: Builtin) -> Type:
        collection = _collection(checker, node)
        _test(checker, node, collection)
        return gives(collection)

    return judge


def _map(checker: Checker, node: Builtin) -> Type:
    return array_of(checker.predicate(node.arguments[1], _collection(checker, node), index=INT))


def _sum(checker: Checker, node: Builtin) -> Type:
    collection = _collection(checker, node)
    return checker.predicate(node.arguments[1], collection) if len(node.arguments) > 1 else collection.of


def _group_by(checker: Checker, node: Builtin) -> Type:
    checker.predicate(node.arguments[1], _collection(checker, node))
    return GROUPS


def _sort_by(checker: Checker, node: Builtin) -> Type:
    collection = _collection(checker, node)
    checker.predicate(node.arguments[1], collection)
    if len(node.arguments) > 2 and (order := checker.check(node.arguments[2])) not in (ANY, STRING):
        raise Mistake(node.arguments[2], f"sortBy order argument must be a string (got {order.text})")
    return collection


def _reduce(checker: Checker, node: Builtin) -> Type:
    found = checker.predicate(node.arguments[1], _collection(checker, node), index=INT, acc=ANY)
    if len(node.arguments) > 2:
        checker.check(node.arguments[2])
    return found


def _types(checker: Checker, node: Builtin, count: int) -> list[Type]:
    given = [checker.check(argument) for argument in node.arguments]
    if len(given) != count:
        raise Mistake(node, f"invalid number of arguments (expected {count}, got {len(given)})")
    return given


def _one(kinds: str, gives: Callable[[Type], Type], text: str) -> Judge:
    """A function of one argument of these kinds; `{}` in the complaint is the type."""
    allowed = frozenset(kinds.split()) | {"any"}

    def judge(checker: Checker, node: Builtin) -> Type:
        (given,) = _types(checker, node, 1)
        if given.kind not in allowed:
            raise Mistake(node, text.format(_go(given), name=node.name))
        return gives(given)

    return judge


def _go(given: Type) -> str:
    return "interface {}" if given.kind == "any" else given.text


def _aggregate(checker: Checker, node: Builtin) -> Type:
    given = [checker.check(argument) for argument in node.arguments]
    if not given:
        raise Mistake(node, f"not enough arguments to call {node.name}")
    for one in given:
        if one.kind in ("any", "array", "bytes"):
            return ANY
        if not one.is_number:
            raise Mistake(node, f"invalid argument for {node.name} (type {_go(one)})")
    return given[0]


def _now(checker: Checker, node: Builtin) -> Type:
    given = [checker.check(argument) for argument in node.arguments]
    if given and (len(given) > 1 or given[0] != LOCATION):
        raise Mistake(node, f"invalid number of arguments (expected 0, got {len(given)})")
    return TIME


def _date(checker: Checker, node: Builtin) -> Type:
    given = [checker.check(argument) for argument in node.arguments]
    if not given:
        raise Mistake(node, "invalid number of arguments (expected at least 1, got 0)")
    if len(given[given[0] == LOCATION :]) > 3:
        raise Mistake(node, f"invalid number of arguments (expected at most 3, got {len(given)})")
    return TIME


def _take(checker: Checker, node: Builtin) -> Type:
    array, count = _types(checker, node, 2)
    if array.kind not in ("any", "array", "bytes"):
        raise Mistake(node, f"cannot take from {_go(array)}")
    if count not in (ANY, INT):
        raise Mistake(node, f"cannot take {_go(count)} elements")
    return array


def _concat(checker: Checker, node: Builtin) -> Type:
    given = [checker.check(argument) for argument in node.arguments]
    if not given:
        raise Mistake(node, "invalid number of arguments (expected at least 1, got 0)")
    for one in given:
        if one.kind not in ("any", "array", "bytes"):
            raise Mistake(node, f"cannot concat {_go(one)}")
    return ARRAY


def _get(checker: Checker, node: Builtin) -> Type:
    base, key = _types(checker, node, 2)
    first, second = node.arguments
    if isinstance(first, Name) and first.name == "$env":
        name = second.value if isinstance(second, Literal) else None
        return checker.environment.get(name, ANY) if isinstance(name, str) else ANY
    if base.kind == "any":
        return ANY
    if base.kind in ("array", "bytes"):
        if key not in (ANY, INT):
            raise Mistake(second, f"non-integer slice index {key.text}")
        return base.of
    if base.kind == "map":
        if base.text == MAP.text and not assignable(key, STRING):
            raise Mistake(second, f"cannot use {key.text} to get an element from {base.text}")
        return base.of
    raise Mistake(first, f"type {base.text} does not support indexing")


_ARRAYS = "array bytes"
CALLS: dict[str, Judge] = {
    **dict.fromkeys(("all", "none", "any", "one"), _tested(lambda _: BOOL)),
    **dict.fromkeys(("count", "findIndex", "findLastIndex"), _tested(lambda _: INT)),
    **dict.fromkeys(("find", "findLast"), _tested(lambda collection: collection.of)),
    "filter": _tested(lambda collection: ARRAY if collection.kind == "any" else array_of(collection.of)),
    "map": _map,
    "sum": _sum,
    "groupBy": _group_by,
    "sortBy": _sort_by,
    "reduce": _reduce,
    "len": _one("array bytes map string", lambda _: INT, "invalid argument for len (type {})"),
    "abs": _one("int float", lambda given: given, "invalid argument for abs (type {})"),
    **dict.fromkeys(
        ("ceil", "floor", "round"), _one("int float", lambda _: FLOAT, "invalid argument for {name} (type {})")
    ),
    "int": _one("int float string duration", lambda _: INT, "invalid argument for int (type {})"),
    "float": _one("int float string duration", lambda _: FLOAT, "invalid argument for float (type {})"),
    **dict.fromkeys(("max", "min", "mean", "median"), _aggregate),
    "now": _now,
    "date": _date,
    "first": _one(_ARRAYS, lambda given: given.of, "cannot get first element from {}"),
    "last": _one(_ARRAYS, lambda given: given.of, "cannot get last element from {}"),
    "get": _get,
    "take": _take,
    "keys": _one("map", lambda _: ARRAY, "cannot get keys from {}"),
    "values": _one("map", lambda _: ARRAY, "cannot get values from {}"),
    "toPairs": _one("map", lambda _: ARRAY, "cannot transform {} to pairs"),
    "fromPairs": _one(_ARRAYS, lambda _: MAP_OF_ANY, "cannot transform {} from pairs"),
    "reverse": _one(_ARRAYS, lambda _: ARRAY, "cannot reverse {}"),
    "uniq": _one(_ARRAYS, lambda _: ARRAY, "cannot uniq {}"),
    "concat": _concat,
    "flatten": _one(_ARRAYS, lambda _: ARRAY, "cannot flatten {}"),
}
BUILTINS = frozenset(CALLS) | frozenset(_OVERLOADS)
