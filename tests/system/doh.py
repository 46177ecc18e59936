"""A client of DoH that shows what happens: the library h2, or any octets, over TLS or in clear text."""

from __future__ import annotations

import base64
import socket
import ssl
import time
from collections import defaultdict
from typing import NamedTuple

import dns.message
import h2.config
import h2.connection
import h2.errors
import h2.events

from .dot import context
from .harness import Server

PATIENCE_S = 10.0
BLOCK = """https://test:{port} {{
    bind 127.0.0.1
    tls {folder}/cert.pem {folder}/key.pem
    {more}
    whoami
}}
https://test:{clear} {{
    bind 127.0.0.1
    {more}
    whoami
}}
"""


class Response(NamedTuple):
    """What came on a stream."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def message(self) -> dns.message.Message:
        """The DNS message."""
        return dns.message.from_wire(self.body)


class Lost(Exception):
    """The connection or a stream ended without an answer; `code` says why, where the server did."""

    def __init__(self, code: int | None = None) -> None:
        super().__init__(code)
        self.code = code


def connect(port: int, tls: bool = True, alpn: str = "h2", seconds: float = PATIENCE_S) -> socket.socket:
    """Return a connection."""
    raw = socket.create_connection(("127.0.0.1", port), timeout=seconds)
    if not tls:
        return raw
    try:
        return context(alpn=(alpn,)).wrap_socket(raw, server_hostname="dns.test")
    except OSError:
        raw.close()
        raise


def wire(name: str = "a.test", qtype: str = "A") -> bytes:
    """Return a query with message ID 0, as RFC 8484 has it."""
    return dns.message.make_query(name, qtype, id=0).to_wire()


def target(query: bytes) -> str:
    """Return the path of a GET request."""
    return "/dns-query?dns=" + base64.urlsafe_b64encode(query).rstrip(b"=").decode()


class Client:
    """A connection that speaks HTTP/2."""

    def __init__(self, port: int, tls: bool = True, seconds: float = PATIENCE_S) -> None:
        self.sock = connect(port, tls, seconds=seconds)
        config = h2.config.H2Configuration(header_encoding="utf-8")
        self.wire = h2.connection.H2Connection(config)
        self.wire.initiate_connection()
        self.heads: dict[int, dict[str, str]] = {}
        self.bodies: defaultdict[int, bytearray] = defaultdict(bytearray)
        self.ended: set[int] = set()
        self.resets: dict[int, int] = {}
        self.gone: list[tuple[int, int]] = []  # last stream and code of each GOAWAY
        self.closed = False
        self.flush()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def flush(self) -> None:
        """Send what the library wants sent."""
        if data := self.wire.data_to_send():
            self.sock.sendall(data)

    def begin(self, method: str, path: str, body: bytes | None = None, end: bool = True) -> int:
        """Send a request; returns its stream."""
        stream: int = self.wire.get_next_available_stream_id()
        fields = [(":method", method), (":scheme", "https"), (":authority", "dns.test"), (":path", path)]
        self.wire.send_headers(stream, fields, end_stream=end and body is None)
        if body is not None:
            self._send(stream, body, end)
        self.flush()
        return stream

    def _send(self, stream: int, body: bytes, end: bool) -> None:
        for at in range(0, len(body) or 1, 8192):
            self.flush()
            part = body[at : at + 8192]
            while stream not in self.ended and self.wire.local_flow_control_window(stream) < len(part):
                self.step()
            if stream in self.ended or stream in self.resets:
                return  # answered before it was whole
            self.wire.send_data(stream, part, end_stream=end and at + 8192 >= len(body))

    def step(self, seconds: float = PATIENCE_S) -> None:
        """Take what comes next."""
        self.sock.settimeout(seconds)
        data = self.sock.recv(65536)
        if not data:
            self.closed = True
            return
        for event in self.wire.receive_data(data):
            self._happened(event)
        self.flush()

    def _happened(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.ResponseReceived():
                self.heads[event.stream_id] = {str(name): str(value) for name, value in event.headers or ()}
            case h2.events.DataReceived():
                assert event.data is not None and event.flow_controlled_length is not None
                self.bodies[event.stream_id] += event.data
                self.wire.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case h2.events.StreamEnded():
                self.ended.add(event.stream_id)
            case h2.events.StreamReset():
                self.resets[event.stream_id] = int(event.error_code or 0)
            case h2.events.ConnectionTerminated():
                self.gone.append((event.last_stream_id or 0, int(event.error_code or 0)))

    def take(self, stream: int, seconds: float = PATIENCE_S) -> Response:
        """Return what comes on a stream."""
        until = time.monotonic() + seconds
        while stream not in self.ended:
            if stream in self.resets:
                raise Lost(self.resets[stream])
            if self.closed or self.gone:
                raise Lost(self.gone[-1][1] if self.gone else None)
            self.step(max(0.01, until - time.monotonic()))
        head = self.heads.pop(stream)
        return Response(int(head[":status"]), head, bytes(self.bodies.pop(stream, b"")))

    def get(self, name: str = "a.test", qtype: str = "A") -> Response:
        """Ask by GET."""
        return self.take(self.begin("GET", target(wire(name, qtype))))

    def post(self, name: str = "a.test", qtype: str = "A") -> Response:
        """Ask by POST."""
        return self.take(self.begin("POST", "/dns-query", wire(name, qtype)))

    def wait_closed(self, seconds: float = PATIENCE_S) -> int | None:
        """Wait until the server has closed; returns the code of its GOAWAY."""
        until = time.monotonic() + seconds
        while not self.closed:
            try:
                self.step(max(0.01, until - time.monotonic()))
            except ConnectionError:
                break
        return self.gone[-1][1] if self.gone else None


class Doh:
    """A server of DoH at `port`, in clear text at `clear`."""

    def __init__(self, server: Server, clear: int, more: str = "", extra: str = "") -> None:
        self.server = server
        self.port = server.port
        self.clear = clear
        self.more = more
        self.extra = extra
        server.configure(self.text())

    def text(self, more: str = "") -> str:
        """Return the configuration; `more` directives make another one of it."""
        folder = self.server.folder
        block = BLOCK.format(port=self.port, clear=self.clear, folder=folder, more=f"{self.more}\n{more}")
        return block + self.extra

    def healthy(self) -> None:
        """A new client is served, and nothing went wrong."""
        for tls, port in ((True, self.port), (False, self.clear)):
            with Client(port, tls) as client:
                assert client.get().status == 200
        assert "Traceback" not in self.server.log, self.server.log


def ended_after(sock: socket.socket, seconds: float = PATIENCE_S) -> float:
    """Wait until the server ends a connection in whatever way; returns how long that took."""
    began = time.monotonic()
    sock.settimeout(seconds)
    try:
        while sock.recv(65536):
            continue
    except (ConnectionError, ssl.SSLError):
        pass
    return time.monotonic() - began
