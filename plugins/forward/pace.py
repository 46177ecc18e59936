"""How fast an upstream is, as one worker sees it: for `policy fastest`, and for the moment of a second query.

1. The estimate is a moving average of the times of its answers; a failed exchange counts as the time it was given.
2. What has been waited for longer than that counts already, so an upstream that falls silent is slow at once.
3. An estimate fades, so that a slow upstream is tried again: by half every `HALF_LIFE_S`.
"""

from __future__ import annotations

from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .upstream import Upstream

HALF_LIFE_S: Final = 10.0
WEIGHT: Final = 8  # a new time moves the average by this part, as in RFC 6298 §2
RECENT: Final = 128  # times that the percentile is taken of
ENOUGH: Final = 16
PERCENTILE: Final = 0.95
ALIKE: Final = 1.25
ALIKE_S: Final = 0.0005


class Pace:
    """One upstream's. Exchanges are any objects; those under way stand in the order in which they began."""

    def __init__(self) -> None:
        self._average_s = 0.0
        self._seen_at = 0.0
        self._under_way: dict[object, float] = {}
        self._recent: deque[float] = deque(maxlen=RECENT)
        self._fresh = 0
        self._usual_s: float | None = None

    def began(self, exchange: object) -> None:
        """An exchange begins."""
        self._under_way[exchange] = monotonic()

    def answered(self, exchange: object) -> None:
        """It has ended with an answer."""
        took_s = self._ended(exchange)
        if took_s is not None:
            self._recent.append(took_s)
            self._fresh += 1

    def failed(self, exchange: object, given_s: float) -> None:
        """It has failed; the answer had been given this long."""
        took_s = self._ended(exchange)
        if took_s is not None:
            self._average_s = max(self._average_s, given_s)

    def estimate_s(self, now: float) -> float:
        """Return how long the next answer may take; 0 where nothing is known."""
        faded = self._average_s * 0.5 ** ((now - self._seen_at) / HALF_LIFE_S) if self._average_s else 0.0
        for began in self._under_way.values():
            return max(faded, now - began)
        return faded

    @property
    def usual_s(self) -> float | None:
        """The time within which nearly all answers came; None before there were enough of them."""
        if len(self._recent) < ENOUGH:
            return None
        if self._usual_s is None or self._fresh >= ENOUGH:
            self._fresh = 0
            self._usual_s = sorted(self._recent)[int(len(self._recent) * PERCENTILE)]
        return self._usual_s

    def _ended(self, exchange: object) -> float | None:
        began = self._under_way.pop(exchange, None)
        if began is None:
            return None
        now = monotonic()
        took_s = now - began
        known = self._average_s or took_s
        self._average_s = known + (took_s - known) / WEIGHT
        self._seen_at = now
        return took_s


def best(upstreams: list[Upstream]) -> Upstream:
    """Return one that has failed no probe, and of those the one with the least estimate."""
    now = monotonic()
    return min(upstreams, key=lambda u: (u.suspect, 0.0 if u.pace is None else u.pace.estimate_s(now)))


def fastest(upstreams: list[Upstream]) -> list[Upstream]:
    """Sort by estimate; those that are as good as the best keep their order, so that they share the work."""
    now = monotonic()
    estimates = {id(u): 0.0 if u.pace is None else u.pace.estimate_s(now) for u in upstreams}
    alike_s = min(estimates.values()) * ALIKE + ALIKE_S
    return sorted(upstreams, key=lambda u: max(estimates[id(u)], alike_s))
