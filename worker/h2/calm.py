"""How much a peer may have us do for nothing: floods of frames that ask no question end their connection.

Pings, settings, priorities, resets, empty frames (CVE-2019-9511 … 9518), streams opened and cancelled at once
(CVE-2023-44487) and the like cost patience; answers that are taken, and time, restore it.
"""

from __future__ import annotations

from typing import Final

PATIENCE: Final = 2000.0
REFILL_A_S: Final = 200.0
AN_ANSWER: Final = 4.0  # what usually comes along with a request: a window update, a ping, a priority
A_CANCEL: Final = 2.0


class Calm:
    """The patience left for one peer. Times are monotonic s."""

    __slots__ = ("_left", "_since", "answers")

    def __init__(self, now: float) -> None:
        self._left = PATIENCE
        self._since = now
        self.answers = 0  # since they were last counted

    def spend(self, cost: float, now: float) -> bool:
        """Take from it; False where none is left."""
        self._left -= cost
        if self._left >= 0:
            return True
        earned = (now - self._since) * REFILL_A_S + self.answers * AN_ANSWER
        self._left = min(PATIENCE, self._left + earned)
        self._since, self.answers = now, 0
        return self._left >= 0
