"""Answers that a full socket did not take: the newest is sent first, and the oldest gives way.

1. Nothing is kept while the socket takes what it is given; then a send is direct, and so the newest is first anyway.
2. What a ring holds is sent when the socket can be written again, also while the worker drains; when the ring has been
   closed nothing more is taken, and what is refused counts as dropped.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from shardns.worker.log import PluginLog

DEPTH: Final = 1024  # answers; the reference's: 12-16 ms of what a socket can send
BATCH: Final = 64
_log = PluginLog("shed")

Row = tuple[bytes, bytes, bytes, bytes]  # receiver, control data, message ID, the rest of the answer


class Sender(Protocol):
    """What a ring needs of a socket's buffers."""

    fd: int

    def resend(self, rows: list[Row]) -> None:
        """Send answers; what the socket does not take comes back through `keep`."""


class Ring:
    """The waiting answers of one socket. `lost` is called with how many were dropped."""

    def __init__(self, sender: Sender, lost: Callable[[int], None], depth: int = DEPTH) -> None:
        self.sender = sender
        self.lost = lost
        self.rows: deque[Row] = deque()
        self.depth = depth
        self.closed = False
        self._resending = False

    @property
    def full(self) -> bool:
        """Tell whether a further answer would cost an older one."""
        return len(self.rows) >= self.depth

    def keep(self, rows: Iterable[Row]) -> None:
        """Take answers that the socket did not take, oldest first, or, of what `drain` gave it, newest first."""
        if self._resending:
            self.rows.extend(reversed(list(rows)))
            return
        for row in rows:
            self.push(row)
        if self.rows:
            asyncio.get_running_loop().add_writer(self.sender.fd, self.drain)

    def unsendable(self, code: int) -> None:
        """Count an answer that the socket refuses for good."""
        self.lost(1)
        _log.debug(f"Deferred response write failed: {os.strerror(code).lower()}")

    def push(self, row: Row) -> bool:
        """Add the newest answer; True where that cost one."""
        if self.closed:
            self.lost(1)
            return True
        over = self.full
        if over:
            self.rows.popleft()
            self.lost(1)
        self.rows.append(row)
        return over

    def pop(self) -> Row | None:
        """Take the newest answer."""
        return self.rows.pop() if self.rows else None

    def drain(self) -> None:
        """Send what the socket takes now, newest first."""
        batch = [row for row in (self.pop() for _ in range(BATCH)) if row is not None]
        self._resending = True
        try:
            self.sender.resend(batch)
        finally:
            self._resending = False
        if not self.rows:
            asyncio.get_running_loop().remove_writer(self.sender.fd)

    def close(self) -> None:
        """Take nothing more."""
        self.closed = True
