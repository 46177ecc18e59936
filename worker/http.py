"""A small HTTP/1.1 server for the keeper's endpoints: exact paths, bounded time, bounded connections.

1. h11 decides what HTTP is; this module moves octets and watches the clock: 5 s for a request to arrive, for an
   answer to leave, and for the next request to begin.
2. It accepts on a socket that belongs to somebody else and never closes it: after `close` a successor may go on.
3. Handlers run in the event loop; a path without a handler is 404, whatever the method, as in the reference.
"""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from typing import Final

import h11

from .encrypted import NO_TLS

TIMEOUT_S: Final = 5.0  # as the reference's read, write and idle time-outs
MAX_CONNECTIONS: Final = 128
MAX_BODY_BYTES: Final = 1 << 20
READ_BYTES: Final = 16384
TEXT: Final = "text/plain; charset=utf-8"
_TLS_HANDSHAKE: Final = 0x16  # RFC 8446 §5.1: the first octet that a TLS client sends
_AT_ONCE: Final = struct.pack("ii", 1, 0)  # SO_LINGER: closing resets
_PAUSE_S: Final = 0.1  # before accepting again, out of descriptors


@dataclass(frozen=True, slots=True)
class Request:
    """A request whose body has arrived. Header names are lower case; `path` is without the query."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Response:
    """What a handler answers; `packed` allows gzip where the client takes it."""

    status: int
    body: bytes
    content_type: str = TEXT
    headers: tuple[tuple[str, str], ...] = ()
    packed: bool = False


Handler = Callable[[Request], Response | Awaitable[Response]]
NOT_FOUND: Final = Response(404, b"404 page not found\n", headers=(("X-Content-Type-Options", "nosniff"),))
_BAD_REQUEST: Final = Response(400, b"400 Bad Request")


@dataclass(eq=False)
class Server:
    """Serves `routes` (exact path → handler) on one listening socket; `tls` makes it HTTPS.

    `guard` may answer instead of the handler, before any path is looked at (authentication).
    """

    routes: Mapping[str, Handler]
    tls: ssl.SSLContext | None = None
    guard: Callable[[Request], Response | None] | None = None
    max_connections: int = MAX_CONNECTIONS
    headers: tuple[tuple[str, str], ...] = ()
    _accepting: asyncio.Task[None] | None = None
    _idle: set[asyncio.Task[None]] = field(default_factory=set)
    _busy: set[asyncio.Task[None]] = field(default_factory=set)

    def start(self, listener: socket.socket) -> None:
        """Begin to accept; the listener stays the caller's."""
        listener.setblocking(False)
        self._accepting = asyncio.get_running_loop().create_task(self._accept(listener))

    async def close(self, grace_s: float = TIMEOUT_S) -> None:
        """Stop accepting, drop idle connections, give running requests `grace_s` to end."""
        tasks = [self._accepting] if self._accepting else []
        self._accepting = None
        for task in (*tasks, *self._idle):
            task.cancel()
        tasks += self._idle
        if tasks:
            await asyncio.wait(tasks, timeout=1.0)
        if self._busy:
            await asyncio.wait(set(self._busy), timeout=grace_s)
        for task in self._busy:
            task.cancel()

    def turn_away(self, listener: socket.socket) -> None:
        """Reset connections from now on: the socket may not be closed, and clients shall not wait in its backlog."""
        self._accepting = asyncio.get_running_loop().create_task(_reset(listener))

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        room = asyncio.Semaphore(self.max_connections)
        while True:
            await room.acquire()  # what is too many waits in the backlog
            try:
                peer, _ = await loop.sock_accept(listener)
            except OSError:  # out of descriptors, or the client has gone
                room.release()
                await asyncio.sleep(_PAUSE_S)
                continue
            except asyncio.CancelledError:
                room.release()
                raise
            task = loop.create_task(self._connection(peer))
            self._idle.add(task)
            task.add_done_callback(self._idle.discard)
            task.add_done_callback(self._busy.discard)
            task.add_done_callback(lambda _: room.release())

    async def _connection(self, peer: socket.socket) -> None:
        peer.setblocking(False)
        try:
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.tls is not None and not await _speaks_tls(peer):
                _turn_away(peer)
                return
            reader, writer = await _streams(peer, self.tls)
            try:
                await self._exchanges(reader, writer)
            finally:
                writer.close()
        except (OSError, TimeoutError, h11.RemoteProtocolError):
            peer.close()  # a client that stalls, leaves or talks nonsense: nothing to say, nobody to say it to

    async def _exchanges(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire = h11.Connection(h11.SERVER)
        task = asyncio.current_task()
        assert task is not None
        while True:
            self._busy.discard(task)
            self._idle.add(task)
            try:
                async with asyncio.timeout(TIMEOUT_S):
                    request = await self._request(wire, reader, writer, task)
            except h11.RemoteProtocolError as error:
                await self._send(wire, writer, None, Response(error.error_status_hint, _BAD_REQUEST.body))
                return
            if request is None:
                return
            await self._send(wire, writer, request, await self._answer(request))
            if wire.our_state is not h11.DONE or wire.their_state is not h11.DONE or self._accepting is None:
                return
            wire.start_next_cycle()

    async def _request(
        self, wire: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, task: asyncio.Task[None]
    ) -> Request | None:
        head: h11.Request | None = None
        body = bytearray()
        while True:
            event = wire.next_event()
            if event is h11.NEED_DATA:
                if wire.they_are_waiting_for_100_continue:
                    go_on = h11.InformationalResponse(status_code=100, headers=[], reason=b"Continue")
                    writer.write(wire.send(go_on) or b"")
                data = await reader.read(READ_BYTES)
                if not data and head is None and not wire.trailing_data[0]:
                    return None
                wire.receive_data(data)
                self._idle.discard(task)
                self._busy.add(task)
            elif isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > MAX_BODY_BYTES:
                    raise h11.RemoteProtocolError("the body is too long", error_status_hint=413)
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                return _read(head, bytes(body))
            else:
                return None

    async def _answer(self, request: Request) -> Response:
        refused = self.guard(request) if self.guard else None
        if refused is not None:
            return refused
        handler = self.routes.get(request.path)
        if handler is None:
            return NOT_FOUND
        answer = handler(request)
        return answer if isinstance(answer, Response) else await answer

    async def _send(
        self, wire: h11.Connection, writer: asyncio.StreamWriter, request: Request | None, response: Response
    ) -> None:
        body = response.body
        headers = [("Content-Type", response.content_type), ("Date", formatdate(usegmt=True))]
        headers += [*self.headers, *response.headers]
        if response.packed and request is not None and _takes_gzip(request.headers.get("accept-encoding", "")):
            body = gzip.compress(body, 6)
            headers.append(("Content-Encoding", "gzip"))
        headers.append(("Content-Length", str(len(body))))
        if request is None or self._accepting is None:
            headers.append(("Connection", "close"))
        head = h11.Response(
            status_code=response.status, headers=headers, reason=HTTPStatus(response.status).phrase.encode()
        )
        out = wire.send(head) or b""
        if body and (request is None or request.method != "HEAD"):
            out += wire.send(h11.Data(data=body)) or b""
        out += wire.send(h11.EndOfMessage()) or b""
        writer.write(out)
        async with asyncio.timeout(TIMEOUT_S):
            await writer.drain()


async def _reset(listener: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    while True:
        try:
            peer, _ = await loop.sock_accept(listener)
        except OSError:
            await asyncio.sleep(_PAUSE_S)
            continue
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        peer.close()


def _read(head: h11.Request, body: bytes) -> Request:
    target = head.target.decode("ascii", "replace")
    if "://" in target:  # RFC 9112 §3.2.2: a proxy's absolute form
        target = "/" + target.split("://", 1)[1].partition("/")[2]
    path, _, query = target.partition("?")
    headers = {name.decode(): value.decode("latin-1") for name, value in head.headers}
    return Request(head.method.decode(), path, query, headers, body)


def _takes_gzip(accepted: str) -> bool:
    for item in accepted.split(","):
        coding, _, weight = item.strip().partition(";")
        if coding.strip().lower() in ("gzip", "*"):
            return weight.replace(" ", "") not in ("q=0", "q=0.0")
    return False


async def _speaks_tls(peer: socket.socket) -> bool:
    """Wait for the client's first octet, without taking it. Raises TimeoutError."""
    loop = asyncio.get_running_loop()
    readable: asyncio.Future[None] = loop.create_future()
    loop.add_reader(peer, _settle, readable)
    try:
        async with asyncio.timeout(TIMEOUT_S):
            await readable
    finally:
        loop.remove_reader(peer)
    first = peer.recv(1, socket.MSG_PEEK)
    return not first or first[0] == _TLS_HANDSHAKE


def _settle(readable: asyncio.Future[None]) -> None:
    if not readable.done():
        readable.set_result(None)


def _turn_away(peer: socket.socket) -> None:
    """Tell a client that it should have spoken TLS; what it sent is read first, or closing would reset."""
    peer.recv(READ_BYTES)
    peer.send(NO_TLS)
    peer.close()


async def _streams(
    peer: socket.socket, tls: ssl.SSLContext | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=65536)
    protocol = asyncio.StreamReaderProtocol(reader)
    limit = {"ssl_handshake_timeout": TIMEOUT_S} if tls else {}
    transport, _ = await loop.connect_accepted_socket(lambda: protocol, peer, ssl=tls, **limit)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)
