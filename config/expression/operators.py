"""Operators: the types they take, and what they do."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from shardns.config import regex

from .dates import Duration, Time
from .errors import ExpressionError
from .show import go_type
from .types import ANY, BOOL, DURATION, FLOAT, INT, INTS, STRING, TIME, Kind, Type, assignable, comparable, maybe

_COMPARED: tuple[Kind, ...] = ("int", "float", "string", "time", "duration")
_PAIRS: dict[tuple[str, str, str], Type] = {
    ("-", "time", "time"): DURATION, ("-", "time", "duration"): TIME, ("-", "duration", "duration"): DURATION,
    ("+", "string", "string"): STRING, ("+", "time", "duration"): TIME, ("+", "duration", "time"): TIME,
    ("+", "duration", "duration"): DURATION, ("*", "duration", "duration"): DURATION,
    ("*", "int", "duration"): DURATION, ("*", "float", "duration"): DURATION, ("*", "duration", "int"): DURATION,
    ("*", "duration", "float"): DURATION,
}  # fmt: skip
_MAYBE: dict[str, tuple[tuple[Kind, ...], Type]] = {
    "or": (("bool",), BOOL), "||": (("bool",), BOOL), "and": (("bool",), BOOL), "&&": (("bool",), BOOL),
    "<": (_COMPARED, BOOL), ">": (_COMPARED, BOOL), "<=": (_COMPARED, BOOL), ">=": (_COMPARED, BOOL),
    "-": (("int", "float", "time", "duration"), ANY), "*": (("int", "float", "duration"), ANY),
    "/": (("int", "float"), FLOAT), "**": (("int", "float"), FLOAT), "^": (("int", "float"), FLOAT),
    "%": (("int",), INT), "+": (_COMPARED, ANY), "matches": (("string",), BOOL), "contains": (("string",), BOOL),
    "startsWith": (("string",), BOOL), "endsWith": (("string",), BOOL), "..": (("int",), INTS),
}  # fmt: skip


def binary_type(op: str, left: Type, right: Type) -> Type | None:
    """Return the type of an operator's value, None where it does not take these operands."""
    if op in ("==", "!="):
        return BOOL if comparable(left, right) else None
    if op == "in":
        return _membership(left, right)
    if op == "??":
        if left.kind == "nil" or right.kind == "nil":
            return right if left.kind == "nil" else left
        return left if left.kind != "any" and assignable(right, left) else ANY
    kinds, gives = _MAYBE[op]
    if left.kind == "any" or right.kind == "any":
        return gives if maybe(left, right, *kinds) else None
    if op in ("+", "-", "*") and left.is_number and right.is_number:
        return INT if left == right == INT else FLOAT
    if (op, left.kind, right.kind) in _PAIRS:
        return _PAIRS[op, left.kind, right.kind]
    if op in ("+", "-", "*"):
        return None
    if left.is_number and right.is_number and left.kind in kinds and right.kind in kinds:
        return gives
    if op == "matches" and left.kind == "bytes":
        return BOOL if right == STRING else None
    return gives if left == right and left.kind in kinds else None


def _membership(left: Type, right: Type) -> Type | None:
    if right.kind == "array":
        return BOOL if comparable(left, right.of) else None
    if right.kind in ("map", "bytes") or right.kind == "any" or (left.kind == "any" and right == STRING):
        return BOOL
    return None


# What operators do -------------------------------------------------------------------------------------------------


def wrap(number: int) -> int:
    """Return an integer as 64 bits hold it."""
    if -0x8000000000000000 <= number <= 0x7FFFFFFFFFFFFFFF:
        return number
    return ((number + 0x8000000000000000) & 0xFFFFFFFFFFFFFFFF) - 0x8000000000000000


def is_number(value: Any) -> bool:
    """Tell whether it is an int or a float, neither bool nor duration."""
    return type(value) is int or type(value) is float


def _mismatch(op: str, left: Any, right: Any) -> ExpressionError:
    return ExpressionError(f"invalid operation: {go_type(left)} {op} {go_type(right)}")


def _number(value: int | float) -> int | float:
    return wrap(value) if type(value) is int else value


def add(left: Any, right: Any) -> Any:
    """`+`."""
    if is_number(left) and is_number(right):
        return _number(left + right)
    if type(left) is str and type(right) is str:
        return left + right
    if isinstance(left, Duration) and isinstance(right, Duration):
        return Duration(wrap(int(left) + int(right)))
    if isinstance(left, Time) and isinstance(right, Duration):
        return left.Add(right)
    if isinstance(left, Duration) and isinstance(right, Time):
        return right.Add(left)
    raise _mismatch("+", left, right)


