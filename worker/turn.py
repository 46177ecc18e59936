"""What is done once at the end of a turn, for all that came in it: one write, one transaction, one call to the kernel.

A turn is a burst of queries or of upstreams' answers. Outside one (timers, tasks) the next turn of the event loop is
as good; inside one that would cost a walk through the loop, 10 µs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Turn:
    """The turn of this process."""

    def __init__(self) -> None:
        self._under_way = False
        self._last: list[Callable[[], object]] = []

    def begin(self) -> None:
        """A burst has come."""
        self._under_way = True

    def end(self) -> None:
        """It has been worked off: do what was left for the end. Harmless where none is under way."""
        if not self._under_way:
            return
        last = self._last
        while last:
            self._last = []
            for work in last:
                work()
            last = self._last
        self._under_way = False

    def at_end(self, work: Callable[[], object]) -> None:
        """Have a function called at the end of this turn. Raises RuntimeError where there is no turn and no loop."""
        if self._under_way:
            self._last.append(work)
        else:
            asyncio.get_running_loop().call_soon(work)


turn = Turn()
