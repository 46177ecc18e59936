"""The state of one run of an expression, and its budget."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .errors import BUDGET_TEXT, ExpressionError

BUDGET = 1_000_000  # elements made or visited in one run, as the reference's memory budget


class Frame:
    """`slots` are the variables; `item`, `number` and `total` belong to the predicate that is being run."""

    __slots__ = ("environment", "item", "number", "slots", "spent", "total")

    def __init__(self, environment: Mapping[str, Any], variables: int) -> None:
        self.environment = environment
        self.slots: list[Any] = [None] * variables
        self.item: Any = None
        self.number = 0
        self.total: Any = None
        self.spent = 0

    def spend(self, amount: int) -> None:
        """Take from the budget; raises ExpressionError when it is used up."""
        self.spent += amount
        if self.spent >= BUDGET:
            raise ExpressionError(BUDGET_TEXT)


Run = Callable[[Frame], Any]


class NothingThere(Exception):
    """A `?.` met nil: the chain around it is nil."""