def subtract(left: Any, right: Any) -> Any:
    """`-`."""
    if is_number(left) and is_number(right):
        return _number(left - right)
    if isinstance(left, Duration) and isinstance(right, Duration):
        return Duration(wrap(int(left) - int(right)))
    if isinstance(left, Time) and isinstance(right, Time):
        return left.Sub(right)
    if isinstance(left, Time) and isinstance(right, Duration):
        return left.Add(Duration(-int(right)))
    raise _mismatch("-", left, right)


def multiply(left: Any, right: Any) -> Any:
    """`*`."""
    if is_number(left) and is_number(right):
        return _number(left * right)
    if isinstance(left, Duration) or isinstance(right, Duration):
        for one in (left, right):
            if not (isinstance(one, Duration) or is_number(one)):
                raise _mismatch("*", left, right)
        return Duration(wrap(int((float(left) if type(left) is float else int(left)) * right)))
    raise _mismatch("*", left, right)


def divide(left: Any, right: Any) -> float:
    """`/`: always a float."""
    if not (is_number(left) and is_number(right)):
        raise _mismatch("/", left, right)
    if right:
        return float(left) / float(right)
    return math.nan if not left or left != left else math.copysign(math.inf, left) * math.copysign(1.0, right)


def remainder(left: Any, right: Any) -> int:
    """`%`: the sign is the dividend's."""
    if type(left) is not int or type(right) is not int:
        raise _mismatch("%", left, right)
    if not right:
        raise ExpressionError("integer divide by zero")
    return abs(left) % abs(right) * (-1 if left < 0 else 1)


def power(left: Any, right: Any) -> float:
    """`**`: always a float."""
    if not (is_number(left) and is_number(right)):
        raise _mismatch("**", left, right)
    try:
        return math.pow(left, right)
    except OverflowError:
        return math.inf
    except ValueError:
        return math.inf if not left else math.nan


def equal(left: Any, right: Any) -> bool:
    """`==`: numbers by value, arrays and maps by what they hold; a bool equals only a bool."""
    if type(left) is type(right) and type(left) not in (list, dict):
        return bool(left == right)
    if is_number(left) and is_number(right):
        return bool(left == right)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(equal, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(equal(value, right[key]) for key, value in left.items())
    return False


def _ordered(op: str, decide: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def compare(left: Any, right: Any) -> bool:
        if (is_number(left) and is_number(right)) or (
            type(left) is type(right) and isinstance(left, (str, Time, Duration))
        ):
            return decide(left, right)
        raise _mismatch(op, left, right)

    return compare


less = _ordered("<", lambda left, right: bool(left < right))
more = _ordered(">", lambda left, right: bool(left > right))
at_most = _ordered("<=", lambda left, right: bool(left <= right))
at_least = _ordered(">=", lambda left, right: bool(left >= right))


def contained(needle: Any, where: Any) -> bool:
    """`in`."""
    if where is None:
        return False
    if isinstance(where, (list, bytes)):
        return any(equal(one, needle) for one in where)
    if isinstance(where, dict):
        return needle in where
    raise ExpressionError(f'operator "in" not defined on {go_type(where)}')


@lru_cache(256)
def _pattern(text: str) -> regex.Pattern:
    return regex.compile(text)


def matches(text: Any, pattern: Any) -> bool:
    """`matches`, for a pattern that is only known now."""
    if text is None or pattern is None:
        return False
    try:
        return (
            _pattern(string(pattern)).search(text.decode("utf-8", "replace") if type(text) is bytes else string(text))
            is not None
        )
    except regex.BadRegex as error:
        raise ExpressionError(str(error)) from None


def string(value: Any) -> str:
    """Return the value if it is a string; raises ExpressionError."""
    if type(value) is str:
        return value
    raise ExpressionError(f"interface conversion: interface {{}} is {go_type(value)}, not string")


def boolean(value: Any) -> bool:
    """Return the value if it is a bool, nil as false; raises ExpressionError."""
    if value is True or value is False:
        return bool(value)
    if value is None:
        return False
    raise ExpressionError(f"invalid operation: bool({go_type(value)})")


def _texts(decide: Callable[[str, str], bool]) -> Callable[[Any, Any], bool]:
    def test(left: Any, right: Any) -> bool:
        return left is not None and right is not None and decide(string(left), string(right))

    return test


OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "==": equal, "!=": lambda left, right: not equal(left, right), "<": less, ">": more, "<=": at_most,
    ">=": at_least, "+": add, "-": subtract, "*": multiply, "/": divide, "%": remainder, "**": power, "^": power,
    "in": contained, "matches": matches, "contains": _texts(lambda left, right: right in left),
    "startsWith": _texts(str.startswith), "endsWith": _texts(str.endswith),
}  # fmt: skip
