"""The two ways an expression can fail: when it is compiled, and when it is run."""

from __future__ import annotations


class BadExpression(ValueError):
    """An expression that cannot be compiled: the message, its place as (line:column) and the line with a caret."""

    def __init__(self, message: str, source: str, at: int) -> None:
        at = min(at, len(source))
        start = source.rfind("\n", 0, at) + 1
        line = source[start:].partition("\n")[0].replace("\t", " ")
        column = at - start
        text = message
        if line:
            text = f"{message} ({source.count(chr(10), 0, at) + 1}:{column + 1})\n | {line}\n | {'.' * column}^"
        super().__init__(text)
        self.message = message


class ExpressionError(Exception):
    """An expression that fails for the values at hand."""


BUDGET_TEXT = "memory budget exceeded"
