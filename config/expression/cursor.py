"""A place in the tokens of an expression, and the bounds of its tree."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from .errors import BadExpression
from .nodes import Node
from .tokens import Token, tokenize

MAX_NODES = 10_000  # as the reference
MAX_DEPTH = 100  # nesting: what the interpreter's own stack bears everywhere

N = TypeVar("N", bound=Node)
T = TypeVar("T")


class Cursor:
    """`builtins` are the names of built-in functions that the environment does not replace."""

    def __init__(self, source: str, builtins: frozenset[str]) -> None:
        self.source = source
        self.builtins = builtins
        self.tokens, self.flaw = tokenize(source)
        self.index = 0
        self.nodes = 0
        self.depth = 0
        self.predicates = 0

    @property
    def token(self) -> Token:
        """The current token; raises BadExpression where the text cannot be cut any further."""
        if self.flaw is not None and self.index == len(self.tokens) - 1:
            raise self.flaw
        return self.tokens[self.index]

    def error(self, text: str, token: Token | None = None) -> BadExpression:
        """Return the error at a token, the current one if none is given."""
        return BadExpression(text, self.source, (token or self.token).at)

    def unexpected(self) -> BadExpression:
        """Return the error that the current token cannot stand here."""
        return self.error(f"unexpected token {self.token}")

    def next(self) -> Token:
        """Take the current token."""
        token = self.token
        if token.kind != "EOF":
            self.index += 1
        return token

    def sees(self, text: str) -> bool:
        """Tell whether the current token is this operator or bracket."""
        token = self.token
        return token.text == text and token.kind in ("Operator", "Bracket")

    def accept(self, text: str) -> bool:
        """Take the current token if it is this operator or bracket."""
        found = self.sees(text)
        self.index += found
        return found

    def expect(self, text: str) -> Token:
        """Take this operator or bracket."""
        if not self.sees(text):
            raise self.unexpected()
        return self.next()

    def identifier(self) -> Token:
        """Take an identifier."""
        if self.token.kind != "Identifier":
            raise self.unexpected()
        return self.next()

    def node(self, made: N) -> N:
        """Count a node."""
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise self.error("compilation failed: expression exceeds maximum allowed nodes")
        return made

    def listed(self, end: str, item: Callable[[], T]) -> list[T]:
        """Items with commas between them, up to a bracket; a comma may stand behind the last."""
        found: list[T] = []
        while not self.accept(end):
            if found:
                self.expect(",")
                if self.accept(end):
                    break
            found.append(item())
        return found
