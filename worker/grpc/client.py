"""A connection to a server of DNS over gRPC: calls become HTTP/2 streams, all of a turn leave by one write.

1. A server may bound the streams (SETTINGS); calls beyond that wait for one to end.
2. A call has one outcome: the message, or CallError. `Lost` says that the connection went, and whether the call may be
   made on another one: it was not begun, or the connection had answered others and may just have been idle too long.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from http import HTTPStatus
from typing import Final

from ..h2.connection import Http2
from ..h2.frames import Code
from ..h2.hpack import Field, encode
from .wire import (
    CONTENT_TYPE,
    HEAD_BYTES,
    PATH,
    CallError,
    Status,
    framed,
    is_grpc,
    length,
    timeout_value,
    unescaped,
    unpacked,
)

_BY_HTTP: Final = {
    400: Status.INTERNAL,
    401: Status.UNAUTHENTICATED,
    403: Status.PERMISSION_DENIED,
    404: Status.UNIMPLEMENTED,
    429: Status.UNAVAILABLE,
    502: Status.UNAVAILABLE,
    503: Status.UNAVAILABLE,
    504: Status.UNAVAILABLE,
}


LAST_STREAM: Final = 1 << 30  # another connection begins anew before the numbers run out


class Lost(CallError):
    """The connection went before the answer came; `again`: the call may be made once more."""

    def __init__(self, text: str, again: bool) -> None:
        super().__init__(Status.UNAVAILABLE, text)
        self.again = again


class Call:
    """A message for the other side, which answers until `until` (monotonic s)."""

    __slots__ = ("_parts", "_size", "done", "headed", "message", "until")

    def __init__(self, message: bytes, until: float) -> None:
        self.message = message
        self.until = until
        self.headed = False
        self.done: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, data: bytes) -> None:
        """Take octets of the answer. Raises CallError where there are more than there may be."""
        self._parts.append(data)
        before, self._size = self._size, self._size + len(data)
        if before < HEAD_BYTES <= self._size:
            length(b"".join(self._parts)[:HEAD_BYTES])
        if self._size > 1 << 17:
            raise CallError(Status.INTERNAL, "more than one message")

    def end(self, status: int, text: str) -> None:
        """Take the status."""
        if status:
            self.fail(CallError(status, text))
            return
        body = b"".join(self._parts)
        try:
            if len(body) < HEAD_BYTES or len(body) != HEAD_BYTES + length(body[:HEAD_BYTES]):
                raise CallError(Status.INTERNAL, "unexpected EOF")
            message = unpacked(body[HEAD_BYTES:])
        except CallError as error:
            self.fail(error)
            return
        if not self.done.done():
            self.done.set_result(message)

    def fail(self, error: CallError) -> None:
        """Take an error for an answer."""
        if not self.done.done():
            self.done.set_exception(error)


class Connection(asyncio.Protocol):
    """One connection; `authority` is the server's name in requests."""

    transport: asyncio.Transport

    def __init__(self, authority: str, secure: bool) -> None:
        self.http = Http2(self, time.monotonic(), server=False)
        self.open = False
        self.calls: dict[int, Call] = {}
        self.line: deque[Call] = deque()
        self.answered = 0
        self.heard = 0.0
        self.greeted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._secure = secure
        self._sending = False
        self._block = encode([
            (b":method", b"POST"),
            (b":scheme", b"https" if secure else b"http"),
            (b":path", PATH),
            (b":authority", authority.encode()),
            (b"content-type", CONTENT_TYPE),
            (b"te", b"trailers"),
            (b"user-agent", b"shardns"),
        ])  # fmt: skip

    # The socket's side ------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        tls = transport.get_extra_info("ssl_object")
        if self._secure and (tls is None or tls.selected_alpn_protocol() != "h2"):
            self._refuse("credentials: cannot check peer: missing selected ALPN property")
            return
        self.open = True
        self._send()

    def _refuse(self, text: str) -> None:
        if not self.greeted.done():
            self.greeted.set_exception(OSError(text))
        self.transport.close()

    def data_received(self, data: bytes) -> None:
        """Take octets."""
        self.heard = time.monotonic()
        self.http.receive(data)
        while self.http.step(self.heard):
            continue
        if not self.greeted.done():
            self.greeted.set_result(None)
        self._next()
        self._send()
        if self.http.closed or (not self.open and not self.calls):
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody who waits is answered any more."""
        self.open = False
        if not self.greeted.done():
            self.greeted.set_exception(OSError("connection closed before server preface received"))
        reason = "error reading from server: EOF" if exc is None else f"error reading from server: {exc}"
        for call in self.calls.values():
            call.fail(Lost(reason, again=bool(self.answered) and not call.headed))
        for call in self.line:
            call.fail(Lost(reason, again=True))
        self.calls.clear()
        self.line.clear()

    def _send(self) -> None:
        self._sending = False
        out = self.http.take()
        if out and not self.transport.is_closing():
            self.transport.write(b"".join(out))

    # Calls ------------------------------------------------------------------------------------------------------------

    async def call(self, call: Call) -> bytes:
        """Return the answer. Raises CallError."""
        self.line.append(call)
        self._next()
        if not self._sending:
            self._sending = True
            asyncio.get_running_loop().call_soon(self._send)
        try:
            return await call.done
        finally:
            if not call.done.done() or call.done.cancelled():
                self._give_up(call)

    def _give_up(self, call: Call) -> None:
        """Nobody waits for a call any more."""
        if call in self.line:
            self.line.remove(call)
        stream = next((number for number, one in self.calls.items() if one is call), None)
        if stream is None:
            return
        del self.calls[stream]
        self.http.reset_stream(stream, Code.CANCEL)
        if self.heard < time.monotonic() - 1.0 and call.until <= time.monotonic():
            self.transport.abort()  # not a word for the whole time: the other side may be gone
        else:
            self._next()
            self._send()

    def _next(self) -> None:
        http, line = self.http, self.line
        if http.last > LAST_STREAM:
            self.open = False
        while line and self.open and len(http.streams) < http.most_streams:
            call = line.popleft()
            left = max(call.until - time.monotonic(), 1e-6)
            stream = http.open(self._block + encode([(b"grpc-timeout", timeout_value(left))]), end=False)
            self.calls[stream] = call
            http.send_data(stream, framed(call.message), end=True)

    def headers(self, stream: int, fields: list[Field], end: bool) -> None:
        """An answer begins, or ends with its status."""
        call = self.calls.get(stream)
        if call is None:
            return
        table = dict(fields)
        if not call.headed:
            call.headed = True
            http, kind = int(table[b":status"]), table.get(b"content-type", b"")
            if http != 200 and b"grpc-status" not in table:
                phrase = f" ({HTTPStatus(http).phrase})" if http in HTTPStatus._value2member_map_ else ""
                text = f"unexpected HTTP status code received from server: {http}{phrase}"
                self._fail(stream, CallError(_BY_HTTP.get(http, Status.UNKNOWN), text))
                return
            if not is_grpc(kind):
                text = f'unexpected content-type "{kind.decode("latin-1")}" received from server'
                self._fail(stream, CallError(Status.UNKNOWN, text))
                return
        if end:
            self._end(stream, call, table)

    def _end(self, stream: int, call: Call, table: dict[bytes, bytes]) -> None:
        del self.calls[stream]
        self.answered += 1
        status = table.get(b"grpc-status", b"")
        if status.isdigit() and len(status) < 4:
            call.end(int(status), unescaped(table.get(b"grpc-message", b"")))
        else:
            call.fail(CallError(Status.INTERNAL, "server closed the stream without sending trailers"))

    def data(self, stream: int, data: bytes, end: bool) -> None:
        """Octets of an answer."""
        call = self.calls.get(stream)
        if call is None:
            return
        try:
            call.add(data)
        except CallError as error:
            self._fail(stream, error)
            return
        if end:
            self._end(stream, call, {})

    def _fail(self, stream: int, error: CallError) -> None:
        self.calls.pop(stream).fail(error)
        self.http.reset_stream(stream, Code.CANCEL)

    def reset(self, stream: int) -> None:
        """The server gives a call up."""
        call = self.calls.pop(stream, None)
        if call is not None:
            call.fail(Lost("stream terminated by RST_STREAM", again=not call.headed))

    def oversized(self, stream: int) -> None:
        """Servers are not answered."""

    def went(self, last: int, code: int) -> None:
        """The server leaves: what it has not begun is asked elsewhere."""
        self.open = False
        for stream in [number for number in self.calls if number > last]:
            self.calls.pop(stream).fail(Lost("the server is leaving", again=True))
            self.http.forget(stream)
        while self.line:
            self.line.popleft().fail(Lost("the server is leaving", again=True))

    def close(self) -> None:
        """Close it."""
        self.open = False
        self.transport.close()
