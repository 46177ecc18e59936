"""What all connections of one plugin object in one worker share: event loop, time-outs, message IDs, buffers."""

from __future__ import annotations

import asyncio
import os
import random
import struct
from collections.abc import Callable, Iterator

from shardns.worker.volley import Volley

from .wheel import Wheel

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
        self.moments = Wheel(loop, MOMENTS_PER_S)
        self.hedges = 0  # second queries under way


def idents() -> Iterator[int]:
    """Yield message IDs from the system's generator, a batch a call (RFC 5452 §9.2)."""
    while True:
        yield from _BATCH.unpack(os.urandom(_BATCH.size))
