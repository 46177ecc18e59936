"""Built-ins that run a predicate over a collection."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

from . import operators
from .errors import ExpressionError
from .frame import Frame, Run
from .show import go_type

Loop = Callable[..., Run]


def items(frame: Frame, collection: Any, name: str) -> list[Any]:
    """Return the elements; visiting them counts against the budget."""
    if isinstance(collection, bytes):
        collection = list(collection)
    if not isinstance(collection, list):
        raise ExpressionError(f"cannot {name} over {go_type(collection)}")
    frame.spend(len(collection))
    return collection


def each(frame: Frame, found: list[Any], predicate: Run, backwards: bool = False) -> Iterator[tuple[int, Any]]:
    """Yield positions and what the predicate says there; the outer predicate's pointers are put back."""
    item, number, total = frame.item, frame.number, frame.total
    try:
        for at in range(len(found) - 1, -1, -1) if backwards else range(len(found)):
            frame.item, frame.number = found[at], at
            value = predicate(frame)
            frame.item, frame.number, frame.total = item, number, total
            yield at, value
    finally:
        frame.item, frame.number, frame.total = item, number, total


def _test(name: str, decide: Callable[[Iterator[bool]], Any]) -> Loop:
    def build(collection: Run, predicate: Run) -> Run:
        def run(frame: Frame) -> Any:
            found = items(frame, collection(frame), name)
            return decide(operators.boolean(value) for _, value in each(frame, found, predicate))

        return run

    return build


def _find(name: str, backwards: bool, index: bool) -> Loop:
    def build(collection: Run, predicate: Run) -> Run:
        def run(frame: Frame) -> Any:
            found = items(frame, collection(frame), name)
            for at, value in each(frame, found, predicate, backwards):
                if operators.boolean(value):
                    return at if index else found[at]
            return -1 if index else None

        return run

    return build


def _filter(collection: Run, predicate: Run) -> Run:
    def run(frame: Frame) -> Any:
        found = items(frame, collection(frame), "filter")
        return [found[at] for at, value in each(frame, found, predicate) if operators.boolean(value)]

    return run


def _map(collection: Run, predicate: Run) -> Run:
    return lambda frame: [value for _, value in each(frame, items(frame, collection(frame), "map"), predicate)]


def _count(collection: Run, predicate: Run | None = None) -> Run:
    def run(frame: Frame) -> int:
        found = items(frame, collection(frame), "count")
        values = found if predicate is None else (value for _, value in each(frame, found, predicate))
        return sum(operators.boolean(value) for value in values)

    return run


def _sum(collection: Run, predicate: Run | None = None) -> Run:
    def run(frame: Frame) -> Any:
        found = items(frame, collection(frame), "sum")
        values = found if predicate is None else (value for _, value in each(frame, found, predicate))
        return functools.reduce(operators.add, values, 0)

    return run


def _group_by(collection: Run, predicate: Run) -> Run:
    def run(frame: Frame) -> Any:
        found = items(frame, collection(frame), "groupBy")
        groups: dict[Any, list[Any]] = {}
        for at, value in each(frame, found, predicate):
            groups.setdefault(value, []).append(found[at])
        return groups

    return run


def compared(left: Any, right: Any) -> int:
    """Order two values of a kind; raises ExpressionError where they have no order."""
    return -1 if operators.less(left, right) else int(operators.less(right, left))


order_key = functools.cmp_to_key(compared)


def descends(order: Any) -> bool:
    """Read `asc` or `desc`."""
    if order not in ("asc", "desc"):
        raise ExpressionError(f"invalid order {order}, expected asc or desc")
    return bool(order == "desc")


def _sort_by(collection: Run, predicate: Run, order: Run | None = None) -> Run:
    def run(frame: Frame) -> Any:
        found = items(frame, collection(frame), "sortBy")
        keyed = [(value, found[at]) for at, value in each(frame, found, predicate)]
        backwards = descends(order(frame)) if order else False
        keyed.sort(key=lambda pair: order_key(pair[0]), reverse=backwards)
        return [item for _, item in keyed]

    return run


def _reduce(collection: Run, predicate: Run, start: Run | None = None) -> Run:
    def run(frame: Frame) -> Any:
        found = items(frame, collection(frame), "reduce")
        if start is None and not found:
            raise ExpressionError("reduce of empty array with no initial value")
        total = found[0] if start is None else start(frame)
        item, number, outer = frame.item, frame.number, frame.total
        for at in range(start is None, len(found)):
            frame.item, frame.number, frame.total = found[at], at, total
            total = predicate(frame)
        frame.item, frame.number, frame.total = item, number, outer
        return total

    return run


PREDICATES: dict[str, Loop] = {
    "all": _test("all", all),
    "any": _test("any", any),
    "none": _test("none", lambda values: not any(values)),
    "one": _test("one", lambda values: sum(values) == 1),
    "filter": _filter,
    "map": _map,
    "count": _count,
    "sum": _sum,
    "find": _find("find", backwards=False, index=False),
    "findIndex": _find("findIndex", backwards=False, index=True),
    "findLast": _find("findLast", backwards=True, index=False),
    "findLastIndex": _find("findLastIndex", backwards=True, index=True),
    "groupBy": _group_by,
    "sortBy": _sort_by,
    "reduce": _reduce,
}
