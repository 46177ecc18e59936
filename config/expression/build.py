"""Syntax tree → closures: each node becomes a function of the frame."""

from __future__ import annotations

from typing import Any

from shardns.config import regex

from . import operators
from .access import fetch, sliced
from .errors import ExpressionError
from .frame import Frame, NothingThere, Run
from .functions import FUNCTIONS
from .nodes import (
    Array,
    Binary,
    Builtin,
    Call,
    Chain,
    Closure,
    Conditional,
    Let,
    Literal,
    Map,
    Member,
    Name,
    Node,
    Pointer,
    Sequence,
    Slice,
    Unary,
)  # fmt: skip
from .predicates import PREDICATES
from .show import go_type

_LONG = 1000  # characters: longer strings count against the budget


class Builder:
    """Builds one expression; `variables` counts the slots that it needs."""

    def __init__(self) -> None:
        self.variables = 0
        self.slots: dict[str, int] = {}

    def build(self, node: Node) -> Run:
        """Return the function of a node."""
        match node:
            case Literal(_, value):
                return lambda frame: value
            case Name():
                return self.name(node)
            case Unary():
                return self.unary(node)
            case Binary():
                return self.binary(node)
            case Chain():
                return self.chain(node)
            case Member():
                return self.member(node)
            case Slice():
                return self.slice(node)
            case Call():
                return self.call(node)
            case Builtin():
                return self.builtin(node)
            case Closure():
                return self.build(node.body)
            case Pointer():
                return pointer(node)
            case Let():
                return self.let(node)
            case Sequence():
                runs = [self.build(item) for item in node.items]
                return lambda frame: [run(frame) for run in runs][-1]
            case Conditional():
                test, yes, no = self.build(node.test), self.build(node.yes), self.build(node.no)
                return lambda frame: yes(frame) if operators.boolean(test(frame)) else no(frame)
            case Array():
                return self.array(node)
            case Map():
                return self.map(node)
        raise AssertionError(node)

    def name(self, node: Name) -> Run:
        """A variable, or something of the environment."""
        name = node.name
        if name in self.slots:
            slot = self.slots[name]
            return lambda frame: frame.slots[slot]
        if name == "$env":
            return lambda frame: frame.environment
        return lambda frame: frame.environment[name]

    def unary(self, node: Unary) -> Run:
        """`not`, `!`, `-`, `+`."""
        operand = self.build(node.operand)
        if node.op in ("not", "!"):
            return lambda frame: not operators.boolean(operand(frame))
        negative = node.op == "-"

        def run(frame: Frame) -> Any:
            value = operand(frame)
            if not operators.is_number(value):
                raise ExpressionError(f"invalid operation: {node.op} {go_type(value)}")
            return (operators.wrap(-value) if type(value) is int else -value) if negative else value

        return run

    def binary(self, node: Binary) -> Run:
        """An operator; `and`, `or` and `??` look at the right side only if they must."""
        left, right = self.build(node.left), self.build(node.right)
        match node.op:
            case "and" | "&&":
                return lambda frame: operators.boolean(left(frame)) and operators.boolean(right(frame))
            case "or" | "||":
                return lambda frame: operators.boolean(left(frame)) or operators.boolean(right(frame))
            case "??":
                return lambda frame: right(frame) if (value := left(frame)) is None else value
            case "..":
                return lambda frame: span(frame, left(frame), right(frame))
            case "+":
                return lambda frame: joined(frame, left(frame), right(frame))
            case "matches" if isinstance(node.right, Literal) and isinstance(node.right.value, str):
                return matcher(left, node.right.value)
        operation = operators.OPERATIONS[node.op]
        return lambda frame: operation(left(frame), right(frame))

    def chain(self, node: Chain) -> Run:
        """What has a `?.` in it."""
        inner = self.build(node.inner)

        def run(frame: Frame) -> Any:
            try:
                return inner(frame)
            except NothingThere:
                return None

        return run

    def member(self, node: Member) -> Run:
        """`base.name`, `base[index]`."""
        base, key, optional = self.build(node.base), self.build(node.key), node.optional

        def run(frame: Frame) -> Any:
            value = base(frame)
            if optional and value is None:
                raise NothingThere
            return fetch(value, key(frame))

        return run

    def slice(self, node: Slice) -> Run:
        """`base[low:high]`."""
        base = self.build(node.base)
        low = self.build(node.low) if node.low else lambda frame: 0
        high = self.build(node.high) if node.high else lambda frame: None
        return lambda frame: sliced(base(frame), low(frame), high(frame))

    def call(self, node: Call) -> Run:
        """A function of the environment or a method."""
        callee = self.build(node.callee)
        arguments = [self.build(argument) for argument in node.arguments]

        def run(frame: Frame) -> Any:
            found = callee(frame)
            if not callable(found):
                raise ExpressionError(f"{go_type(found)} is not callable")
            return found(*[argument(frame) for argument in arguments])

        return run

    def builtin(self, node: Builtin) -> Run:
        """A built-in function."""
        runs = [self.build(argument) for argument in node.arguments]
        loop = PREDICATES.get(node.name)
        if loop is not None:
            return loop(*runs)
        work = FUNCTIONS[node.name]
        return lambda frame: work(frame, *[run(frame) for run in runs])

    def let(self, node: Let) -> Run:
        """`let name = value; body`."""
        value = self.build(node.value)
        slot = self.variables
        self.variables += 1
        self.slots[node.name] = slot
        body = self.build(node.body)
        del self.slots[node.name]

        def run(frame: Frame) -> Any:
            frame.slots[slot] = value(frame)
            return body(frame)

        return run

    def array(self, node: Array) -> Run:
        """`[a, b]`; one of constants is made once."""
        if node.items and all(isinstance(item, Literal) for item in node.items):
            constant = [item.value for item in node.items if isinstance(item, Literal)]
            return lambda frame: constant
        runs = [self.build(item) for item in node.items]

        def run(frame: Frame) -> Any:
            frame.spend(len(runs))
            return [item(frame) for item in runs]

        return run

    def map(self, node: Map) -> Run:
        """`{key: value}`."""
        runs = [(self.build(key), self.build(value)) for key, value in node.pairs]

        def run(frame: Frame) -> Any:
            frame.spend(len(runs))
            return {operators.string(key(frame)): value(frame) for key, value in runs}

        return run


def pointer(node: Pointer) -> Run:
    """`#`, `#acc`, `#index`."""
    match node.name:
        case "acc":
            return lambda frame: frame.total
        case "index":
            return lambda frame: frame.number
    return lambda frame: frame.item


def matcher(text: Run, pattern: str) -> Run:
    """`matches` with a pattern that is known beforehand."""
    search = regex.compile(pattern).search

    def run(frame: Frame) -> bool:
        value = text(frame)
        if type(value) is bytes:
            value = value.decode("utf-8", "replace")
        return value is not None and search(operators.string(value)) is not None

    return run


def span(frame: Frame, low: Any, high: Any) -> list[int]:
    """`low..high`, both included."""
    if type(low) is not int or type(high) is not int:
        raise ExpressionError(f"invalid operation: {go_type(low)} .. {go_type(high)}")
    frame.spend(max(0, high - low + 1))
    return list(range(low, high + 1))


def joined(frame: Frame, left: Any, right: Any) -> Any:
    """`+`; long strings count against the budget."""
    if type(left) is str and type(right) is str and len(left) + len(right) > _LONG:
        frame.spend(len(left) + len(right))
    return operators.add(left, right)
