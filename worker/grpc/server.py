"""A connection of a gRPC client: calls on HTTP/2 streams become queries, answers go back with a status behind them.

1. Queries of a connection are answered as they come; those that have to be waited for hold up no other.
2. Faults of a call end that call with a status; DNS has no part in them (spec grpc_server).
3. Where a client does not take its answers no more of its queries are read. A call that does not come whole within the
   read time-out is reset; a connection without calls ends after a while, or when others wait for its place.
4. A drain tells the client to go elsewhere, and answers what it asked before it knew.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Final

from ..dispatch import Answer
from ..ends import Ends
from ..h2.connection import Http2
from ..h2.frames import Code
from ..h2.hpack import Field, encode
from ..places import IDLE_S, Tenant, limiting
from .calls import Call, refusal
from .query import resolve
from .stall import Stall
from .wire import CallError, Status, framed_parts, status_fields

if TYPE_CHECKING:
    from ..tcp import TcpSocket

QUIET_S: Final = 300.0  # of a connection whose client asks nothing
GOODBYE_S: Final = 1.0  # for a client to go when it is told to
STREAMS: Final = 256  # calls under way on a connection, where nothing is said
UNLIMITED: Final = 1 << 20  # more than there can be
CALL_BYTES: Final = 2048  # what a call under way costs besides its octets
INFINITE: Final = float("inf")
_ANSWER: Final = encode([(b":status", b"200"), (b"content-type", b"application/grpc")])
_DONE: Final = encode(status_fields(Status.OK, ""))


class Connection(asyncio.Protocol, Tenant):
    """One client's connection; the HTTP/2 layer's user."""

    transport: asyncio.Transport

    def __init__(self, server: TcpSocket, ends: Ends) -> None:
        self.server = server
        self.ends = ends
        self.listener = server.dispatch.listener
        self.worker = server.worker
        self.crowd = server.worker.crowd
        now = time.monotonic()
        options = limiting(server.worker.spawned.model, self.listener.index, "grpc_server")
        self.http = Http2(self, now, streams=STREAMS if options is None else options.max_streams or UNLIMITED)
        self.calls: dict[int, Call] = {}  # not whole yet, the oldest first
        self.pending: dict[int, asyncio.TimerHandle | None] = {}  # waited for, with the call's own time-out
        self.held = 0
        self.quiet = now  # since when it has had nothing to do
        self.deadline = now + self.listener.read_s
        self.blocked = False
        self.stall = Stall(now)
        self.turning = False

    # The socket's side ------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet; over TLS only who speaks HTTP/2."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        memos = self.server.memos
        self.memo = memos[self.ends.family - 1] if memos is not None else None
        self.crowd.touch(self)
        tls = transport.get_extra_info("ssl_object")
        if tls is not None and tls.selected_alpn_protocol() != "h2":
            transport.close()
            return
        if not self.server.reading:
            self.end(self.server)
        self._settle()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it; what is still being resolved is answered to nobody."""
        self.crowd.discard(self)
        for timer in self.pending.values():
            if timer is not None:
                timer.cancel()
        self.pending.clear()
        self.calls.clear()

    def data_received(self, data: bytes) -> None:
        """Take octets."""
        self.http.receive(data)
        self._turn()

    def eof_received(self) -> bool:
        """The client sends no more; calls under way are answered."""
        if self.http.unread or self.pending or self.http.waiting:
            self.http.depart()
            self._settle()
            return True
        return False

    def _turn(self) -> None:
        """Read a while; others get their turn in between."""
        if self.transport.is_closing() or self.blocked:
            return
        self.worker.begin_burst()
        more = self.http.step(time.monotonic())
        self.worker.end_burst()
        self._settle()
        if more and not self.transport.is_closing():
            self.turning = True
            self.transport.pause_reading()
            asyncio.get_running_loop().call_soon(self._turn)
        elif self.turning:
            self.turning = False
            if not self.blocked:
                self.transport.resume_reading()

    def _settle(self) -> None:
        """Send what there is, then see how long there is time for what."""
        http, now = self.http, time.monotonic()
        out = http.take()
        if out and not self.transport.is_closing():
            self.transport.write(b"".join(out))
        busy = bool(self.pending or self.calls)
        unsent = self.transport.get_write_buffer_size()
        self.stall.note(http.waiting + unsent if self.blocked or http.waiting else 0, now)
        if http.closed or (http.departed and not busy and not http.waiting):
            self.transport.close()
            self.deadline = now + self.listener.write_s
        elif self.stall.octets:
            self.deadline = self.stall.since + self.listener.write_s
        elif self.calls:
            self.deadline = next(iter(self.calls.values())).begun + self.listener.read_s
        elif self.pending:
            self.deadline = INFINITE
        elif http.last:
            self.deadline = now + (GOODBYE_S if http.leaving else QUIET_S)
        if busy or http.waiting:
            self.quiet = now
        held = http.unread + http.waiting + unsent
        if busy:
            held += sum([call.size for call in self.calls.values()])
            held += CALL_BYTES * (len(self.calls) + len(self.pending))
        if held or self.held:
            self.crowd.hold(self, held)

    def pause_writing(self) -> None:
        """The client does not take its answers: take no more queries."""
        self.blocked = True
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        """It does again."""
        self.blocked = False
        self.transport.resume_reading()
        self._turn()

    # Calls ------------------------------------------------------------------------------------------------------------

    def headers(self, stream: int, fields: list[Field], end: bool) -> None:
        """A call begins, or ends with trailers."""
        call = self.calls.get(stream)
        if call is None:
            try:
                call = Call(fields, self.http.now)
            except CallError as error:
                self.fail(stream, error)
                return
            self.calls[stream] = call
        if end:
            self._whole(stream, call)

    def data(self, stream: int, data: bytes, end: bool) -> None:
        """Octets of a call; the whole is answered."""
        call = self.calls.get(stream)
        if call is None:
            return
        try:
            call.add(data)
        except CallError as error:
            self.fail(stream, error)
            return
        if end:
            self._whole(stream, call)

    def _whole(self, stream: int, call: Call) -> None:
        self.calls.pop(stream, None)
        try:
            wire = call.message()
            result = resolve(self.server.dispatch, self.ends, self.memo, wire, self.http.now, call.until)
        except CallError as error:
            self.fail(stream, error)
            return
        self.crowd.touch(self)
        if result is None or isinstance(result, bytes):
            self.answer(stream, wire, result)
            return
        timer = None
        if call.until < INFINITE:
            late = max(call.until - time.monotonic(), 0.0)
            timer = asyncio.get_running_loop().call_later(late, self._late, stream)
        self.pending[stream] = timer
        self.worker.spawn(self._wait(stream, wire, result))

    async def _wait(self, stream: int, wire: bytes, waiting: Awaitable[Answer]) -> None:
        try:
            answer = await waiting
        finally:
            if stream not in self.pending:
                self.http.ghosts -= 1
            timer = self.pending.get(stream)
            if timer is not None:
                timer.cancel()
        if stream not in self.pending:
            return
        del self.pending[stream]
        self.worker.end_burst()  # the other workers shall know what this client now knows
        self.answer(stream, wire, answer)
        self.crowd.touch(self)
        self._settle()

    def _late(self, stream: int) -> None:
        """A call's own time is over before its answer came."""
        if stream in self.pending:
            self._haunt(stream)
            self.fail(stream, CallError(Status.DEADLINE_EXCEEDED, "context deadline exceeded"))
            self._settle()

    def _haunt(self, stream: int) -> None:
        """A query is still being resolved that nobody waits for; it counts as a stream none the less."""
        timer = self.pending.pop(stream)
        if timer is not None:
            timer.cancel()
        self.http.ghosts += 1

    def answer(self, stream: int, wire: bytes, answer: bytes | None) -> None:
        """Send an answer; where nothing was written the query goes back, as in the reference."""
        body = framed_parts(wire[:2], wire[2:] if answer is None else answer)
        self.http.respond_with_trailers(stream, _ANSWER, body, _DONE)

    def fail(self, stream: int, error: CallError) -> None:
        """End a call with a status."""
        self.calls.pop(stream, None)
        self.http.send_headers(stream, encode(refusal(error)), end=True)

    def reset(self, stream: int) -> None:
        """The client gave a call up."""
        self.calls.pop(stream, None)
        if stream in self.pending:
            self._haunt(stream)

    def oversized(self, stream: int) -> None:
        """A header section that is too long to be read."""
        self.http.send_headers(stream, encode([(b":status", b"431")]), end=True)

    def went(self, last: int, code: int) -> None:
        """The client opens no more streams."""

    # Its place among the others ---------------------------------------------------------------------------------------

    def end(self, server: object) -> None:
        """Where it came through this listener, tell the client to go elsewhere with what it asks next."""
        if server is self.server and not self.transport.is_closing():
            self.http.leave()
            self._settle()
            self.deadline = min(self.deadline, time.monotonic() + GOODBYE_S)

    def yields(self, server: object, now: float) -> bool:
        """Tell whether it came through this listener and has had nothing to do for a while."""
        at_work = self.pending or self.calls or self.stall.octets
        return server is self.server and not at_work and now - self.quiet > IDLE_S

    def close(self) -> None:
        """The time of something is over: of calls that did not come whole, of its leaving, or of the connection."""
        if self.transport.is_closing() or self.stall.octets:
            self.transport.abort()
        elif self.calls:
            self._reset_stalled()
        else:
            self.http.depart()
            self._settle()

    def _reset_stalled(self) -> None:
        until = time.monotonic() - self.listener.read_s
        for stream, call in list(self.calls.items()):
            if call.begun <= until:
                del self.calls[stream]
                self.http.reset_stream(stream, Code.CANCEL)
        self._settle()

    def abort(self) -> None:
        """Cut it."""
        self.transport.abort()


accepted = Connection  # the name by which `transports` finds it
