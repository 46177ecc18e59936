"""HTTP/2 for upstreams that speak it: many exchanges at a time on one connection (RFC 9113, RFC 8484).

A question may be asked twice without harm, so whatever ends an exchange but an answer lets it be asked again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from shardns.worker.h2 import connection, hpack
from shardns.worker.h2.frames import MOST_STREAM, Code

from .http import CONTENT_TYPE, MAX_ANSWER_BYTES, Answer, Event, Lost, Request

MAX_STREAMS: Final = 128  # under way at a time on one connection


@dataclass(slots=True)
class Exchange:
    """What has come of an answer."""

    status: int | None = None
    body: bytearray = field(default_factory=bytearray)


class Machine(connection.Http2):
    """Remembers why it failed."""

    reason = ""

    @property
    def settled(self) -> bool:
        """Whether the server's SETTINGS are here."""
        return self._settled

    def fail(self, code: int, text: str = "") -> None:
        """End the connection with a code."""
        self.reason = self.reason or text or Code(code).name
        super().fail(code, text)


class Http2:
    """One connection, as `http.Http` describes it; the machine's user."""

    def __init__(self, request: Request, clock: Callable[[], float]) -> None:
        self._request = request
        self._clock = clock
        self._machine = Machine(self, clock(), server=False)
        self._exchanges: dict[int, Exchange] = {}
        self._events: list[Event] = []
        self._out = bytearray()
        self._prefix = hpack.encode(_fields(request))
        self.closing = False
        self.broken = ""

    @property
    def out(self) -> bytearray:
        """The octets to send; whoever sends some deletes them."""
        for octets in self._machine.take():
            self._out += octets
        return self._out

    @property
    def settled(self) -> bool:
        """Whether it is known how many requests the server takes at a time."""
        return self._machine.settled

    @property
    def room(self) -> bool:
        """Whether another request may be made now."""
        machine = self._machine
        if self.closing or machine.closed or machine.last >= MOST_STREAM - 2:
            return False
        return len(self._exchanges) < min(MAX_STREAMS, machine.most_streams)

    def ask(self, message: bytes) -> int:
        """Begin an exchange; returns its key."""
        if self._request.method == "POST":
            block = self._prefix + hpack.encode([(b"content-length", b"%d" % len(message))])
            key = self._machine.open(block, end=False)
            self._machine.send_data(key, message, end=True)
        else:
            block = self._prefix + hpack.encode([(b":path", self._request.path(message).encode()), ACCEPT])
            key = self._machine.open(block, end=True)
        self._exchanges[key] = Exchange()
        return key

    def cancel(self, key: int) -> None:
        """Give an exchange up."""
        if self._exchanges.pop(key, None) is not None:
            self._machine.reset_stream(key)

    def receive(self, data: bytes) -> list[Event]:
        """Take octets from the server; returns what became of exchanges."""
        machine = self._machine
        machine.receive(data)
        while machine.step(self._clock()):
            pass
        events, self._events = self._events, []
        if machine.closed:
            self.closing = True
            self.broken = f"http2: {machine.reason}"
        return events

    def ended(self) -> list[Event]:
        """Take the end of what the server sends: what has no answer yet gets none."""
        self.closing = True
        self.broken = "unexpected EOF" if self._machine.unread else "EOF"
        return []

    # The machine's user ---------------------------------------------------------------------------------------------

    def headers(self, stream: int, fields: list[hpack.Field], end: bool) -> None:
        """Take a response's fields, of which the status counts, or trailers, of which nothing does."""
        exchange = self._exchanges.get(stream)
        if exchange is not None and exchange.status is None and fields[0][1][:1] != b"1":
            exchange.status = int(fields[0][1])
        if end:
            self._done(stream)

    def data(self, stream: int, data: bytes, end: bool) -> None:
        """Take octets of an answer."""
        exchange = self._exchanges.get(stream)
        if exchange is None:
            return
        exchange.body += data
        if len(exchange.body) > MAX_ANSWER_BYTES:
            self.cancel(stream)
            self._events.append(Lost(stream, "http2: response body too large"))
        elif end:
            self._done(stream)

    def reset(self, stream: int) -> None:
        """The server, or what it sent, has ended an exchange."""
        if self._exchanges.pop(stream, None) is not None:
            self._events.append(Lost(stream, f"stream error: stream ID {stream}", again=True))

    def oversized(self, stream: int) -> None:
        """Servers alone meet this."""

    def went(self, last: int, code: int) -> None:
        """The server leaves (RFC 9113 §6.8): what it has not begun is not answered here."""
        self.closing = True
        for key in [key for key in self._exchanges if key > last]:
            del self._exchanges[key]
            self._machine.forget(key)
            self._events.append(Lost(key, f"http2: server sent GOAWAY, error code {code}", again=True))

    def _done(self, stream: int) -> None:
        exchange = self._exchanges.pop(stream, None)
        if exchange is None:
            return
        if stream in self._machine.streams:
            self._machine.reset_stream(stream)  # answered before it was asked to the end: §8.1
        self._events.append(Answer(stream, bytes(exchange.body), exchange.status))


ACCEPT: Final = (b"accept", CONTENT_TYPE)


def _fields(request: Request) -> list[hpack.Field]:
    """Return what is the same in all requests of a connection; pseudo-header fields come first."""
    common = [
        (b":method", request.method.encode()),
        (b":scheme", b"https"),
        (b":authority", request.authority.encode()),
    ]
    if request.method == "GET":
        return common
    return [*common, (b":path", request.path(b"").encode()), ACCEPT, (b"content-type", CONTENT_TYPE)]
