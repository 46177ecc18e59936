"""DNS over TCP (RFC 7766): frames of one read are answered by one write, queries of one connection strictly in turn.

1. The first message must arrive within the read time-out, each later one within the idle time-out, whole.
2. A connection ends after `maxtcpqueries` queries, when its time is over, or when its client does not take answers.
3. An answer of several messages is made and sent in slices of a millisecond, as fast as its client takes it.
4. Connections are bounded: past `MAX_CONNECTIONS` the one that has been idle longest makes room.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Iterator
from typing import TYPE_CHECKING

from . import log
from .address import Address, to_sockaddr
from .dispatch import Answer, Dispatch
from .memo import Budget, Memo
from .query import Request
from .reply import Failure
from .stream import Flow

if TYPE_CHECKING:
    from .run import Worker

MAX_CONNECTIONS = 4096  # a worker
MAX_ACCEPTS = 64  # a turn of the event loop
MAX_WAITING_BYTES = 1 << 17  # of a client's pipelined queries kept while one is being answered
SWEEP_S = 0.25
STALL_S = 30.0  # how long a client may take nothing of a transfer
SLICE_S = 0.001  # of the event loop for a transfer at a time


class TcpSocket:
    """One listening socket of this worker's slot, and its connections."""

    def __init__(self, worker: Worker, sock: socket.socket, dispatch: Dispatch, budget: Budget | None) -> None:
        self.worker = worker
        self.sock = sock
        self.dispatch = dispatch
        self.memos = (Memo(budget), Memo(budget)) if budget is not None else None
        self.connections: dict[Connection, None] = {}
        self._sweeper: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to accept."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self.sock.fileno(), self._accept)
        self._sweeper = loop.call_later(SWEEP_S, self._sweep)

    def stop(self) -> None:
        """Stop accepting; idle connections end now, the others after the query under way."""
        asyncio.get_running_loop().remove_reader(self.sock.fileno())
        for connection in list(self.connections):
            connection.end()

    def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(MAX_ACCEPTS):
            try:
                conn, _ = self.sock.accept()
            except OSError:
                return
            conn.setblocking(False)
            if len(self.connections) >= MAX_CONNECTIONS:
                next(iter(self.connections)).close()
            self.worker.spawn(loop.connect_accepted_socket(lambda: Connection(self), conn))

    def _sweep(self) -> None:
        now = time.monotonic()
        for connection in [c for c in self.connections if c.deadline < now]:
            connection.close()
        self._sweeper = asyncio.get_running_loop().call_later(SWEEP_S, self._sweep)


class Connection(asyncio.Protocol):
    """One client's connection."""

    transport: asyncio.Transport

    def __init__(self, server: TcpSocket) -> None:
        self.server = server
        listener = server.dispatch.listener
        self.listener = listener
        self.deadline = time.monotonic() + listener.read_s
        self.left = listener.max_tcp_queries
        self.waiting = b""
        self.busy = False
        self.ending = False
        self.blocked = False
        self.unblocked: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note who it is."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        peer = transport.get_extra_info("peername")
        if peer is None:
            transport.abort()
            return
        ip = peer[0].removeprefix("::ffff:")
        self.sender = to_sockaddr(ip, peer[1], peer[3] if len(peer) > 3 and ":" in ip else 0)
        self.family = 2 if ":" in ip else 1
        local = transport.get_extra_info("sockname")
        self.local = Address(local[0].removeprefix("::ffff:"), local[1])
        memos = self.server.memos
        self.memo = memos[self.family - 1] if memos is not None else None
        self.server.connections[self] = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        if self.unblocked is not None and not self.unblocked.done():
            self.unblocked.set_result(None)
        self.server.connections.pop(self, None)

    def data_received(self, data: bytes) -> None:
        """Answer all whole messages that have come."""
        self.waiting = self.waiting + data if self.waiting else data
        if self.busy or self.blocked:
            if len(self.waiting) > MAX_WAITING_BYTES:
                self.transport.pause_reading()
            return
        self._serve()

    def _serve(self) -> None:
        worker, handle = self.server.worker, self.server.dispatch.handle
        data, at = self.waiting, 0
        out: list[bytes] = []
        size = len(data)
        now = time.monotonic()
        worker.begin_burst()
        while size - at >= 2 and not self.ending:
            end = at + 2 + ((data[at] << 8) | data[at + 1])
            if size < end:
                break
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
        worker.end_burst()
        self.waiting = data[at:]
        if out:
            self.transport.write(b"".join(out))
        if at:
            self.deadline = now + self.listener.idle_s
            self.server.connections.pop(self, None)
            self.server.connections[self] = None  # the one idle longest stands first
        if self.ending and not self.busy:
            self.close()

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
        if self.transport.is_closing():
            return
        if answer.__class__ is Flow:
            self.busy = True
            await self._flow(answer, ident)
            return
        if answer is not None:
            self.transport.write(framed(ident, answer))
        self._go_on()

    async def _flow(self, flow: Flow, ident: bytes) -> None:
        """Write a stream as fast as the client takes it, a millisecond at a time."""
        self.deadline = float("inf")
        done = False
        try:
            done = await self._write_all(flow, ident)
        except Failure as failure:
            peer = self.transport.get_extra_info("peername")
            log.warning("an answer of several messages broke off", peer=peer[0], reason=failure.text)
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

    def _go_on(self) -> None:
        """Take up reading behind an answer that had to be waited for."""
        if self.ending:
            self.close()
            return
        self.transport.resume_reading()
        if self.waiting and not self.blocked:
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
        if self.waiting and not self.busy:
            self._serve()

    def end(self) -> None:
        """Close when the query under way has been answered."""
        self.ending = True
        if not self.busy:
            self.close()

    def close(self) -> None:
        """Close; what was written still goes out."""
        self.server.connections.pop(self, None)
        self.transport.close()


def framed(ident: bytes, answer: bytes) -> bytes:
    """Return an answer with its length and ID in front."""
    return (len(answer) + 2).to_bytes(2, "big") + ident + answer


def fill(rest: Iterator[bytes | None], ident: bytes, out: list[bytes]) -> bool:
    """Make messages of a stream for one slice of time; returns whether there may be more."""
    until = time.monotonic() + SLICE_S
    for message in rest:
        if message is not None:
            out.append(framed(ident, message))
        if time.monotonic() >= until:
            return True
    return False
