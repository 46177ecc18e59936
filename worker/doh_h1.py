"""DoH over HTTP/1.1: one request after the other, what is pipelined waits for its turn. h11 decides what HTTP is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import h11

from . import doh_message
from .dispatch import Answer
from .doh import FRESH_S
from .doh_message import LATE, NO_RESPONSE, TOO_LARGE, TOO_LONG, HttpError, invalid

if TYPE_CHECKING:
    from .doh import Doh

MAX_HEAD_BYTES: Final = 1 << 17  # of a request's headers, and so of a GET
MAX_REQUESTS: Final = 32  # answered in a turn
_MALFORMED: Final = HttpError(400, b"400 Bad Request")


class DohHttp1:
    """What a connection does that speaks HTTP/1.1. `waiting`: an answer is being waited for."""

    def __init__(self, client: Doh) -> None:
        self.client = client
        self.http = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD_BYTES)
        self.head: h11.Request | None = None
        self.body = bytearray()
        self.waiting = False
        self._turning = False
        self._come = 0  # octets of a request that is not whole
        self._since = time.monotonic()
        self._until = self._since + client.listener.read_s
        client.settle(self._since)

    # Turns ----------------------------------------------------------------------------------------------------------

    def receive(self, data: bytes, now: float) -> None:
        """Take octets."""
        if self._come:
            self._come += len(data)
        try:
            self.http.receive_data(data)
        except h11.RemoteProtocolError:  # behind the last request: nobody reads it
            return
        if self.waiting or self._turning or self.client.blocked:
            self.client.transport.pause_reading()
        else:
            self._turn(now)

    def resume(self, now: float) -> None:
        """The client takes answers again."""
        if not self.waiting and not self._turning:
            self._turn(now)

    def _turn(self, now: float) -> None:
        worker = self.client.server.worker
        worker.begin_burst()
        try:
            self._requests(now)
        except h11.RemoteProtocolError as error:
            self._refuse(TOO_LARGE if error.error_status_hint == TOO_LARGE.status else _MALFORMED)
        worker.end_burst()
        self.client.settle(now)

    def _requests(self, now: float) -> None:
        """Answer whole requests until one has to be waited for."""
        for _ in range(MAX_REQUESTS):
            if not self._request(now) or self.waiting or self.client.closed or self.client.blocked:
                return
        self._turning = True
        self.client.transport.pause_reading()
        asyncio.get_running_loop().call_soon(self._again)

    def _again(self) -> None:
        self._turning = False
        client = self.client
        if client.closed or client.blocked:
            return
        self._turn(time.monotonic())
        if not (self._turning or self.waiting or client.closed or client.blocked):
            client.transport.resume_reading()

    def _request(self, now: float) -> bool:
        """Read one request and answer it; False where it is not whole."""
        while True:
            event = self.http.next_event()
            if event is h11.NEED_DATA:
                self._wait_for_more(now)
                return False
            if isinstance(event, h11.Request):
                self.head, self.body = event, bytearray()
                if refusal := self._refusal(event):
                    self._respond(refusal)
                    return True
            elif isinstance(event, h11.Data):
                self.body += event.data
                if len(self.body) > doh_message.MAX_BODY_BYTES:
                    self._respond(invalid(TOO_LONG))
                    return True
            elif isinstance(event, h11.EndOfMessage):
                self._whole(now)
                return True
            else:  # closed by the client, or by what we answered
                self.client.finish()
                return False

    def _wait_for_more(self, now: float) -> None:
        if self.http.they_are_waiting_for_100_continue:
            go_on = h11.InformationalResponse(status_code=100, headers=[], reason=b"Continue")
            self.client.transport.write(self.http.send(go_on) or b"")
        if not self._come:
            self._come = len(self.http.trailing_data[0]) + int(self.head is not None)
            self._since = now

    def _refusal(self, head: h11.Request) -> HttpError | None:
        """Return the answer to a request with a body that need not be waited for."""
        size = next((int(value) for name, value in head.headers if name == b"content-length"), 0)
        refused = doh_message.refusal(head.method, _target(head), size)
        return refused if size > doh_message.MAX_BODY_BYTES else None

    def _whole(self, now: float) -> None:
        head = self.head
        assert head is not None
        self.client.served, self.client.asked = now, True
        self.client.crowd.touch(self.client)
        wire = doh_message.message(head.method, _target(head), bytes(self.body))
        if isinstance(wire, HttpError):
            self._respond(wire)
            return
        result = self.client.ask(wire, now)
        if result is None or isinstance(result, bytes | HttpError):
            self._respond(result, wire[:2])
            return
        self.waiting = True
        self.client.server.worker.spawn(self._later(result, wire[:2]))

    async def _later(self, waiting: Awaitable[Answer], ident: bytes) -> None:
        answer: Answer = None
        try:
            answer = await waiting
        finally:
            self.waiting = False
        client = self.client
        if client.closed:
            return
        client.server.worker.end_burst()  # the other workers shall know what this client now knows
        self._respond(answer, ident)
        if not client.closed and not client.blocked:
            client.transport.resume_reading()
            self._turn(time.monotonic())

    # Responses ------------------------------------------------------------------------------------------------------

    def _respond(self, answer: Answer | HttpError, ident: bytes = b"") -> None:
        if answer is None:
            answer = NO_RESPONSE
        if isinstance(answer, HttpError):
            status, fields, body = answer.status, answer.headers, answer.body
            self.client.refuse(answer)
        else:
            status, fields, body = 200, doh_message.headers(answer, time.time()), ident + answer
            self.client.count(status)
        self._write(status, fields, body)
        http = self.http
        self.head, self._come = None, 0
        if http.our_state is h11.DONE and http.their_state is h11.DONE:
            http.start_next_cycle()
            self._until = time.monotonic() + self.client.listener.idle_s
        else:
            self.client.finish()

    def _refuse(self, error: HttpError) -> None:
        """Answer what is no HTTP; the reference does not count that either."""
        if self.http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self._write(error.status, error.headers[:1] + error.headers[2:], error.body)
        self.client.finish()

    def _write(self, status: int, fields: list[tuple[bytes, bytes]], body: bytes) -> None:
        http = self.http
        headers = [(name.title(), value) for name, value in fields]
        headers.append((b"Date", formatdate(usegmt=True).encode()))
        if self.client.leaving or http.their_state not in (h11.DONE, h11.MUST_CLOSE):
            headers.append((b"Connection", b"close"))
        head = h11.Response(status_code=status, headers=headers, reason=HTTPStatus(status).phrase.encode())
        out = http.send(head) or b""
        if self.head is None or self.head.method != b"HEAD":
            out += http.send(h11.Data(data=body)) or b""
        self.client.transport.write(out + (http.send(h11.EndOfMessage()) or b""))

    # Time -----------------------------------------------------------------------------------------------------------

    @property
    def held(self) -> int:
        """Octets kept for the client."""
        return self._come

    @property
    def busy(self) -> bool:
        """Whether a request is under way."""
        return self.waiting or self._turning or bool(self._come)

    def deadline(self, now: float) -> float:
        """Return when the request must be there, or the next one have begun."""
        if self.waiting:
            return float("inf")
        return self._since + self.client.listener.read_s if self._come else self._until

    def expire(self, now: float) -> None:
        """The request has not come in time, or none has."""
        if self.head is not None:
            self._respond(invalid(LATE))
        self.client.finish()

    def leave(self, now: float) -> None:
        """Close behind the request under way."""
        if not self.client.asked:
            self._until = min(self._until, now + FRESH_S)
            self.client.settle(now)
        elif not self.busy:
            self.client.finish()

    def lost(self) -> None:
        """The client has gone."""


def _target(head: h11.Request) -> bytes:
    target = bytes(head.target)
    if b"://" in target.partition(b"?")[0]:  # RFC 9112 §3.2.2: a proxy's absolute form
        return b"/" + target.split(b"://", 1)[1].partition(b"/")[2]
    return target
