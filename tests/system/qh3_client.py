"""A client on qh3, whose QUIC is not aioquic's, over a blocking socket."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable

from qh3.h3.connection import H3Connection
from qh3.h3.events import DataReceived, HeadersReceived
from qh3.quic.configuration import QuicConfiguration
from qh3.quic.connection import QuicConnection
from qh3.quic.events import ConnectionTerminated, HandshakeCompleted, StreamDataReceived

PATIENCE_S = 10.0
Response = tuple[int, dict[bytes, bytes], bytes]


class Qh3:
    """One connection. `got` are the octets of each stream, or the bodies of responses."""

    def __init__(self, port: int, alpn: str) -> None:
        configuration = QuicConfiguration(
            is_client=True, alpn_protocols=[alpn], verify_mode=ssl.CERT_NONE, server_name="dns.test"
        )
        self.quic = QuicConnection(configuration=configuration)
        self.address = ("127.0.0.1", port)
        self.sock = socket.socket(type=socket.SOCK_DGRAM)
        self.sock.connect(self.address)
        self.got: dict[int, bytes] = {}
        self.fields: dict[int, dict[bytes, bytes]] = {}
        self.ended: set[int] = set()
        self.shaken = False
        self.http: H3Connection | None = None
        self.quic.connect(self.address, now=time.monotonic())
        self._until(lambda: self.shaken)
        if alpn == "h3":
            self.http = H3Connection(self.quic)

    def close(self) -> None:
        """Say good-bye."""
        self.quic.close()
        self._send()
        self.sock.close()

    def open(self, data: bytes) -> int:
        """Write a whole stream; returns its number."""
        stream: int = self.quic.get_next_available_stream_id()
        self.quic.send_stream_data(stream, data, True)
        return stream

    def read(self, stream: int) -> bytes:
        """Wait for the end of a stream."""
        self._until(lambda: stream in self.ended)
        return self.got[stream]

    def request(self, method: bytes, path: bytes, body: bytes = b"") -> Response:
        """Make an HTTP request and wait for its response."""
        assert self.http is not None
        stream = self.quic.get_next_available_stream_id()
        fields = [(b":method", method), (b":scheme", b"https"), (b":authority", b"dns.test"), (b":path", path)]
        self.http.send_headers(stream, fields, end_stream=not body)
        if body:
            self.http.send_data(stream, body, end_stream=True)
        content = self.read(stream)
        return int(self.fields[stream][b":status"]), self.fields[stream], content

    def _send(self) -> None:
        for data, _ in self.quic.datagrams_to_send(time.monotonic()):
            self.sock.send(data)

    def _until(self, what: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not what():
            assert time.monotonic() < deadline
            self._send()
            self.sock.settimeout(0.05)
            try:
                self.quic.receive_datagram(self.sock.recv(2048), self.address, time.monotonic())
            except TimeoutError:
                timer = self.quic.get_timer()
                if timer is not None and timer <= time.monotonic():
                    self.quic.handle_timer(time.monotonic())
            self._look()

    def _look(self) -> None:
        while (event := self.quic.next_event()) is not None:
            assert not isinstance(event, ConnectionTerminated), event
            if isinstance(event, HandshakeCompleted):
                self.shaken = True
            elif self.http is not None:
                for happened in self.http.handle_event(event):
                    if isinstance(happened, HeadersReceived):
                        self.fields[happened.stream_id] = dict(happened.headers)
                        self._take(happened.stream_id, b"", happened.stream_ended)
                    elif isinstance(happened, DataReceived):
                        self._take(happened.stream_id, happened.data, happened.stream_ended)
            elif isinstance(event, StreamDataReceived):
                self._take(event.stream_id, event.data, event.end_stream)

    def _take(self, stream: int, data: bytes, end: bool) -> None:
        self.got[stream] = self.got.get(stream, b"") + data
        if end:
            self.ended.add(stream)
