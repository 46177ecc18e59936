"""Expressions of the expr language, as `view` and `template` use them: text → checked program → value.

    program = compile("incidr(client_ip(), '10.0.0.0/8') and n > 1", {"client_ip": function((), STRING), …})
    program.run({"client_ip": lambda: "10.0.0.1", …})

1. The environment is given by the caller: names and types when compiling, names and values when running.
2. Programs are values: equal if text and environment are, and picklable.
3. A run is bounded: what it makes and visits counts against a budget, and no node can loop by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .build import Builder
from .calls import BUILTINS
from .check import Checker
from .errors import BadExpression, ExpressionError
from .frame import Frame, NothingThere
from .nodes import Name
from .parser import Parser
from .types import ANY, ARRAY, BOOL, DURATION, FLOAT, INT, MAP, STRING, TIME, Type, function

__all__ = [
    "ANY", "ARRAY", "BOOL", "BUILTINS", "DURATION", "FLOAT", "INT", "MAP", "STRING", "TIME", "BadExpression",
    "ExpressionError", "Program", "Type", "compile", "function", "is_name",
]  # fmt: skip


class Program:
    """A compiled expression; `type` is the type of its value."""

    __slots__ = ("_run", "_variables", "environment", "source", "type")

    def __init__(self, source: str, environment: Mapping[str, Type]) -> None:
        self.source = source
        self.environment = dict(environment)
        builtins = BUILTINS - self.environment.keys()
        tree = Parser(source, builtins).parse()
        self.type = Checker(source, self.environment, builtins).check(tree)
        builder = Builder()
        self._run = builder.build(tree)
        self._variables = builder.variables

    def run(self, values: Mapping[str, Any]) -> Any:
        """Return the value in an environment; raises ExpressionError."""
        try:
            return self._run(Frame(values, self._variables))
        except (TypeError, ValueError, LookupError, ArithmeticError, AttributeError, RecursionError) as error:
            # What the checker could not know and the operators do not name: a value of an unforeseen type.
            raise ExpressionError(str(error)) from error
        except NothingThere:
            return None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Program) and (other.source, other.environment) == (self.source, self.environment)

    def __hash__(self) -> int:
        return hash(self.source)

    def __reduce__(self) -> tuple[type[Program], tuple[str, dict[str, Type]]]:
        return Program, (self.source, self.environment)

    def __repr__(self) -> str:
        return f"Program({self.source!r})"


def compile(source: str, environment: Mapping[str, Type]) -> Program:
    """Compile an expression; raises BadExpression."""
    return Program(source, environment)


def is_name(text: str) -> bool:
    """Tell whether a word can be the name of a variable: neither a literal nor an operator."""
    try:
        tree = Parser(text, frozenset()).parse()
    except BadExpression:
        return False
    return isinstance(tree, Name) and tree.name == text
