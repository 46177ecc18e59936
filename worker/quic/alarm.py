"""A timer that is set anew all the time, mostly to a later time than before."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Alarm:
    """Calls `ring` no later than the earliest time for which it is set; it may be too early, never too late.

    The event loop hears of it only where it must ring earlier than it would: an early call costs less than a timer
    that is set and cancelled for each packet.
    """

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._timer: asyncio.TimerHandle | None = None
        self.at = 0.0

    def set(self, at: float) -> None:
        """Ring at a time (monotonic s)."""
        if self._timer is not None:
            if self.at <= at:
                return
            self._timer.cancel()
        self.at = at
        self._timer = asyncio.get_running_loop().call_at(at, self._fire)

    def cancel(self) -> None:
        """Do not ring."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _fire(self) -> None:
        self._timer = None
        self._ring()
