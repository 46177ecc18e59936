"""What all connections of one plugin object in one worker share: event loop, time-outs, message IDs, buffers."""

from __future__ import annotations

import asyncio
import os
import random
import struct
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from shardns.worker.promise import Promise
from shardns.worker.volley import Volley

from .asker import Asker
from .wheel import Wheel

T = TypeVar("T")

MAX_MESSAGE_BYTES = 65535
MOMENTS_PER_S = 512  # in which second queries are sent
_BATCH = struct.Struct("!1024H")


class Engine:
    """Made in the worker, on the first query: nothing random or open may be older than the fork."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.wheel = Wheel(loop)
        self.ident: Callable[[], int] = idents().__next__
        self.random = random.SystemRandom()
        self.volley = Volley()
        self.waiting = 0  # queries under way
        self._settling: list[tuple[Promise[Any], Any]] | None = None  # outcomes that a burst of answers has brought
        self.moments = Wheel(loop, MOMENTS_PER_S)
        self.hedges = 0  # second queries under way

    def settle(self, promise: Promise[T], outcome: T) -> None:
        """Settle a promise; in a burst of answers when all of them were looked at."""
        if self._settling is None:
            promise.settle(outcome)
        else:
            self._settling.append((promise, outcome))

    def proceed(self, taken: list[Asker]) -> None:
        """Have those go on whose answers came in one burst; a fault of ours under one of them does not stop the others.

        Step by step for all of them, as in `worker.udp`: three short loops take a third less time than one long one.
        """
        settling: list[tuple[Promise[Any], Any]] = []
        self._settling = settling
        left = iter(taken)
        try:
            for asker in left:
                asker.proceed()
        finally:
            self._settling = None
            if rest := list(left):
                self.loop.call_soon(self.proceed, rest)
            self._settle_all(settling)

    def _settle_all(self, settling: list[tuple[Promise[Any], Any]]) -> None:
        left = iter(settling)
        try:
            for promise, outcome in left:
                promise.settle(outcome)
        finally:
            if rest := list(left):
                self.loop.call_soon(self._settle_all, rest)


def idents() -> Iterator[int]:
    """Yield message IDs from the system's generator, a batch a call (RFC 5452 §9.2)."""
    while True:
        yield from _BATCH.unpack(os.urandom(_BATCH.size))
