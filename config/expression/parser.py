"""Tokens → syntax tree: operator precedence parsing after Pratt."""

from __future__ import annotations

from .cursor import MAX_DEPTH
from .nodes import Binary, Conditional, Let, Node, Unary
from .nodes import Sequence as Several
from .operands import Operands
from .tokens import Token

BINARY = {
    "|": 0, "or": 10, "||": 10, "and": 15, "&&": 15, "==": 20, "!=": 20, "<": 20, ">": 20, ">=": 20, "<=": 20,
    "in": 20, "matches": 20, "contains": 20, "startsWith": 20, "endsWith": 20, "..": 25, "+": 30, "-": 30, "*": 60,
    "/": 60, "%": 60, "**": 100, "^": 100, "??": 500,
}  # fmt: skip
RIGHT = frozenset(("**", "^"))
COMPARISONS = frozenset(("<", ">", "<=", ">="))
NEGATABLE = frozenset(("contains", "matches", "startsWith", "endsWith", "in"))


class Parser(Operands):
    """The upper half of the parser. `builtins` are the built-in functions that the environment does not replace."""

    def parse(self) -> Node:
        """Return the whole tree."""
        tree = self.several()
        if self.token.kind != "EOF":
            raise self.unexpected()
        return tree

    def several(self) -> Node:
        """`a; b; c`, the semicolon at the end being optional."""
        items = [self.expression(0)]
        while self.accept(";"):
            if self.token.kind == "EOF":
                break
            items.append(self.expression(0))
        return items[0] if len(items) == 1 else self.node(Several(items[0].at, items))

    def expression(self, precedence: int) -> Node:
        """An expression whose operators bind at least as tightly as `precedence`."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.error("compilation failed: expression nests too deeply")
        try:
            if precedence == 0 and self.accept("let"):
                return self.let()
            if precedence == 0 and self.accept("if"):
                return self.condition()
            left = self.operators(self.primary(), precedence)
            return self.ternary(left) if precedence == 0 else left
        finally:
            self.depth -= 1

    def operators(self, left: Node, precedence: int) -> Node:
        """The operators behind a first operand."""
        before = ""
        links = 0
        while self.token.kind == "Operator":
            negated = self.sees("not")
            if negated:
                if self.tokens[self.index + 1].text not in NEGATABLE:
                    self.next()
                    raise self.unexpected()
                operator = self.tokens[self.index + 1]
            else:
                operator = self.token
            binds = BINARY.get(operator.text, -1)
            if binds < precedence:
                break
            self.index += 1 + negated
            links += 1
            if links > MAX_DEPTH:
                raise self.error("compilation failed: expression nests too deeply", operator)
            if before == "??" and operator.text not in ("??", "|"):
                raise self.error(
                    f"Operator ({operator.text}) and coalesce expressions (??) cannot be mixed. "
                    "Wrap either by parentheses.", operator,
                )  # fmt: skip
            left = self.operator(left, operator, binds)
            if negated:
                left = self.node(Unary(operator.at, "not", left))
            before = operator.text
        return left

    def operator(self, left: Node, operator: Token, binds: int) -> Node:
        """One operator and what stands behind it."""
        if operator.text == "|":
            return self.call(self.identifier(), [left])
        if operator.text in COMPARISONS:
            return self.comparison(left, operator, binds)
        right = self.expression(binds if operator.text in RIGHT else binds + 1)
        return self.node(Binary(operator.at, operator.text, left, right))

    def comparison(self, left: Node, operator: Token, binds: int) -> Node:
        """`a < b < c` means `a < b && b < c`."""
        found: Node | None = None
        while True:
            right = self.expression(binds + 1)
            step = self.node(Binary(operator.at, operator.text, left, right))
            found = step if found is None else self.node(Binary(operator.at, "&&", found, step))
            if not (self.token.kind == "Operator" and self.token.text in COMPARISONS):
                return found
            left, operator = right, self.next()

    def let(self) -> Node:
        """`let name = value; body`."""
        name = self.identifier()
        self.expect("=")
        value = self.expression(0)
        self.expect(";")
        return self.node(Let(name.at, name.text, value, self.several()))

    def condition(self) -> Node:
        """`if test { yes } else { no }`."""
        at = self.token.at
        test = self.expression(0)
        self.expect("{")
        yes = self.several()
        self.expect("}")
        self.expect("else")
        if self.accept("if"):
            return self.node(Conditional(at, test, yes, self.condition()))
        self.expect("{")
        no = self.several()
        self.expect("}")
        return self.node(Conditional(at, test, yes, no))

    def ternary(self, test: Node) -> Node:
        """`test ? yes : no` and `test ?: no`."""
        while self.accept("?"):
            yes = test
            if not self.accept(":"):
                yes = self.expression(0)
                self.expect(":")
            no = self.expression(0)
            test = self.node(Conditional(test.at, test, yes, no))
        return test
