"""Both ends of HTTP/2 connections in memory."""

from __future__ import annotations

from collections import defaultdict

import h2.config
import h2.connection
import h2.events

from shardns.worker.h2 import frames
from shardns.worker.h2.connection import Http2
from shardns.worker.h2.hpack import Field, encode

GREETING = frames.PREFACE + frames.settings({})
REQUEST: list[Field] = [
    (b":method", b"GET"),
    (b":scheme", b"https"),
    (b":authority", b"dns.test"),
    (b":path", b"/dns-query?dns=AAAA"),
]
POST: list[Field] = [(b":method", b"POST"), *REQUEST[1:]]
OK = encode([(b":status", b"200")])


class Notes:
    """A user that writes down what it is told. `echo` answers a whole request with its body, or its path."""

    def __init__(self, echo: bool = False) -> None:
        self.http: Http2
        self.echo = echo
        self.fields: defaultdict[int, list[list[Field]]] = defaultdict(list)
        self.bodies: defaultdict[int, bytearray] = defaultdict(bytearray)
        self.ended: list[int] = []
        self.resets: list[int] = []
        self.long: list[int] = []
        self.gone: list[tuple[int, int]] = []

    def headers(self, stream: int, fields: list[Field], end: bool) -> None:
        self.fields[stream].append(fields)
        self._end(stream, end)

    def data(self, stream: int, data: bytes, end: bool) -> None:
        self.bodies[stream] += data
        self._end(stream, end)

    def _end(self, stream: int, end: bool) -> None:
        if end:
            self.ended.append(stream)
            if self.echo:
                body = bytes(self.bodies[stream]) or dict(self.fields[stream][0])[b":path"]
                self.http.respond(stream, OK, body)

    def reset(self, stream: int) -> None:
        self.resets.append(stream)

    def oversized(self, stream: int) -> None:
        self.long.append(stream)
        self.http.respond(stream, encode([(b":status", b"431")]), b"")

    def went(self, last: int, code: int) -> None:
        self.gone.append((last, code))


def server(echo: bool = False, streams: int = 250) -> tuple[Http2, Notes]:
    """Return a server's side and its user."""
    notes = Notes(echo)
    notes.http = Http2(notes, 0.0, streams=streams)
    return notes.http, notes


def greeted(echo: bool = False, streams: int = 250) -> tuple[Http2, Notes]:
    """Return a server's side that has seen a client's greeting."""
    http, notes = server(echo, streams)
    say(http, GREETING)
    return http, notes


def say(http: Http2, data: bytes, now: float = 0.0) -> list[tuple[int, int, int, bytes]]:
    """Have it read octets; returns the frames it sends: type, flags, stream, payload."""
    http.receive(data)
    while http.step(now):
        pass
    return read(b"".join(http.take()))


def read(data: bytes) -> list[tuple[int, int, int, bytes]]:
    """Take frames apart."""
    found, at = [], len(frames.PREFACE) if data.startswith(frames.PREFACE) else 0
    while at < len(data):
        high, low, kind, flags, stream = frames.unpack_head(data, at)
        end = at + 9 + (high << 8 | low)
        found.append((kind, flags, stream, data[at + 9 : end]))
        assert end <= len(data)
        at = end
    return found


def request(stream: int, fields: list[Field] = REQUEST, end: bool = True) -> bytes:
    """Return a request's HEADERS."""
    return frames.headers(stream, encode(fields), end)


def data(stream: int, octets: bytes = b"", end: bool = False) -> bytes:
    """Return a DATA frame."""
    return frames.frame(frames.DATA, frames.END_STREAM if end else 0, stream, octets)


def failed(sent: list[tuple[int, int, int, bytes]]) -> int | None:
    """Return the code by which a connection was ended."""
    codes = [payload[4:8] for kind, _, _, payload in sent if kind == frames.GOAWAY]
    return int.from_bytes(codes[-1], "big") if codes else None


def resets(sent: list[tuple[int, int, int, bytes]]) -> dict[int, int]:
    """Return the streams that were reset and why."""
    return {stream: int.from_bytes(payload, "big") for kind, _, stream, payload in sent if kind == frames.RST_STREAM}


class Library:
    """The library h2 at the other end of one of ours."""

    def __init__(self, http: Http2, *, client: bool = True) -> None:
        self.http = http
        config = h2.config.H2Configuration(client_side=client, header_encoding=None)
        self.wire = h2.connection.H2Connection(config)
        self.events: list[h2.events.Event] = []
        self.wire.initiate_connection()

    def exchange(self, now: float = 0.0) -> list[h2.events.Event]:
        """Carry octets both ways until there are none; returns what the library saw."""
        seen: list[h2.events.Event] = []
        while True:
            there = self.wire.data_to_send()
            self.http.receive(there)
            more = self.http.step(now)
            back = b"".join(self.http.take())
            if back:
                seen += self.wire.receive_data(back)
            if not there and not back and not more:
                self.events += seen
                return seen
