"""Who wants one answer from one upstream: the seam between a client's query or a health probe and a connection."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Final, Protocol

from .wheel import Bucket

FOREVER: Final = float("inf")


class Connection(Protocol):
    """A socket to an upstream, in use."""

    def expire(self, asker: Asker) -> None:
        """Give the asker's exchange up: its time is over."""


class Asker(ABC):
    """One exchange at a time. A connection fills in `connection`, `bucket` and `id` while it works for the asker.

    `limit` is the longest datagram taken, in octets; `timeout_s` how long the answer may take once sent; `until` the
    moment (monotonic s) at which requests over HTTPS are given up even before.
    """

    connection: Connection
    bucket: Bucket
    id: int
    limit: int
    timeout_s: float
    until: float

    @abstractmethod
    def message(self, ident: int) -> bytes:
        """Return the query to send, under this ID."""

    @abstractmethod
    def arrived(self, data: bytes, *, stream: bool) -> str | None:
        """Take a message with the right ID. Returns None if it can be read, else the error that it amounts to."""

    @abstractmethod
    def proceed(self) -> None:
        """Go on after a message that was taken; the connection is back in its pool."""

    @abstractmethod
    def failed(self, text: str) -> None:
        """Take the error that ended the exchange, in the reference's words."""

    def closed(self) -> None:
        """Take the news that a connection from the pool had been closed by the upstream."""
        self.failed("EOF")

    def expire(self) -> None:
        """Run out of time."""
        self.connection.expire(self)
