"""A request that is not whole yet."""

from __future__ import annotations


class Inflow:
    """What has come of a request on a stream, and when it began (monotonic s). `size` are the octets kept of it."""

    __slots__ = ("data", "since", "size")

    def __init__(self, since: float) -> None:
        self.since = since
        self.data = b""
        self.size = 0
