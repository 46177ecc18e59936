"""The operands of expressions: literals, names, calls, and what is attached to them."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence

from .cursor import MAX_DEPTH, Cursor
from .nodes import Array, Builtin, Call, Chain, Closure, Literal, Map, Member, Name, Node, Pointer, Slice, Unary
from .tokens import WORDS, Token

UNARY = {"not": 50, "!": 50, "-": 90, "+": 90}
CONSTANTS = {"true": True, "false": False, "nil": None}

# What built-ins with a predicate take: e an expression, p a predicate, ? optional from here.
PREDICATES = {
    "all": "ep", "none": "ep", "any": "ep", "one": "ep", "filter": "ep", "map": "ep", "count": "e?p", "sum": "e?p",
    "find": "ep", "findIndex": "ep", "findLast": "ep", "findLastIndex": "ep", "groupBy": "ep", "sortBy": "ep?e",
    "reduce": "ep?e",
}  # fmt: skip


class Operands(Cursor):
    """The lower half of the parser."""

    @abstractmethod
    def expression(self, precedence: int) -> Node:
        """An expression whose operators bind at least as tightly as `precedence`."""

    @abstractmethod
    def several(self) -> Node:
        """`a; b; c`, the semicolon at the end being optional."""

    def primary(self) -> Node:
        """An operand with its prefix operators and what is attached to it."""
        token = self.token
        if token.kind == "Operator" and token.text in UNARY:
            self.next()
            return self.attached(self.node(Unary(token.at, token.text, self.expression(UNARY[token.text]))))
        if self.accept("("):
            inner = self.several()
            self.expect(")")
            return self.attached(inner)
        if self.predicates and (self.sees("#") or self.sees(".")):
            name = ""
            if self.accept("#") and self.token.kind == "Identifier":
                name = self.next().text
            return self.attached(self.node(Pointer(token.at, name)))
        if self.accept("::"):
            return self.attached(self.call(self.identifier(), [], overridable=False))
        return self.secondary()

    def secondary(self) -> Node:
        """A literal, a name, a call, an array or a map."""
        token = self.token
        match token.kind:
            case "Identifier":
                self.next()
                if token.text in CONSTANTS:
                    return self.node(Literal(token.at, CONSTANTS[token.text]))
                if self.sees("("):
                    return self.attached(self.call(token, []))
                return self.attached(self.node(Name(token.at, token.text)))
            case "Number":
                self.next()
                return self.attached(self.node(Literal(token.at, self.number(token))))
            case "String":
                self.next()
                return self.attached(self.node(Literal(token.at, token.text)))
            case "Bytes":
                self.next()
                return self.attached(self.node(Literal(token.at, token.text.encode("latin-1"))))
        if self.sees("["):
            return self.attached(self.array())
        if self.sees("{"):
            return self.attached(self.map())
        raise self.unexpected()

    def number(self, token: Token) -> int | float:
        """The value of a number."""
        digits = token.text.replace("_", "").lower()
        for prefix, base, name in (("0x", 16, "hex"), ("0b", 2, "binary"), ("0o", 8, "octal")):
            if digits.startswith(prefix):
                return self.integer(token, digits[2:], base, name)
        if any(char in digits for char in ".e"):
            try:
                value = float(digits)
            except ValueError:
                raise self.error(f"invalid float literal: {token.text}", token) from None
            if math.isinf(value):
                raise self.error("float literal is too large", token)
            return value
        return self.integer(token, digits, 10, "integer")

    def integer(self, token: Token, digits: str, base: int, name: str) -> int:
        """The value of an integer in a base."""
        try:
            value = int(digits, base) if len(digits) < 100 else 1 << 64
        except ValueError:
            raise self.error(f"invalid {name} literal: {token.text}", token) from None
        if value >= 1 << 63:
            raise self.error("integer literal is too large", token)
        return value

    def array(self) -> Node:
        """`[a, b]`."""
        start = self.expect("[")
        items = self.listed("]", lambda: self.expression(0))
        return self.node(Array(start.at, items))

    def map(self) -> Node:
        """`{key: value}`."""
        start = self.expect("{")
        return self.node(Map(start.at, self.listed("}", self.pair)))

    def pair(self) -> tuple[Node, Node]:
        """`key: value`; a key is a name, a string, a number or an expression in parentheses."""
        token = self.token
        if token.kind in ("Number", "String", "Identifier"):
            self.next()
            key: Node = self.node(Literal(token.at, token.text))
        elif self.sees("("):
            key = self.expression(0)
        else:
            raise self.error(
                "a map key must be a quoted string, a number, a identifier, or an expression enclosed in parentheses "
                f"(unexpected token {token})"
            )
        self.expect(":")
        self.node(key)
        return key, self.expression(0)

    def call(self, name: Token, given: Sequence[Node], overridable: bool = True) -> Node:
        """A call of a built-in or of something of the environment; `given` comes from the left of a pipe."""
        builtin = name.text in self.builtins or not overridable
        if builtin and name.text in PREDICATES:
            return self.node(Builtin(name.at, name.text, self.predicate_arguments(name.text, list(given))))
        self.expect("(")
        arguments = [*given, *self.listed(")", lambda: self.expression(0))]
        if builtin:
            return self.node(Builtin(name.at, name.text, arguments))
        return self.node(Call(name.at, self.node(Name(name.at, name.text)), arguments))

    def predicate_arguments(self, name: str, found: list[Node]) -> list[Node]:
        """The arguments of a built-in with a predicate."""
        shape = PREDICATES[name]
        least = len(shape.partition("?")[0])
        kinds = shape.replace("?", "")[len(found) :]
        needed = least - len(found)
        self.expect("(")
        for number, kind in enumerate(kinds):
            if self.sees(")"):
                if number < needed:
                    raise self.error(f"expected at least {len(kinds)} arguments")
                break
            if number:
                self.expect(",")
                if self.sees(")"):
                    break
            found.append(self.expression(0) if kind == "e" else self.predicate())
        self.accept(",")
        self.expect(")")
        return found

    def predicate(self) -> Node:
        """`{body}` or a bare expression, in which `#` and `.name` are the element."""
        at = self.token.at
        braces = self.accept("{")
        self.predicates += 1
        body = self.several() if braces else self.expression(0)
        if not braces and self.sees(";"):
            raise self.error("wrap predicate with brackets { and }")
        self.predicates -= 1
        if braces:
            self.expect("}")
        return self.node(Closure(at, body))

    def attached(self, node: Node) -> Node:
        """What follows an operand directly: `.name`, `?.name`, `[index]`, `[a:b]`, a method call."""
        links = 0
        while True:
            links += 1
            if links > MAX_DEPTH:
                raise self.error("compilation failed: expression nests too deeply")
            if self.sees("[") or (self.sees("?.") and self.tokens[self.index + 1].text == "["):
                node = self.indexed(node, self.accept("?."))
            elif self.sees(".") or self.sees("?."):
                node = self.member(node, self.next().text == "?.")
            else:
                return node

    def member(self, node: Node, optional: bool) -> Node:
        """`.name` or `.name(…)`."""
        token = self.next()
        if token.kind == "EOF":
            raise self.error("unexpected end of expression")
        if token.kind != "Identifier" and token.text not in WORDS:
            raise self.error("expected name")
        chained = isinstance(node, Chain)
        base = node.inner if isinstance(node, Chain) else node
        found: Node = self.node(Member(token.at, base, self.node(Literal(token.at, token.text)), optional))
        if self.sees("("):
            assert isinstance(found, Member)
            found.called = True
            self.next()
            found = self.node(Call(token.at, found, self.listed(")", lambda: self.expression(0))))
        return self.node(Chain(token.at, found)) if chained or optional else found

    def indexed(self, node: Node, optional: bool) -> Node:
        """`[index]` or `[low:high]`."""
        at = self.expect("[").at
        low = None if self.sees(":") else self.expression(0)
        if self.accept(":"):
            high = None if self.sees("]") else self.expression(0)
            self.expect("]")
            return self.node(Slice(at, node, low, high))
        self.expect("]")
        assert low is not None
        found = self.node(Member(at, node, low, optional))
        return self.node(Chain(at, found)) if optional else found
