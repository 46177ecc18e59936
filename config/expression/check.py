"""The static checker: unknown names, operand types, arguments. What it cannot know is ANY, judged at run time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from shardns.config import regex

from .calls import CALLS, Mistake, overloads
from .dates import METHODS
from .errors import BadExpression
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
from .operators import binary_type
from .types import ANY, ARRAY, BOOL, BYTES, FLOAT, INT, MAP, NIL, STRING, Type, array_of, assignable

_OF_VALUE = {bool: BOOL, int: INT, float: FLOAT, str: STRING, bytes: BYTES, type(None): NIL}


class Checker:
    """Types of one expression in one environment; `builtins` are the built-ins that it may use."""

    def __init__(self, source: str, environment: Mapping[str, Type], builtins: frozenset[str]) -> None:
        self.source = source
        self.environment = environment
        self.builtins = builtins
        self.variables: dict[str, Type] = {}
        self.scopes: list[tuple[Type, dict[str, Type]]] = []  # of predicates: the collection, #index and #acc

    def error(self, node: Node, text: str) -> BadExpression:
        """Return the error at a node."""
        return BadExpression(text, self.source, node.at)

    def check(self, node: Node) -> Type:
        """Return the type of a node; raises BadExpression."""
        match node:
            case Literal():
                return _OF_VALUE[type(node.value)]
            case Name():
                return self.name(node, node.name)
            case Unary():
                return self.unary(node)
            case Binary():
                return self.binary(node)
            case Chain():
                return self.check(node.inner)
            case Member():
                return self.member(node)
            case Slice():
                return self.slice(node)
            case Call():
                return self.call(node)
            case Builtin():
                return self.builtin(node)
            case Pointer():
                return self.pointer(node)
            case Let():
                return self.let(node)
            case Sequence():
                return [self.check(item) for item in node.items][-1]
            case Conditional():
                return self.conditional(node)
            case Array():
                return self.array(node)
            case Map():
                for key, value in node.pairs:
                    self.check(key)
                    self.check(value)
                return MAP
        raise AssertionError(node)

    def name(self, node: Node, name: str, variables: bool = True) -> Type:
        """A variable or something of the environment."""
        if variables and name in self.variables:
            return self.variables[name]
        if name == "$env":
            return ANY
        found = self.environment.get(name)
        if found is None:
            raise self.error(node, f"unknown name {name}")
        return found

    def unary(self, node: Unary) -> Type:
        """`not`, `!`, `-`, `+`."""
        given = self.check(node.operand)
        if node.op in ("not", "!"):
            if given in (ANY, BOOL):
                return BOOL
        elif given.kind == "any" or given.is_number:
            return given
        raise self.error(node, f"invalid operation: {node.op} (mismatched type {given.text})")

    def binary(self, node: Binary) -> Type:
        """An operator between two operands."""
        left, right = self.check(node.left), self.check(node.right)
        if node.op == "matches" and isinstance(node.right, Literal) and isinstance(node.right.value, str):
            try:
                regex.compile(node.right.value)
            except regex.BadRegex as error:
                raise self.error(node, str(error)) from None
        if node.op == "in" and right.kind == "map" and left.kind != "any" and not assignable(left, STRING):
            raise self.error(node, f"cannot use {left.text} as type string in map key")
        found = binary_type(node.op, left, right)
        if found is not None:
            return found
        if node.op == "in" and right.kind == "array":
            raise self.error(node, f"cannot use {left.text} as type {right.of.text} in array")
        raise self.error(node, f"invalid operation: {node.op} (mismatched types {left.text} and {right.text})")

    def member(self, node: Member) -> Type:
        """`base.name`, `base[index]`."""
        name = node.key.value if isinstance(node.key, Literal) and isinstance(node.key.value, str) else None
        if isinstance(node.base, Name) and node.base.name == "$env":
            if name is None or (node.optional and name not in self.environment):
                self.check(node.key)
                return ANY
            return self.name(node, name, variables=False)
        base, key = self.check(node.base), self.check(node.key)
        if base.kind == "any":
            return ANY
        if name is not None and base.kind == "nil":
            raise self.error(node, f"type nil has no field {name}")
        if name is not None and (base.kind, name) in METHODS:
            return METHODS[base.kind, name]
        if base.kind == "map":
            if key.kind != "any" and not assignable(key, STRING) and base.text == MAP.text:
                raise self.error(node.key, f"cannot use {key.text} to get an element from {base.text}")
            return base.of
        if base.kind in ("array", "bytes"):
            if key not in (ANY, INT):
                raise self.error(node.key, f"array elements can only be selected using an integer (got {key.text})")
            return base.of
        if name is not None:
            raise self.error(node, f"type {base.text} has no {'method' if node.called else 'field'} {name}")
        raise self.error(node, f"type {base.text}[{key.text}] is undefined")

    def slice(self, node: Slice) -> Type:
        """`base[low:high]`."""
        base = self.check(node.base)
        if base.kind != "any" and base.kind not in ("string", "array", "bytes"):
            raise self.error(node, f"cannot slice {base.text}")
        for bound in (node.low, node.high):
            if bound is not None and (given := self.check(bound)) not in (ANY, INT):
                raise self.error(bound, f"non-integer slice index {given.text}")
        return base

    def call(self, node: Call) -> Type:
        """A function of the environment or a method."""
        name = "function"
        if isinstance(node.callee, Name):
            name = node.callee.name
            if name == "$env":
                raise self.error(node, "map[string]interface {} is not callable")
        elif isinstance(node.callee, Member) and isinstance(node.callee.key, Literal):
            name = str(node.callee.key.value)
        callee = self.check(node.callee)
        if callee.kind == "any":
            for argument in node.arguments:
                self.check(argument)
            return ANY
        if callee.kind == "nil":
            raise self.error(node, f"{name} is nil; cannot call nil as function")
        if callee.kind != "function":
            raise self.error(node, f"{callee.text} is not callable")
        return self.arguments(node, name, node.arguments, callee.takes, callee.gives or ANY)

    def arguments(self, node: Node, name: str, given: list[Node], takes: tuple[Type, ...], gives: Type) -> Type:
        """Check arguments against a signature."""
        if len(given) > len(takes):
            raise self.error(node, f"too many arguments to call {name}")
        if len(given) < len(takes):
            raise self.error(node, f"not enough arguments to call {name}")
        for argument, wanted in zip(given, takes, strict=True):
            found = self.check(argument)
            wanted_text = "interface {}" if wanted.kind == "any" else wanted.text
            if found.kind == "nil" and wanted.kind != "any":
                raise self.error(argument, f"cannot use nil as argument (type {wanted_text}) to call {name}")
            if not assignable(found, wanted) and not (found == INT and wanted == FLOAT):
                raise self.error(
                    argument, f"cannot use {found.text} as argument (type {wanted_text}) to call {name} "
                )  # fmt: skip
        return gives

    def builtin(self, node: Builtin) -> Type:
        """A built-in function."""
        judge = CALLS.get(node.name)
        try:
            if judge is not None:
                return judge(self, node)
            last: BadExpression | None = None
            for takes, gives in overloads(node.name):
                try:
                    return self.arguments(node, node.name, node.arguments, takes, gives)
                except BadExpression as error:
                    last = error
            assert last is not None
            raise last
        except Mistake as mistake:
            raise self.error(mistake.node, mistake.text) from None

    @contextmanager
    def scope(self, collection: Type, **pointers: Type) -> Iterator[None]:
        """Enter a predicate."""
        self.scopes.append((collection, pointers))
        yield
        self.scopes.pop()

    def predicate(self, node: Node, collection: Type, **pointers: Type) -> Type:
        """Return the type of a predicate's value."""
        assert isinstance(node, Closure)
        with self.scope(collection, **pointers):
            found = self.check(node.body)
        if found.kind == "nil":
            raise self.error(node, "predicate should has one input and one output param")
        return found

    def pointer(self, node: Pointer) -> Type:
        """`#`, `#acc`, `#index`."""
        if not self.scopes:
            raise self.error(node, "cannot use pointer accessor outside predicate")
        collection, pointers = self.scopes[-1]
        if not node.name:
            return collection.of
        if node.name not in pointers:
            raise self.error(node, f"unknown pointer #{node.name}")
        return pointers[node.name]

    def let(self, node: Let) -> Type:
        """`let name = value; body`."""
        for known, what in ((self.environment, ""), (self.builtins, "builtin "), (self.variables, "variable ")):
            if node.name in known:
                raise self.error(node, f"cannot redeclare {what}{node.name}")
        self.variables[node.name] = self.check(node.value)
        found = self.check(node.body)
        del self.variables[node.name]
        return found

    def conditional(self, node: Conditional) -> Type:
        """`test ? yes : no`."""
        test = self.check(node.test)
        if test not in (ANY, BOOL):
            raise self.error(node.test, f"non-bool expression (type {test.text}) used as condition")
        yes, no = self.check(node.yes), self.check(node.no)
        if yes.kind == "nil":
            return no
        if no.kind == "nil" or yes == no:
            return yes
        return yes if yes.text == no.text and yes.kind != "array" else ARRAY if yes.kind == no.kind == "array" else ANY

    def array(self, node: Array) -> Type:
        """`[a, b]`: of one type if all elements are of one kind."""
        found = [self.check(item) for item in node.items]
        if found and all(one.kind == found[0].kind for one in found):
            return array_of(found[0])
        return ARRAY
