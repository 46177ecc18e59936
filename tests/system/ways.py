"""All ways in: one message goes out in octets, and what comes back is octets too, or a word for what is no DNS message.

To add a transport, write a `Way` and put it into `WAYS`; the table of `test_all_transports` does the rest.
"""

from __future__ import annotations

import http.client
import socket
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

import grpc
import h2.config
import h2.connection
import h2.events
from aioquic.h3.connection import H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived

from . import dot, grpc_client, quic
from .quic import Closed

SILENCE_S = 0.6  # after which nothing is expected any more
SILENCE = "silence"
Reply = bytes | str


class Way(ABC):
    """One way in. `scheme` is that of its keys; `proto` what the server takes it for (spec core §4.3)."""

    name: ClassVar[str]
    scheme: ClassVar[str]
    proto: ClassVar[str] = "tcp"
    rejects: ClassVar[str] = ""  # what a message gets that does not pass screening; "" where that is a DNS message
    dropped: ClassVar[str] = SILENCE  # what a query gets that nobody answers

    def __init__(self, port: int, folder: Path) -> None:
        self.port, self.folder = port, folder

    @abstractmethod
    def ask(self, wire: bytes) -> Reply:
        """Send a message and return what comes back."""


class Udp(Way):
    """Datagrams."""

    name, scheme, proto = "udp", "dns", "udp"

    def ask(self, wire: bytes) -> Reply:
        """One datagram, one datagram."""
        with socket.socket(type=socket.SOCK_DGRAM) as sock:
            sock.settimeout(SILENCE_S)
            sock.connect(("127.0.0.1", self.port))
            sock.send(wire)
            try:
                return sock.recv(65535)
            except TimeoutError:
                return SILENCE


class Tcp(Way):
    """Frames."""

    name, scheme = "tcp", "dns"

    def open(self) -> socket.socket:
        """Return a connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=5)

    def ask(self, wire: bytes) -> Reply:
        """One frame, one frame."""
        with self.open() as sock:
            sock.sendall(len(wire).to_bytes(2, "big") + wire)
            sock.settimeout(SILENCE_S)
            try:
                size = int.from_bytes(dot.take(sock, 2), "big")
                return dot.take(sock, size)
            except TimeoutError:
                return SILENCE


class Dot(Tcp):
    """Frames in TLS."""

    name, scheme = "dot", "tls"

    def open(self) -> socket.socket:
        """Return a connection."""
        return dot.connect(self.port)


class Doh1(Way):
    """HTTP/1.1."""

    name, scheme, rejects, dropped = "doh-h1", "https", "400", "500"

    def ask(self, wire: bytes) -> Reply:
        """POST."""
        made = dot.context(alpn=("http/1.1",))
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=5, context=made)
        try:
            connection.request("POST", "/dns-query", wire, {"content-type": "application/dns-message"})
            response = connection.getresponse()
            body = response.read()
            return body if response.status == 200 else str(response.status)
        finally:
            connection.close()


FIELDS = [
    (":method", "POST"), (":scheme", "https"), (":authority", "dns.test"), (":path", "/dns-query"),
    ("content-type", "application/dns-message"),
]  # fmt: skip


class Doh2(Way):
    """HTTP/2."""

    name, scheme, rejects, dropped = "doh-h2", "https", "400", "500"

    def ask(self, wire: bytes) -> Reply:
        """POST."""
        with dot.connect(self.port, dot.context(alpn=("h2",))) as sock:
            client = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
            client.initiate_connection()
            client.send_headers(1, [*FIELDS, ("content-length", str(len(wire)))])
            client.send_data(1, wire, end_stream=True)
            status, body = "", b""
            while True:
                sock.sendall(client.data_to_send())
                for event in client.receive_data(sock.recv(65536)):
                    if isinstance(event, h2.events.ResponseReceived):
                        status = next(str(value) for name, value in event.headers if str(name) == ":status")
                    elif isinstance(event, h2.events.DataReceived):
                        body += event.data
                    elif isinstance(event, h2.events.StreamEnded):
                        return body if status == "200" else status


class Doh3(Way):
    """HTTP/3."""

    name, scheme, proto, rejects, dropped = "doh3", "https3", "udp", "400", "500"

    def ask(self, wire: bytes) -> Reply:
        """POST."""
        with quic.Client(self.port, "h3") as client:
            http3 = H3Connection(client.quic)
            stream = client.quic.get_next_available_stream_id()
            http3.send_headers(stream, [(name.encode(), value.encode()) for name, value in FIELDS])
            http3.send_data(stream, wire, end_stream=True)
            client.until(lambda: stream in client.ended)
            status, body = "", b""
            for event in client.events:
                for found in http3.handle_event(event):
                    if isinstance(found, HeadersReceived) and found.stream_id == stream:
                        status = dict(found.headers)[b":status"].decode()
                    elif isinstance(found, DataReceived) and found.stream_id == stream:
                        body += found.data
            return body if status == "200" else status


class Doq(Way):
    """A stream of QUIC."""

    name, scheme, proto, rejects = "doq", "quic", "udp", "closed 2"

    def ask(self, wire: bytes) -> Reply:
        """One stream."""
        with quic.Client(self.port) as client:
            stream = client.write(len(wire).to_bytes(2, "big") + wire, end=True)
            try:
                client.until(lambda: stream in client.ended or stream in client.resets, SILENCE_S)
            except Closed:
                return f"closed {client.code}"
            except TimeoutError:
                return SILENCE
            return client.got.get(stream, b"")[2:] or SILENCE


class Grpc(Way):
    """A call of gRPC."""

    name, scheme, rejects, dropped = "grpc", "grpc", "UNKNOWN", "echo"

    def ask(self, wire: bytes) -> Reply:
        """One call."""
        ca = (self.folder / "cert.pem").read_bytes()
        options = (("grpc.ssl_target_name_override", "dns.test"),)
        with grpc_client.Client(self.port, ca, *options) as client:
            try:
                found: bytes = client.query(wire, timeout=grpc_client.PATIENCE_S)
            except grpc.RpcError as error:
                return str(error.code().name)
            return "echo" if found == wire else found


WAYS: tuple[type[Way], ...] = (Udp, Tcp, Dot, Doh1, Doh2, Doh3, Doq, Grpc)
SCHEMES = tuple(dict.fromkeys(way.scheme for way in WAYS))
