"""DNS over HTTPS (RFC 8484) on TCP: a client's connection, which speaks HTTP/2 or HTTP/1.1.

1. TLS settles the version (ALPN); without TLS the first octets do.
2. What a client may have us keep is counted (`Crowd.hold`), and what it may take its time for has an end: a request the
   read time-out, an answer the write time-out, the next request the idle time-out.
3. Where a client does not take its answers, none of its requests is read.
4. Closing ends our side first and reads on for a moment, or the client would lose what it has not read yet.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Protocol

from . import core_metrics, metrics
from .dispatch import Answer
from .doh_message import HttpError, explain, invalid
from .ends import Ends
from .h2.frames import PREFACE
from .places import IDLE_S, SILENT_S, Tenant
from .query import Query, Request
from .wire.read import complaint, read

if TYPE_CHECKING:
    from .tcp import TcpSocket

AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: closing resets
LINGER_S = 0.2  # how long a client may take to close its side after ours
FRESH_S = 0.5  # how long a client that came just before a drain may take to ask: it may be here because of another one


class Version(Protocol):
    """A version of HTTP on a connection."""

    def receive(self, data: bytes, now: float) -> None:
        """Take octets; answer what is whole."""

    def resume(self, now: float) -> None:
        """The client takes answers again."""

    def leave(self, now: float) -> None:
        """Tell the client to go elsewhere with what it asks next; close when all is answered."""

    def expire(self, now: float) -> None:
        """A time is over: give up what has not come, or the connection."""

    def lost(self) -> None:
        """The client has gone."""

    def deadline(self, now: float) -> float:
        """Return when `expire` is due."""

    @property
    def held(self) -> int:
        """Octets kept for the client."""

    @property
    def busy(self) -> bool:
        """Whether a request is under way."""


class Doh(asyncio.Protocol, Tenant):
    """One client's connection."""

    transport: asyncio.Transport

    def __init__(self, server: TcpSocket, ends: Ends) -> None:
        self.server = server
        self.ends = ends
        self.listener = server.dispatch.listener
        self.crowd = server.worker.crowd
        self.deadline = time.monotonic() + self.listener.read_s
        self.held = 0
        self.served = time.monotonic()
        self.spoken = False  # the client has sent anything
        self.asked = False  # … a request
        self.blocked = False
        self.leaving = False
        self.closed = False
        self.finished = False  # the client's side
        self.http: Version | None = None
        self._first = b""
        self._cells: dict[int, int] = {}

    # What the transport says ----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note who it is."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        memos = self.server.memos
        self.memo = memos[self.ends.family - 1] if memos is not None else None
        tls = transport.get_extra_info("ssl_object")
        if tls is not None:
            self.spoken = True
            self._choose(tls.selected_alpn_protocol() == "h2")
        self.crowd.touch(self)
        if not self.server.reading:  # accepted just before the drain began
            self._leave()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self.closed = True
        if self.http is not None:
            self.http.lost()
        self.crowd.discard(self)

    def data_received(self, data: bytes) -> None:
        """Answer the requests that have come."""
        if self.closed:
            return
        self.spoken = True
        if self.http is None:
            data = self._first = self._first + data
            if len(data) < len(PREFACE) and PREFACE.startswith(data):
                return
            self._choose(data.startswith(PREFACE))
        assert self.http is not None
        self.http.receive(data, time.monotonic())

    def _choose(self, second: bool) -> None:
        """Import and make what speaks the version."""
        if second:
            from .doh_h2 import DohHttp2

            self.http = DohHttp2(self)
        else:
            from .doh_h1 import DohHttp1

            self.http = DohHttp1(self)
        if self.leaving:
            self.http.leave(time.monotonic())

    def eof_received(self) -> bool:
        """The client sends no more; what is under way is answered, False closes at once."""
        self.finished = True
        return not self.closed and self.http is not None and self.http.busy

    def pause_writing(self) -> None:
        """The client does not take its answers: take no more requests."""
        self.blocked = True
        self.transport.pause_reading()
        self.settle(time.monotonic())

    def resume_writing(self) -> None:
        """It does again."""
        self.blocked = False
        self.transport.resume_reading()
        if self.http is not None and not self.closed:
            self.http.resume(time.monotonic())

    # Queries --------------------------------------------------------------------------------------------------------

    def ask(self, wire: bytes, now: float) -> Answer | Awaitable[Answer] | HttpError:
        """Have a query answered (without its ID); None is silence."""
        memo = self.memo
        if memo is not None and len(wire) > 12:
            found = memo.get(wire[2:], now, self.ends.sender, int.from_bytes(wire[:2], "big"))
            if found is not None:
                return found
        request = Request(self.listener, self.ends.sender, self.ends.family, "tcp", now, len(wire))
        request._local = self.ends.local
        query = read(wire, request)
        if not isinstance(query, Query):
            return invalid(complaint(wire))
        return self.server.dispatch.answer(query, wire, request, memo)

    def count(self, status: int) -> None:
        """Count a response."""
        cell = self._cells.get(status)
        if cell is None:
            cell = self._cells[status] = core_metrics.https_responses.cell(self.listener.label, str(status))
        metrics.values[cell] += 1

    def refuse(self, error: HttpError) -> None:
        """Count a response without a DNS message, and tell the log why."""
        self.count(error.status)
        explain(error, "DoH")

    # Its time and its end -------------------------------------------------------------------------------------------

    def settle(self, now: float) -> None:
        """Note what is kept for it and how long it may go on like that."""
        http = self.http
        if http is None or self.closed:
            return
        self.deadline = now + self.listener.write_s if self.blocked else http.deadline(now)
        held = http.held + self.transport.get_write_buffer_size()
        if held or self.held:
            self.crowd.hold(self, held)

    def end(self, server: object) -> None:
        """Where it came through this listener, have the client leave."""
        if server is self.server:
            loop = asyncio.get_running_loop()
            loop.call_soon(loop.call_soon, self._leave)  # behind a turn that reads what the kernel has

    def _leave(self) -> None:
        self.leaving = True
        if self.closed:
            return
        if self.http is None:
            self.deadline = time.monotonic() + FRESH_S
        else:
            self.http.leave(time.monotonic())

    def yields(self, server: object, now: float) -> bool:
        """Tell whether it may make place for another client of the listener."""
        if server is not self.server or self.closed or (self.http is not None and self.http.busy):
            return False
        return now - self.served > (IDLE_S if self.spoken else SILENT_S)

    def close(self) -> None:
        """A time is over. The second time cut it: the client had time to take what was written."""
        if self.closed or self.transport.is_closing():
            self.abort()
            return
        if self.http is None or self.blocked:
            self.finish()
        else:
            self.http.expire(time.monotonic())

    def finish(self) -> None:
        """End our side."""
        if self.closed or self.transport.is_closing():
            return
        self.closed = True
        unsent = self.transport.get_write_buffer_size()
        self.deadline = time.monotonic() + (self.listener.write_s if unsent else LINGER_S)
        if self.finished or not self.transport.can_write_eof():
            self.transport.close()
            return
        try:
            self.transport.write_eof()
        except OSError:  # the client has reset it
            self.abort()
            return
        self.transport.resume_reading()

    def abort(self) -> None:
        """Cut it, and keep nothing in the kernel that the client does not take."""
        self.closed = True
        sock = self.transport.get_extra_info("socket")
        if sock is not None and self.transport.get_write_buffer_size():
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
        self.transport.abort()


accepted = Doh  # the name by which `transports` finds it
