"""How long a client has taken nothing of what waits for it."""

from __future__ import annotations


class Stall:
    """`octets` wait, and none were taken since `since` (monotonic s)."""

    __slots__ = ("octets", "since")

    def __init__(self, now: float) -> None:
        self.octets = 0
        self.since = now

    def note(self, octets: int, now: float) -> None:
        """Say how many wait now."""
        if not self.octets or octets < self.octets:
            self.since = now
        self.octets = octets
