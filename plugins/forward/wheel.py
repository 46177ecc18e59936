"""Time-outs by the thousand: one timer of the event loop serves every exchange that ends within the same 16 ms."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final, Protocol

TICKS_PER_S: Final = 64
MOST_A_TURN: Final = 64  # of the event loop: where an upstream falls silent thousands end together, and others wait


class Expires(Protocol):
    """What can run out of time."""

    def expire(self) -> None:
        """Called once, unless taken off the wheel before."""


Bucket = set[Expires]


class Wheel:
    """Holds who waits until when. An entry may fire up to one tick late (later where many do), never early."""

    def __init__(self, loop: asyncio.AbstractEventLoop, ticks_per_s: int = TICKS_PER_S) -> None:
        self._loop = loop
        self._ticks_per_s = ticks_per_s
        self._buckets: dict[int, Bucket] = {}
        self._due: deque[Bucket] = deque()
        self._firing = False

    def add(self, entry: Expires, delay_s: float) -> Bucket:
        """Let `entry.expire()` be called after the delay; `discard` it from the returned bucket to call that off."""
        bucket = self.bucket(delay_s)
        bucket.add(entry)
        return bucket

    def bucket(self, delay_s: float) -> Bucket:
        """Return the bucket of a delay that begins now: good for entries put in at once."""
        tick = int((self._loop.time() + delay_s) * self._ticks_per_s) + 1
        bucket = self._buckets.get(tick)
        if bucket is None:
            bucket = self._buckets[tick] = set()
            self._loop.call_at(tick / self._ticks_per_s, self._fire, tick)
        return bucket

    def _fire(self, tick: int) -> None:
        self._due.append(self._buckets.pop(tick))
        if not self._firing:
            self._go_on()

    def _go_on(self) -> None:
        due = self._due
        for _ in range(MOST_A_TURN):
            while due and not due[0]:
                due.popleft()
            if not due:
                self._firing = False
                return
            due[0].pop().expire()
        self._firing = True
        self._loop.call_soon(self._go_on)
