"""DoH over HTTP/2: streams become queries, and what is answered in one turn leaves by one write.

An answer is a TLS record of its own: dnsperf 2.10 loses all but the first of a record.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from typing import TYPE_CHECKING

from . import doh_message
from .dispatch import Answer
from .doh import FRESH_S
from .doh_fields import Fields
from .doh_message import LATE, NO_RESPONSE, TOO_LARGE, TOO_LONG, HttpError, invalid
from .h2.connection import Http2
from .h2.frames import Code
from .h2.hpack import Field

if TYPE_CHECKING:
    from .doh import Doh

LEAVE_S = 0.2  # how long a client that was told to go may still open streams
_fields = Fields()


class Inquiry:
    """A request as far as it has come. `since` is monotonic s."""

    __slots__ = ("body", "method", "since", "target")

    def __init__(self, method: bytes, target: bytes, since: float) -> None:
        self.method = method
        self.target = target
        self.since = since
        self.body = bytearray()


class DohHttp2:
    """What a connection does that speaks HTTP/2. `waiting` are streams whose answers are being waited for."""

    def __init__(self, client: Doh) -> None:
        self.client = client
        self.now = now = time.monotonic()
        self.http = Http2(self, now)
        self.inquiries: dict[int, Inquiry] = {}
        self.waiting: set[int] = set()
        self._turning = False
        self._stuck = 0  # octets without window
        self._stuck_since = now
        self._leave_by = float("inf")
        self._send()

    # Turns ----------------------------------------------------------------------------------------------------------

    def receive(self, data: bytes, now: float) -> None:
        """Take frames."""
        self.http.receive(data)
        if not self._turning and not self.client.blocked:
            self._turn(now)

    def resume(self, now: float) -> None:
        """The client takes answers again."""
        if not self._turning:
            self._turn(now)

    def _turn(self, now: float) -> None:
        """Answer what has come; more than a turn's frames wait for another: others have theirs in between."""
        client, http = self.client, self.http
        worker = client.server.worker
        self.now = now
        asked = http.last
        worker.begin_burst()
        more = http.step(now)
        worker.end_burst()
        if http.last != asked:
            client.served, client.asked = now, True
            client.crowd.touch(client)
            if client.leaving:
                self.leave(now)
        self._send()
        if more and not client.closed:
            self._turning = True
            client.transport.pause_reading()
            asyncio.get_running_loop().call_soon(self._again)

    def _again(self) -> None:
        self._turning = False
        client = self.client
        if client.closed or client.blocked:
            return
        self._turn(time.monotonic())
        if not self._turning and not client.closed and not client.blocked:
            client.transport.resume_reading()

    def _send(self) -> None:
        """Write what there is to be written, and see how things stand."""
        client, http = self.client, self.http
        out = http.take()
        if out:
            client.transport.writelines(out)
        if http.closed or (not http.streams and (http.departed or client.finished)):
            client.finish()
        else:
            client.settle(self.now)

    # Requests -------------------------------------------------------------------------------------------------------

    def headers(self, stream: int, fields: list[Field], end: bool) -> None:
        """Take a request's headers (or trailers, which say nothing to us)."""
        inquiry = self.inquiries.get(stream)
        if inquiry is None:
            method = target = b""
            for name, value in fields:
                if name == b":path":
                    target = value
                elif name == b":method":
                    method = value
            if end:
                self._whole(stream, method, target, b"")
            elif refusal := doh_message.refusal(method, target, self.http.streams[stream].expected):
                self._respond(stream, refusal, head=method == b"HEAD")
            else:
                self.inquiries[stream] = Inquiry(method, target, self.now)
        elif end:
            self._ended(stream, inquiry)

    def data(self, stream: int, data: bytes, end: bool) -> None:
        """Take octets of a body."""
        inquiry = self.inquiries.get(stream)
        if inquiry is None:
            return
        inquiry.body += data
        if len(inquiry.body) > doh_message.MAX_BODY_BYTES:
            del self.inquiries[stream]
            self._respond(stream, invalid(TOO_LONG))
        elif end:
            self._ended(stream, inquiry)

    def _ended(self, stream: int, inquiry: Inquiry) -> None:
        del self.inquiries[stream]
        self._whole(stream, inquiry.method, inquiry.target, bytes(inquiry.body))

    def _whole(self, stream: int, method: bytes, target: bytes, body: bytes) -> None:
        wire = doh_message.message(method, target, body)
        if isinstance(wire, HttpError):
            self._respond(stream, wire, head=method == b"HEAD")
            return
        result = self.client.ask(wire, self.now)
        if result is None or isinstance(result, bytes | HttpError):
            self._respond(stream, result, wire[:2])
            return
        self.waiting.add(stream)
        self.client.server.worker.spawn(self._later(stream, result, wire[:2]))

    async def _later(self, stream: int, waiting: Awaitable[Answer], ident: bytes) -> None:
        answer: Answer = None
        try:
            answer = await waiting
        finally:
            wanted = stream in self.waiting
            self.waiting.discard(stream)
            if not wanted:
                self.http.ghosts -= 1
        if wanted and not self.client.closed:
            self.client.server.worker.end_burst()  # the other workers shall know what this client now knows
            self.now = time.monotonic()
            self._respond(stream, answer, ident)
            self._send()

    def _respond(self, stream: int, answer: Answer | HttpError, ident: bytes = b"", head: bool = False) -> None:
        if answer is None:
            answer = NO_RESPONSE
        if isinstance(answer, HttpError):
            self.client.refuse(answer)
            self.http.respond(stream, _fields.error(answer), b"" if head else answer.body)
        else:
            self.client.count(200)
            self.http.respond(stream, _fields.answer(answer, time.time()), ident + answer)

    def reset(self, stream: int) -> None:
        """The client gave a request up; what is being worked on counts until it is done."""
        self.inquiries.pop(stream, None)
        if stream in self.waiting:
            self.waiting.discard(stream)
            self.http.ghosts += 1

    def oversized(self, stream: int) -> None:
        """The headers of a request are too long."""
        self.http.respond(stream, _fields.error(TOO_LARGE), TOO_LARGE.body)

    def went(self, last: int, code: int) -> None:
        """The client opens no more streams."""

    # Time -----------------------------------------------------------------------------------------------------------

    @property
    def held(self) -> int:
        """Octets kept for the client."""
        http = self.http
        bodies = sum([len(one.body) for one in self.inquiries.values()]) if self.inquiries else 0
        return http.unread + http.waiting + bodies

    @property
    def busy(self) -> bool:
        """Whether a request is under way."""
        return bool(self.http.streams)

    def deadline(self, now: float) -> float:
        """Return when the first of the times ends that the client has."""
        http, listener = self.http, self.client.listener
        if not http.streams:
            idle = self.client.served + listener.idle_s
            return min(idle, self._leave_by)
        times = [float("inf")] if http.departed else [self._leave_by]
        if self.inquiries:
            times.append(next(iter(self.inquiries.values())).since + listener.read_s)
        if http.waiting:
            if http.waiting < self._stuck or not self._stuck:
                self._stuck_since = now
            times.append(self._stuck_since + listener.write_s)
        self._stuck = http.waiting
        return min(times)

    def expire(self, now: float) -> None:
        """Give up what has not come in time, or the connection."""
        http, listener = self.http, self.client.listener
        self.now = now
        if not http.streams and not self.client.leaving:
            http.fail(Code.NO_ERROR, "idle")
        elif http.waiting and self._stuck_since + listener.write_s <= now:
            http.fail(Code.NO_ERROR, "answers that nobody takes")
        elif self._leave_by <= now:
            http.depart()
            self._leave_by = float("inf")
        for stream, inquiry in list(self.inquiries.items()):
            if inquiry.since + listener.read_s <= now:
                del self.inquiries[stream]
                self._respond(stream, invalid(LATE))
        self._send()

    def leave(self, now: float) -> None:
        """Tell the client to go elsewhere with what it asks next."""
        self.now = now
        if self.client.asked:
            self._leave_by = min(self._leave_by, now + LEAVE_S)
            self.http.leave()
        else:
            self._leave_by = now + FRESH_S  # behind its first answers
        self._send()

    def lost(self) -> None:
        """The client has gone."""
        self.inquiries.clear()
