"""What `erratic` can be told to do wrong, and how often."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from shardns.config.schema import Arg, Each, Flag, Line, Schema
from shardns.config.values import DURATION, INTEGER

DEFAULT_AMOUNT = 2
AMOUNT = INTEGER(0, (1 << 31) - 1, below="illegal amount value given {q}", go="ParseInt", bits=32)


class Amount(Schema):
    """How often."""

    amount: Annotated[int | None, Arg(AMOUNT)] = None
    "Strike every AMOUNT-th query (without it: every second); 0 never."


class Delay(Schema):
    """How often and how long."""

    amount: Annotated[int, Arg(AMOUNT)] = DEFAULT_AMOUNT
    "Strike every AMOUNT-th query; 0 never."

    duration: Annotated[float, Arg(DURATION())] = 0.1
    "How long such an answer waits."


@dataclass(frozen=True)
class Schedule:
    """The amounts in force (0: never), and how long a delay is."""

    drop: int
    truncate: int
    delay: int
    delay_s: float
    large: bool


class Options(Schema, repeat="merge", surplus="again"):
    """Answers with fixed addresses and drops, delays or truncates some of the answers."""

    drop: Annotated[tuple[Amount, ...], Each(Amount)] = ()
    "Leave queries unanswered (every second one, if nothing else is configured)."

    truncate: Annotated[Amount | None, Line(Amount)] = None
    "Set TC where the query's number and the amount have no bit in common."

    delay: Annotated[Delay | None, Line(Delay)] = None
    "Answer late."

    large: Annotated[bool, Flag(rest="property")] = False
    "Answer A queries with 30 equal records."

    @property
    def schedule(self) -> Schedule:
        """What is in force. Without an amount for `drop`, any delay or truncation switches dropping off."""
        given = [line.amount for line in self.drop if line.amount is not None]
        truncate = 0 if self.truncate is None else DEFAULT_AMOUNT
        if self.truncate is not None and self.truncate.amount is not None:
            truncate = self.truncate.amount
        delay = Delay(amount=0) if self.delay is None else self.delay
        drop = given[-1] if given else 0 if truncate or delay.amount else DEFAULT_AMOUNT
        return Schedule(drop, truncate, delay.amount, delay.duration, self.large)
