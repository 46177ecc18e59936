"""The values of pipelines: functions, fields, methods, variables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import signature
from typing import Any

from .errors import CallError, Refused, TemplateError
from .functions import FUNCTIONS, Routine
from .nodes import Chain, Command, Constant, Dot, Fields, Function, Listing, Node, Pipe, Variable
from .values import MISSING, field, truth, type_name

MAX_STEPS = 1_000_000  # nodes visited and elements ranged over in one run
MAX_CHARACTERS = 1_000_000  # written in one run
_NONE = object()


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the trees come from: what an error names."""

    name: str
    source: str
    trees: Mapping[str, Listing]


class Evaluator:
    """The lower half of one run: values. `$` is the data."""

    def __init__(self, origin: Origin, data: Any) -> None:
        self.origin = origin
        self.name = origin.name
        self.variables: list[tuple[str, Any]] = [("$", data)]
        self.written: list[str] = []
        self.left = MAX_CHARACTERS
        self.steps = MAX_STEPS
        self.depth = 0

    def error(self, node: Node, text: str) -> TemplateError:
        """Return an error at a node."""
        source = self.origin.source[: node.at]
        line, column = source.count("\n") + 1, len(source[source.rfind("\n") + 1 :].encode("utf-8", "replace"))
        place = f"{self.origin.name}:{line}:{column}"
        return TemplateError(f'template: {place}: executing "{self.name}" at <{node}>: {text}')

    def step(self) -> None:
        """Count one step."""
        self.steps -= 1
        if self.steps < 0:
            raise TemplateError(f"template: {self.origin.name}: exceeded maximum template steps")

    def write(self, text: str) -> None:
        """Write text."""
        self.left -= len(text)
        if self.left < 0:
            raise TemplateError(f"template: {self.origin.name}: exceeded maximum template output")
        self.written.append(text)

    def pipe(self, dot: Any, node: Pipe, declare: bool = True) -> Any:
        """The value of a pipeline; sets the variables that it declares."""
        value: Any = _NONE
        for command in node.commands:
            value = self.command(dot, command, value)
        for name in node.declared if declare else ():
            if node.assigns:
                self.assign(name, value)
            else:
                self.variables.append((name, value))
        return value

    def assign(self, name: str, value: Any) -> None:
        """Set the innermost variable of a name."""
        for at in range(len(self.variables) - 1, -1, -1):
            if self.variables[at][0] == name:
                self.variables[at] = (name, value)
                return

    def variable(self, name: str) -> Any:
        """The value of the innermost variable of a name."""
        return next(value for known, value in reversed(self.variables) if known == name)

    def command(self, dot: Any, node: Command, final: Any) -> Any:
        """A function with its arguments, or one value."""
        first, rest = node.words[0], node.words[1:]
        match first:
            case Function():
                return self.function(dot, first, node, rest, final)
            case Fields():
                return self.chain(dot, first, dot, first.names, rest, final)
            case Variable() if first.names:
                return self.chain(dot, first, self.variable(first.name), first.names, rest, final)
            case Chain():
                return self.chain(dot, first, self.value(dot, first.base), first.names, rest, final)
        if rest or final is not _NONE:
            raise self.error(first, f"can't give argument to non-function {first}")
        return self.value(dot, first)

    def value(self, dot: Any, node: Node) -> Any:
        """The value of an operand."""
        self.step()
        match node:
            case Constant():
                return node.value
            case Dot():
                return dot
            case Variable() if not node.names:
                return self.variable(node.name)
            case Pipe():
                return self.pipe(dot, node)
        return self.command(dot, Command(node.at, [node]), _NONE)

    def chain(self, dot: Any, node: Node, value: Any, names: list[str], rest: list[Node], final: Any) -> Any:
        """Fields one after the other; the last may be a method that takes arguments."""
        for number, name in enumerate(names):
            last = number == len(names) - 1
            given = rest if last else []
            piped = final if last else _NONE
            try:
                found = field(value, name)
            except Refused as refused:
                raise self.error(node, str(refused)) from None
            if callable(found):
                value = self.method(node, name, found, self.arguments(dot, given, piped))
            elif given or piped is not _NONE:
                what = (
                    f"{name} is not a method but has arguments" if isinstance(value, dict)
                    else f"{name} has arguments but cannot be invoked as function"
                )  # fmt: skip
                raise self.error(node, what)
            else:
                value = found
        return value

    def arguments(self, dot: Any, rest: list[Node], final: Any) -> list[Any]:
        """The values of arguments; what comes through the pipe is the last one."""
        found = [self.value(dot, word) for word in rest]
        return found if final is _NONE else [*found, final]

    def function(self, dot: Any, node: Function, command: Command, rest: list[Node], final: Any) -> Any:
        """A call of a function."""
        routine = FUNCTIONS[node.name]
        count = len(rest) + (final is not _NONE)
        if routine.most is None and count < routine.least:
            raise self.error(node, f"wrong number of args for {node.name}: want at least {routine.least} got {count}")
        if routine.most is not None and count != routine.least:
            raise self.error(node, f"wrong number of args for {node.name}: want {routine.least} got {count}")
        if node.name in ("and", "or"):
            return self.shortcut(dot, node.name == "or", rest, final)
        values = self.arguments(dot, rest, final)
        self.typed(node, rest, routine, values)
        return self.call(command, node.name, routine.work, values)

    def shortcut(self, dot: Any, wanted: bool, rest: list[Node], final: Any) -> Any:
        """`and`, `or`: the first argument that decides, else the last."""
        value: Any = _NONE
        for word in rest:
            value = self.value(dot, word)
            if truth(value) == wanted:
                return value
        return value if final is _NONE else final

    def typed(self, node: Function, rest: list[Node], routine: Routine, values: list[Any]) -> None:
        """Refuse arguments of the wrong type."""
        for number, (wanted, value) in enumerate(zip(routine.types, values, strict=False)):
            at = rest[number] if number < len(rest) else node
            name = "string" if wanted is str else "int"
            if value is MISSING or value is None:
                raise self.error(at, f"invalid value; expected {name}")
            if type(value) is not wanted:
                constant = isinstance(at, Constant)
                text = f"expected {'integer' if wanted is int else 'string'}; found {at}"
                raise self.error(
                    at, text if constant else f"wrong type for value; expected {name}; got {type_name(value)}"
                )

    def method(self, node: Node, name: str, work: Callable[..., Any], values: list[Any]) -> Any:
        """Call a method of the data."""
        wanted = len(signature(work).parameters)
        if wanted != len(values):
            raise self.error(node, f"wrong number of args for {name}: want {wanted} got {len(values)}")
        return self.call(node, name, work, values)

    def call(self, node: Node, name: str, work: Callable[..., Any], values: list[Any]) -> Any:
        """Call a function."""
        try:
            return work(*values)
        except CallError as error:
            raise self.error(node, f"error calling {name}: {error}") from None
