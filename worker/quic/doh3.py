"""DNS over HTTP/3 (RFC 8484 on RFC 9114): requests become queries, answers responses.

A request that does not come in time loses its stream, not its connection.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable
from functools import partial
from typing import TYPE_CHECKING

from aioquic.h3.connection import ErrorCode
from aioquic.h3.events import DataReceived, H3Event, HeadersReceived
from aioquic.quic.events import QuicEvent, StreamDataReceived

from .. import doh_message
from ..doh_message import NO_RESPONSE, TOO_LONG, HttpError, explain, invalid
from ..query import Query
from ..wire.read import complaint, read
from .asking import Asking
from .http3 import Http3

if TYPE_CHECKING:
    from .office import Office
    from .seat import QuicSeat
    from .transport import Transport
    from .way import Way


class Inquiry:
    """A request as far as it has come."""

    __slots__ = ("body", "method", "size", "target")

    def __init__(self, fields: list[tuple[bytes, bytes]]) -> None:
        table = dict(fields)
        self.method = table.get(b":method", b"")
        self.target = table.get(b":path", b"")
        self.body: list[bytes] = []
        self.size = 0


class Doh3(Asking):
    """One connection of a DoH3 client."""

    excess_code = ErrorCode.H3_EXCESSIVE_LOAD
    quiet_code = ErrorCode.H3_NO_ERROR

    def __init__(self, seat: QuicSeat, office: Office, transport: Transport, way: Way) -> None:
        super().__init__(seat, office, transport, way)
        self.inquiries: dict[int, Inquiry] = {}
        self.http: Http3

    def begin(self) -> None:
        """Send our settings."""
        self.http = Http3(self.transport)

    def end(self, server: object) -> None:
        """Tell the client to go elsewhere with what it asks next."""
        if server is self.seat and not self.leaving and self.established and not self.closed:
            self.http.go_away(4 * self.transport.opened)
            self.office.touch(self)
        super().end(server)

    # Requests -------------------------------------------------------------------------------------------------------

    def data(self, stream: int, data: bytes, end: bool) -> None:
        """Take octets of a stream; a whole request is answered."""
        if stream & 3 == 0 and stream not in self.open:
            return  # answered, or given up
        for event in self.http.handle_event(StreamDataReceived(data, end, stream)):
            self._happened(event)
        if self.http.done:
            self.shut(0)  # the library has said why

    def other(self, event: QuicEvent) -> None:
        """Let HTTP know what was reset or stopped."""
        self.http.handle_event(event)
        if self.http.done:
            self.shut(0)

    def _happened(self, event: H3Event) -> None:
        if isinstance(event, HeadersReceived):
            stream = event.stream_id
            if stream not in self.inquiries:  # else trailers
                self.inquiries[stream] = Inquiry(event.headers)
        elif isinstance(event, DataReceived):
            stream = event.stream_id
            inquiry = self.inquiries.get(stream)
            if inquiry is None:
                return
            inquiry.size += len(event.data)
            if inquiry.size > doh_message.MAX_BODY_BYTES:
                self._done(stream)
                self.respond(stream, invalid(TOO_LONG))
                return
            inquiry.body.append(event.data)
        else:
            return
        if event.stream_ended and stream in self.inquiries:
            self._whole(stream, self._done(stream))

    def _done(self, stream: int) -> Inquiry:
        """Forget the request of a stream: no more of it is read."""
        self.open.pop(stream, None)
        self.transport.finish_reading(stream)
        return self.inquiries.pop(stream)

    def _whole(self, stream: int, inquiry: Inquiry) -> None:
        wire = doh_message.message(inquiry.method, inquiry.target, b"".join(inquiry.body))
        if isinstance(wire, HttpError):
            self.respond(stream, wire, head=inquiry.method == b"HEAD")
            return
        self.ask(stream, wire, time.monotonic())

    def resolve(self, stream: int, wire: bytes, now: float) -> None:
        """Have a query answered."""
        request = self.request(len(wire), now)
        ident = wire[:2]
        memo = self.memo()
        if memo is not None and len(wire) > 12:
            found = memo.get(wire[2:], now, request.sender, int.from_bytes(ident, "big"))
            if found is not None:
                self.respond(stream, found, ident)
                return
        query = read(wire, request)
        if not isinstance(query, Query):
            self.respond(stream, invalid(complaint(wire)))
            return
        result = self.seat.dispatch.answer(query, wire, request, memo)
        if result is None or isinstance(result, bytes):
            self.respond(stream, result, ident)
            return
        self.waiting[stream] = len(wire)
        self.seat.wait(result, partial(self._later, stream, ident))

    def _later(self, stream: int, ident: bytes, answer: bytes | None) -> Awaitable[None] | None:
        if self.waiting.pop(stream, None) is not None:
            self.respond(stream, answer, ident)
            self.office.touch(self)
        return None

    def kept(self) -> int:
        """Return the octets of requests that have come and are not answered."""
        return super().kept() + self.http.kept() + sum(inquiry.size for inquiry in self.inquiries.values())

    # Responses ------------------------------------------------------------------------------------------------------

    def respond(self, stream: int, answer: bytes | HttpError | None, ident: bytes = b"", head: bool = False) -> None:
        """Send a response; with `head` its body is left out."""
        self.answered(time.monotonic())
        if answer is None:
            answer = NO_RESPONSE
        if isinstance(answer, HttpError):
            status, fields, body = answer.status, answer.headers, answer.body
            explain(answer, "DoH3")
        else:
            status, fields, body = 200, doh_message.headers(answer, time.time()), ident + answer
        self.seat.count(str(status))
        self.http.respond(stream, ((b":status", b"%d" % status), *fields), b"" if head else body)

    def cancelled(self, stream: int) -> None:
        """The client gave a request up."""
        if stream & 3 == 0:
            self._drop(stream, ErrorCode.H3_REQUEST_CANCELLED)

    def stalled(self, stream: int) -> None:
        """A request did not come in time."""
        self._drop(stream, ErrorCode.H3_REQUEST_INCOMPLETE)

    def _drop(self, stream: int, code: int) -> None:
        self.inquiries.pop(stream, None)
        self.http.forget(stream)
        self.transport.finish_reading(stream)
        self.transport.reset_stream(stream, code)
