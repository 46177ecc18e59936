"""What both protocols of QUIC clients have in common: requests become queries, some of which wait for their turn."""

from __future__ import annotations

import asyncio
import time
from abc import abstractmethod
from typing import TYPE_CHECKING, cast

from ..query import Request
from .peer import Peer
from .transport import Transport

if TYPE_CHECKING:
    from ..memo import Memo
    from .office import Office
    from .seat import QuicSeat
    from .way import Way

STALL_S = 30.0  # how long a client may take nothing of a transfer


class Asking(Peer):
    """A connection whose client asks."""

    def __init__(self, seat: QuicSeat, office: Office, transport: Transport, way: Way) -> None:
        super().__init__(seat, office, transport, way)
        self._sender = b""
        self._peer, self._family = way.peer, way.family

    @abstractmethod
    def resolve(self, stream: int, wire: bytes, now: float) -> None:
        """Have a query answered."""

    def ask(self, stream: int, wire: bytes, now: float) -> None:
        """Have a query answered, now or where too many wait for their answers when it is its turn."""
        seat = self.seat
        if seat.busy < seat.limits.queries:
            self.resolve(stream, wire, now)
        else:
            self.waiting[stream] = len(wire)
            seat.line[self, stream] = wire

    def in_turn(self, stream: int, wire: bytes) -> None:
        """Have a query answered that has waited."""
        if self.waiting.pop(stream, None) is not None:
            worker = self.seat.worker
            worker.begin_burst()
            self.resolve(stream, wire, time.monotonic())
            worker.end_burst()
            self.office.touch(self)

    @property
    def sender(self) -> bytes:
        """The client's address as the kernel writes it: the last that is proved to be its own.

        It may have moved since the last query, or say so to be taken for somebody else.
        """
        way = cast("Way", self.transport.proved)
        if way is not self.way or not self._sender:
            self.way = way
            self._sender = way.sender
            self._peer, self._family = way.peer, way.family
        return self._sender

    def memo(self) -> Memo | None:
        """Return the answers kept for clients of its address family."""
        memos = self.seat.memos
        return memos[self._peer.family, self._family] if memos is not None else None

    def request(self, size: int, now: float) -> Request:
        """Return what a query of this client begins with."""
        sender = self.sender
        request = Request(self.seat.listener, sender, self._family, "udp", now, size)
        request._peer = self._peer
        return request

    def answered(self, now: float) -> None:
        """Note that it was served."""
        self.served = now
        if not self.closed:
            self.seat.worker.crowd.touch(self)

    async def wait_taken(self, stream: int, most: int) -> bool:
        """Wait until the client has taken what is sent on a stream but for `most` octets; False where it does not."""
        until = time.monotonic() + STALL_S
        while not self.closed and self.transport.unsent(stream) > most:
            self.moved = asyncio.get_running_loop().create_future()
            await asyncio.wait({self.moved}, timeout=until - time.monotonic())
            if time.monotonic() >= until:
                return False
        return not self.closed
