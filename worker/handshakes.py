"""The TLS handshakes of a worker: bounded in number, and a few a turn of the event loop.

A handshake costs as much as hundreds of queries. So that a flood of them keeps nobody waiting, no turn of the event
loop carries out more than `A_TURN` steps; past `MOST` the oldest that is not over makes room for a newcomer.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

MOST = 1024  # a worker
A_TURN = 8  # steps; some 2 ms with ECDSA P-256, 10 ms with RSA 2048


class Handshake(Protocol):
    """A connection as this module sees it."""

    def shake(self) -> None:
        """Take the next step with what has come."""

    def abort(self) -> None:
        """Cut the connection."""


class Handshakes:
    """All handshakes under way in a worker, the oldest first."""

    def __init__(self, most: int = MOST, a_turn: int = A_TURN) -> None:
        self.most = most
        self.a_turn = a_turn
        self._open: dict[Handshake, None] = {}
        self._waiting: dict[Handshake, None] = {}
        self._left = a_turn
        self._renewing = False

    def __len__(self) -> int:
        return len(self._open)

    def begin(self, handshake: Handshake) -> None:
        """Let one in."""
        if len(self._open) >= self.most:
            oldest = next(iter(self._open))
            self.end(oldest)
            oldest.abort()
        self._open[handshake] = None

    def end(self, handshake: Handshake) -> None:
        """One has come to its end, whichever."""
        self._open.pop(handshake, None)
        self._waiting.pop(handshake, None)

    def advance(self, handshake: Handshake) -> None:
        """Have it take a step, now or in one of the next turns."""
        if not self._renewing:
            self._renewing = True
            asyncio.get_running_loop().call_soon(self._renew)
        if self._left and not self._waiting:
            self._left -= 1
            handshake.shake()
        else:
            self._waiting[handshake] = None

    def _renew(self) -> None:
        """A fresh turn of the event loop."""
        self._left, self._renewing = self.a_turn, False
        waiting = list(self._waiting)[: self.a_turn]
        for handshake in waiting:
            del self._waiting[handshake]
        if waiting:
            self._renewing = True
            asyncio.get_running_loop().call_soon(self._renew)
        self._left -= len(waiting)
        for handshake in waiting:
            handshake.shake()
