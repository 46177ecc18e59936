"""The TCP connections of a worker: bounded in number, in octets kept for them, and in time.

1. The one that has been served longest ago stands first, and is the first to make room.
2. `held` octets are what arrived and cannot be answered yet, and answers that a client does not take. Whoever makes
   many wait loses its connection; who completes its queries moves behind those who do not.
3. A connection ends at its `deadline`; if what was written to it does not go out, it is cut a write time-out later.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Protocol

MAX_CONNECTIONS = 4096  # a worker
MAX_HELD_BYTES = 32 << 20  # of all connections of a worker
SWEEP_S = 0.25


class Guest(Protocol):
    """A connection as the others see it."""

    deadline: float
    held: int

    def close(self) -> None:
        """Close; what was written still goes out. The second time cut it."""

    def abort(self) -> None:
        """Cut it."""

    def end(self, server: object) -> None:
        """Where it came through this listener, close when the query under way has been answered."""


class Crowd:
    """All connections of a worker, whatever listener they came through."""

    def __init__(self, most: int = MAX_CONNECTIONS, most_bytes: int = MAX_HELD_BYTES) -> None:
        self.most = most
        self.most_bytes = most_bytes
        self.bytes = 0
        self._guests: dict[Guest, None] = {}
        self._sweeper: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._guests)

    def __iter__(self) -> Iterator[Guest]:
        return iter(list(self._guests))

    def touch(self, guest: Guest) -> None:
        """Put a connection, new or just served, behind the others."""
        self._guests.pop(guest, None)
        self._guests[guest] = None

    def discard(self, guest: Guest) -> None:
        """Forget one that is gone."""
        if guest in self._guests:
            del self._guests[guest]
            self.bytes -= guest.held
            guest.held = 0

    def hold(self, guest: Guest, octets: int) -> None:
        """Note what is kept for a connection; the first that hold something go while it is too much together."""
        if guest not in self._guests:
            return
        self.bytes += octets - guest.held
        guest.held = octets
        while self.bytes > self.most_bytes:
            self._cut(next(one for one in self._guests if one.held))

    def make_room(self) -> bool:
        """Cut the first connection; False where there is none."""
        first = next(iter(self._guests), None)
        if first is None:
            return False
        self._cut(first)
        return True

    def _cut(self, guest: Guest) -> None:
        self.discard(guest)
        guest.abort()

    def sweep(self, now: float) -> None:
        """End those whose time is over."""
        for guest in [guest for guest in self._guests if guest.deadline < now]:
            guest.close()

    def watch(self) -> None:
        """Sweep from now on, as long as the event loop runs."""
        if self._sweeper is None:
            self._again()

    def _again(self) -> None:
        self.sweep(time.monotonic())
        self._sweeper = asyncio.get_running_loop().call_later(SWEEP_S, self._again)
