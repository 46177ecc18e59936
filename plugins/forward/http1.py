"""HTTP/1.1 for upstreams that speak no HTTP/2: one exchange at a time, the connection kept where the server lets us."""

from __future__ import annotations

import h11

from .http import CONTENT_TYPE, MAX_ANSWER_BYTES, Answer, Event, Request


class Http1:
    """One connection, as `http.Http` describes it."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._machine = h11.Connection(h11.CLIENT)
        self._key = 0
        self._asked = False
        self._status: int | None = None
        self._body = bytearray()
        self.out = bytearray()
        self.settled = True
        self.closing = False
        self.broken = ""

    @property
    def room(self) -> bool:
        """Whether another request may be made now."""
        return not self.closing and not self._asked

    def ask(self, message: bytes) -> int:
        """Begin an exchange; returns its key."""
        request = self._request
        headers = [(b"Host", request.authority.encode()), (b"Accept", CONTENT_TYPE)]
        post = request.method == "POST"
        if post:
            headers += [(b"Content-Type", CONTENT_TYPE), (b"Content-Length", b"%d" % len(message))]
        self._send(h11.Request(method=request.method, target=request.path(message), headers=headers))
        if post:
            self._send(h11.Data(message))
        self._send(h11.EndOfMessage())
        self._key += 1
        self._asked = True
        self._body.clear()
        return self._key

    def cancel(self, key: int) -> None:
        """Give an exchange up, and with it the connection: its answer would come ahead of the next one's."""
        self.closing = True
        self._asked = False

    def receive(self, data: bytes) -> list[Event]:
        """Take octets from the server; returns what became of exchanges."""
        events: list[Event] = []
        try:
            self._machine.receive_data(data)
            while self._asked and not self.broken:
                event = self._machine.next_event()
                if event is h11.NEED_DATA or event is h11.PAUSED:
                    break
                self._take(event, events)
        except h11.RemoteProtocolError as error:
            self._break(f"net/http: HTTP/1.x transport connection broken: {error}")
        return events

    def ended(self) -> list[Event]:
        """Take the end of what the server sends; it may be the end of an answer."""
        begun = self._status is not None
        events = self.receive(b"") if begun else []
        self._break("unexpected EOF" if begun and not events else "EOF")
        return events

    def _break(self, text: str) -> None:
        self.closing = True
        self.broken = self.broken or text

    def _take(self, event: object, events: list[Event]) -> None:
        match event:
            case h11.Response():
                self._status = event.status_code
            case h11.Data():
                self._body += event.data
                if len(self._body) > MAX_ANSWER_BYTES:
                    self._break("http: response body too large")
            case h11.EndOfMessage():
                events.append(Answer(self._key, bytes(self._body), self._status))
                self._asked = False
                self._status = None
                if self._machine.our_state is h11.DONE and self._machine.their_state is h11.DONE:
                    self._machine.start_next_cycle()
                else:
                    self.closing = True
            case h11.ConnectionClosed():
                self._break("EOF")
            case _:
                pass  # an informational response

    def _send(self, event: h11.Event) -> None:
        self.out += self._machine.send(event) or b""
