"""DNS over QUIC (RFC 9250): one query a stream, behind its length; an answer ends its stream.

What the RFC calls fatal ends the connection with DOQ_PROTOCOL_ERROR, as does a query that does not come in time.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Coroutine
from enum import IntEnum
from functools import partial

from .. import log
from ..query import Query
from ..reply import Failure
from ..stream import Flow, fill, framed
from ..wire.read import complaint, read
from .asking import Asking

TCP_KEEPALIVE = 11
UNTAKEN_BYTES = 1 << 16  # of a transfer that wait for the client
_ID = b"\0\0"


class Code(IntEnum):
    """RFC 9250 §8.4."""

    NO_ERROR = 0
    INTERNAL_ERROR = 1
    PROTOCOL_ERROR = 2
    REQUEST_CANCELLED = 3
    EXCESSIVE_LOAD = 4
    UNSPECIFIED_ERROR = 5


_STATUS = {code: f"0x{code:x}" for code in Code}
DONE = _STATUS[Code.NO_ERROR]


class Doq(Asking):
    """One connection of a DoQ client."""

    excess_code = Code.NO_ERROR
    quiet_code = Code.NO_ERROR

    def fail(self, code: Code) -> None:
        """End the connection for what the client did."""
        self.seat.count(_STATUS[code])
        self.shut(code)

    def shut(self, code: int, reason: str = "", frame_type: int | None = None) -> None:
        """Close with an error code."""
        if not self.closed:
            log.debug(f"closing quic conn {self.seat.listener.local} with code {code:d}")
        super().shut(code, reason, frame_type)

    # Queries --------------------------------------------------------------------------------------------------------

    def data(self, stream: int, data: bytes, end: bool) -> None:
        """Take octets of a stream; a whole query is answered."""
        inflow = self.open.get(stream)
        if inflow is None:
            if data:  # RFC 9250 §4.3.3: a second query, or a stream that carries none
                self.fail(Code.PROTOCOL_ERROR)
            return
        if inflow.data:
            data = inflow.data + data
        size = len(data)
        whole = 2 + ((data[0] << 8) | data[1]) if size >= 2 else 3
        if size > whole or whole == 2 or (end and size < whole):
            self.fail(Code.PROTOCOL_ERROR)
        elif size < whole:
            inflow.data = data
            inflow.size = size
        else:
            del self.open[stream]
            if not end:
                self.transport.finish_reading(stream)
            self._whole(stream, data[2:])

    def _whole(self, stream: int, wire: bytes) -> None:
        now = time.monotonic()
        sender, memo = self.sender, self.memo()
        if wire[:2] == _ID and memo is not None:
            found = memo.get(wire[2:], now, sender, 0)
            if found is not None:
                self.answer(stream, found)
                return
        self.ask(stream, wire, now)

    def resolve(self, stream: int, wire: bytes, now: float) -> None:
        """Have a query answered that is not among the answers kept."""
        request = self.request(len(wire), now)
        request.flows = True
        query = read(wire, request)
        if not isinstance(query, Query):
            log.debug(f"unpacking quic packet: {complaint(wire)}")
        elif _keepalive(query):
            log.debug("client sent EDNS0 TCP keepalive option")
        if not isinstance(query, Query) or wire[:2] != _ID or _keepalive(query):
            self.fail(Code.PROTOCOL_ERROR)
            return
        result = self.seat.dispatch.answer(query, wire, request, self.memo())
        if result is None or isinstance(result, bytes):
            more = self.answer(stream, result)
            if more is not None:
                self.seat.worker.spawn(more)
            return
        self.waiting[stream] = len(wire)
        self.seat.wait(result, partial(self._later, stream))

    def _later(self, stream: int, answer: bytes | None) -> Awaitable[None] | None:
        if self.waiting.pop(stream, None) is None:
            return None
        more = self.answer(stream, answer)
        self.office.touch(self)
        return more

    def answer(self, stream: int, answer: bytes | None) -> Coroutine[None, None, None] | None:
        """Send an answer; returns what is to be awaited for the rest of one of several messages."""
        self.answered(time.monotonic())
        self.seat.count(DONE)
        if answer is None:  # the reference leaves the stream open; RFC 9250 §4.3.2 has it reset
            self.transport.reset_stream(stream, Code.UNSPECIFIED_ERROR)
        elif answer.__class__ is Flow:
            self.waiting[stream] = 0
            return self._flow(stream, answer)
        else:
            self.transport.send_stream_data(stream, framed(_ID, answer), end_stream=True)
        return None

    async def _flow(self, stream: int, flow: Flow) -> None:
        """Send an answer of several messages as fast as the client takes it."""
        worker, send = self.seat.worker, self.transport.send_stream_data
        out = [framed(_ID, flow)]
        more, whole = True, False
        try:
            while more and stream in self.waiting:
                worker.begin_burst()
                try:
                    more = fill(flow.rest, _ID, out)
                finally:
                    worker.end_burst()
                if stream not in self.waiting:
                    break
                send(stream, b"".join(out), end_stream=not more)
                out.clear()
                self.office.touch(self)
                whole = not more
                if more and not await self.wait_taken(stream, UNTAKEN_BYTES):
                    break
        except Failure as failure:
            log.warning("an answer of several messages broke off", peer=self.way.peer.ip, reason=failure.text)
        finally:
            if not whole and stream in self.waiting:
                self.transport.reset_stream(stream, Code.INTERNAL_ERROR)
                self.office.touch(self)
            self.waiting.pop(stream, None)

    # What goes wrong ------------------------------------------------------------------------------------------------

    def cancelled(self, stream: int) -> None:
        """The client gave a query up: no answer, and none of its stream is kept (RFC 9250 §4.3.1)."""
        if stream & 2:
            self.fail(Code.PROTOCOL_ERROR)
            return
        self.transport.finish_reading(stream)
        self.transport.reset_stream(stream, Code.REQUEST_CANCELLED)

    def stalled(self, stream: int) -> None:
        """A query did not come in time."""
        self.fail(Code.PROTOCOL_ERROR)


def _keepalive(query: Query) -> bool:
    # RFC 9250 §5.5.2: fatal
    return query.edns is not None and any(code == TCP_KEEPALIVE for code, _ in query.edns.options)
