"""How long a connection to an upstream may take to stand."""

from __future__ import annotations

from typing import Final

MIN_DIAL_S: Final = 1.0
MAX_DIAL_S: Final = 30.0


class DialTime:
    """How long a dial may take: twice the average of those before, which starts pessimistic."""

    def __init__(self) -> None:
        self.average_s = MAX_DIAL_S / 2

    @property
    def limit_s(self) -> float:
        """The time-out of the next dial."""
        if self.average_s < MIN_DIAL_S:
            return MIN_DIAL_S
        return 2 * self.average_s if self.average_s < MAX_DIAL_S / 2 else MAX_DIAL_S

    def observe(self, took_s: float) -> None:
        """Move the average a quarter of the way."""
        self.average_s += (took_s - self.average_s) / 4
