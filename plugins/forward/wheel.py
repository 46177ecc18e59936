"""Time-outs by the thousand: one timer of the event loop serves every exchange that ends within the same 16 ms."""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

TICKS_PER_S: Final = 64


class Expires(Protocol):
    """What can run out of time."""

    def expire(self) -> None:
        """Called once, unless taken off the wheel before."""


Bucket = set[Expires]


class Wheel:
    """Holds who waits until when. An entry may fire up to one tick late, never early."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._buckets: dict[int, Bucket] = {}

    def add(self, entry: Expires, delay_s: float) -> Bucket:
        """Let `entry.expire()` be called after the delay; `discard` it from the returned bucket to call that off."""
        tick = int((self._loop.time() + delay_s) * TICKS_PER_S) + 1
        bucket = self._buckets.get(tick)
        if bucket is None:
            bucket = self._buckets[tick] = set()
            self._loop.call_at(tick / TICKS_PER_S, self._fire, tick)
        bucket.add(entry)
        return bucket

    def _fire(self, tick: int) -> None:
        bucket = self._buckets.pop(tick)
        while bucket:
            bucket.pop().expire()
