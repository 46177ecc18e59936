"""A connection of DNS over TCP (RFC 7766): frames of one read are answered by one write, queries strictly in turn.

1. The first message must arrive within the read time-out, each later one within the idle time-out, whole.
2. A connection ends after `maxtcpqueries` queries, when its time is over, or when its client does not take answers.
3. An answer of several messages is made and sent in slices of a millisecond, as fast as its client takes it.
4. Where a client does not take its answers no more of its queries are answered.
5. Closing ends our side first and reads on for a moment: a socket closed with queries unread is reset by the kernel,
   and a client that is reset loses the answers it has not read yet. A drain answers what had come before it.
6. A client that closes its side behind its queries gets their answers (RFC 7766 §6.2.4).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from typing import TYPE_CHECKING

from . import log
from .dispatch import Answer
from .ends import Ends
from .frames import WRITE_BYTES, memorised
from .query import Request
from .reply import Failure
from .stream import Flow, fill, framed

if TYPE_CHECKING:
    from .tcp import TcpSocket

MAX_FRAMES = 128  # of one connection answered in a turn
MAX_WAITING_BYTES = 1 << 17  # of a client's pipelined queries kept while one is being answered
LINGER_S = 0.2  # how long a client may take to close its side after ours
STALL_S = 30.0  # how long a client may take nothing of a transfer


class Connection(asyncio.Protocol):
    """One client's connection."""

    transport: asyncio.Transport

    def __init__(self, server: TcpSocket, ends: Ends) -> None:
        self.server = server
        self.sender = ends.sender
        self.peer = ends.peer
        self.local = ends.local
        self.family = ends.family
        listener = server.dispatch.listener
        self.listener = listener
        self.crowd = server.worker.crowd
        self.deadline = min(time.monotonic() + listener.read_s, ends.until)
        self.held = 0
        self.left = listener.max_tcp_queries
        self.waiting = b""
        self.busy = False
        self.ending = False
        self.leaving = False  # a drain, or the client's side closed: no more is read, what has come is answered
        self.finished = False  # the client's side
        self.closed = False  # our side
        self.blocked = False
        self.unblocked: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note who it is."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        memos = self.server.memos
        self.memo = memos[self.family - 1] if memos is not None else None
        if not self.server.reading:  # accepted just before the drain began
            self.deadline = time.monotonic() + LINGER_S
        self.crowd.touch(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        if self.unblocked is not None and not self.unblocked.done():
            self.unblocked.set_result(None)
        self.crowd.discard(self)

    def data_received(self, data: bytes) -> None:
        """Answer all whole messages that have come."""
        if self.leaving or self.closed:
            return
        self.waiting = self.waiting + data if self.waiting else data
        if self.busy or self.blocked:
            if len(self.waiting) > MAX_WAITING_BYTES:
                self.transport.pause_reading()
            self._hold()
            return
        if self._serve() and not self.server.reading:
            self._leave()

    def eof_received(self) -> bool:
        """The client sends no more: answer what has come; False closes at once."""
        self.finished = True
        if self.closed or not (self.busy or self.blocked):
            return False
        self.leaving = True
        return True

    def _hold(self) -> None:
        self.crowd.hold(self, len(self.waiting) + self.transport.get_write_buffer_size())

    def _serve(self) -> bool:
        """Answer what has come; tells whether a whole message had."""
        worker, handle = self.server.worker, self.server.dispatch.handle
        data, at = self.waiting, 0
        out: list[bytes] = []
        size = len(data)
        frames = written = 0
        now = time.monotonic()
        worker.begin_burst()
        if self.memo is not None and self.left < 0 and not self.ending and not self.blocked:
            at, frames = memorised(self.memo, data, MAX_FRAMES, now, out)
        while size - at >= 2 and not self.ending and not self.blocked:
            end = at + 2 + ((data[at] << 8) | data[at + 1])
            if size < end:
                break
            if frames == MAX_FRAMES:
                self.busy = True
                asyncio.get_running_loop().call_soon(self._turn)
                break
            frames += 1
            wire = data[at + 2 : end]
            at = end
            result: Answer | Awaitable[Answer] = self._remembered(wire, now)
            if result is None:
                request = Request(self.listener, self.sender, self.family, "tcp", now, len(wire))
                request._local = self.local
                request.flows = True
                result = handle(wire, request, self.memo)
            if self.left > 0:
                self.left -= 1
                self.ending = self.left == 0
            if result.__class__ is Flow:
                self.busy = True
                worker.spawn(self._flow(result, wire[:2]))
                break
            if result is not None and not isinstance(result, bytes):
                self.busy = True
                worker.spawn(self._later(result, wire[:2]))
                break
            if result is not None:
                out += ((len(result) + 2).to_bytes(2, "big"), wire[:2], result)
                written += len(result)
                if written > WRITE_BYTES:
                    self.transport.write(b"".join(out))
                    out.clear()
                    written = 0
        worker.end_burst()
        self.waiting = data[at:]
        if out:
            self.transport.write(b"".join(out))
        if at:
            self.deadline = now + self.listener.idle_s
            self.crowd.touch(self)
        if self.waiting or self.held or self.blocked:
            self._hold()
        if (self.ending or (self.leaving and not self.blocked)) and not self.busy and not self.closed:
            self.close()
        return at > 0

    def _remembered(self, wire: bytes, now: float) -> bytes | None:
        memo = self.memo
        if memo is None:
            return None
        return memo.get(wire[2:], now, self.sender, int.from_bytes(wire[:2], "big"))

    async def _later(self, waiting: Awaitable[Answer], ident: bytes) -> None:
        self.deadline = float("inf")
        try:
            answer = await waiting
        finally:
            self.busy = False
            self.deadline = time.monotonic() + self.listener.idle_s
        if self.closed or self.transport.is_closing():
            return
        if answer.__class__ is Flow:
            self.busy = True
            await self._flow(answer, ident)
            return
        if answer is not None:
            self.server.worker.end_burst()  # the other workers shall know what this client now knows
            self.transport.write(framed(ident, answer))
        self._go_on()

    async def _flow(self, flow: Flow, ident: bytes) -> None:
        """Write a stream as fast as the client takes it, a millisecond at a time."""
        self.deadline = float("inf")
        done = False
        try:
            done = await self._write_all(flow, ident)
        except Failure as failure:
            log.warning("an answer of several messages broke off", peer=self.peer.ip, reason=failure.text)
        finally:
            self.busy = False
            self.deadline = time.monotonic() + self.listener.idle_s
            if not done:
                self.transport.abort()
            close = getattr(flow.rest, "close", None)
            if close is not None:
                close()
        if done:
            self._go_on()

    async def _write_all(self, flow: Flow, ident: bytes) -> bool:
        worker, transport = self.server.worker, self.transport
        out = [framed(ident, flow)]
        more = True
        while more:
            worker.begin_burst()
            try:
                more = fill(flow.rest, ident, out)
            finally:
                worker.end_burst()
            transport.write(b"".join(out))
            out.clear()
            if self.blocked:
                self.unblocked = asyncio.get_running_loop().create_future()
                await asyncio.wait({self.unblocked}, timeout=STALL_S)
                if self.blocked:
                    return False
            else:
                await asyncio.sleep(0)
            if transport.is_closing():
                return False
        return True

    def _turn(self) -> None:
        """Go on with a long pipeline in a fresh turn of the event loop: others had theirs."""
        self.busy = False
        self._go_on()

    def _go_on(self) -> None:
        """Take up reading behind an answer that had to be waited for."""
        if self.closed or self.transport.is_closing():
            return
        if self.ending:
            self.close()
            return
        self.transport.resume_reading()
        if (self.waiting or self.leaving) and not self.blocked:
            self._serve()

    def pause_writing(self) -> None:
        """The client does not take its answers: take no more queries."""
        self.blocked = True
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        """It does again."""
        self.blocked = False
        if self.unblocked is not None and not self.unblocked.done():
            self.unblocked.set_result(None)
        self.transport.resume_reading()
        if (self.waiting or self.leaving) and not self.busy and not self.closed:
            self._serve()

    def end(self, server: object) -> None:
        """Where it came through this listener, close when what has come so far has been answered."""
        if server is self.server:
            loop = asyncio.get_running_loop()
            loop.call_soon(loop.call_soon, self._leave)  # behind a turn that reads what the kernel has

    def _leave(self) -> None:
        self.leaving = True
        if not self.busy and not self.blocked and not self.closed:
            self._serve()

    def close(self) -> None:
        """Close; what was written still goes out. The second time cut it: the client had time to take that."""
        if self.closed or self.transport.is_closing():
            self.transport.abort()
            return
        self.ending = self.closed = True
        unsent = self.transport.get_write_buffer_size()
        self.deadline = time.monotonic() + (self.listener.write_s if unsent else LINGER_S)
        if self.finished or not self.transport.can_write_eof():
            self.transport.close()
            return
        try:
            self.transport.write_eof()
        except OSError:  # the client has reset it
            self.transport.abort()
            return
        self.transport.resume_reading()

    def abort(self) -> None:
        """Cut it."""
        self.ending = self.closed = True
        self.transport.abort()


accepted = Connection  # the name by which `transports` finds it
