"""DNS over gRPC from the other side: Google's own library, and single HTTP/2 frames where a test wants to misbehave."""

from __future__ import annotations

import socket
import ssl
from types import TracebackType
from typing import Any

import dns.message
import grpc
import h2.config
import h2.connection
import h2.events

from shardns.worker.grpc.wire import PATH, framed, unpacked

PATIENCE_S = 5.0
OPTIONS = [("grpc.max_receive_message_length", 1 << 20), ("grpc.use_local_subchannel_pool", 1)]
REQUEST = [
    (":method", "POST"),
    (":scheme", "http"),
    (":authority", "dns.test"),
    (":path", PATH.decode()),
    ("te", "trailers"),
    ("content-type", "application/grpc"),
]


def packet(message: bytes) -> bytes:
    """Return a DnsPacket."""
    return framed(message)[5:]


class Client:
    """A channel of the library."""

    def __init__(self, port: int, ca: bytes | None = None, *options: tuple[str, Any]) -> None:
        target, more = f"127.0.0.1:{port}", [*OPTIONS, *options]
        if ca is None:
            self.channel = grpc.insecure_channel(target, more)
        else:
            self.channel = grpc.secure_channel(target, grpc.ssl_channel_credentials(ca), more)
        self.query = self.method(PATH.decode())

    def method(self, path: str) -> Any:
        """Return a method of octets that are DNS messages."""
        return self.channel.unary_unary(path, request_serializer=packet, response_deserializer=unpacked)

    def ask(self, name: str = "who.test.", qtype: str = "A", **more: Any) -> dns.message.Message:
        """Return the answer to a query."""
        asked = dns.message.make_query(name, qtype, **more)
        return dns.message.from_wire(self.query(asked.to_wire(), timeout=PATIENCE_S), one_rr_per_rrset=True)

    def fault(self, message: bytes, path: str = PATH.decode()) -> tuple[str, str]:
        """Return status and text of a call that must fail."""
        try:
            self.method(path)(message, timeout=PATIENCE_S)
        except grpc.RpcError as error:
            return error.code().name, error.details()
        raise AssertionError("the call was answered")

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.channel.close()


class Raw:
    """One connection of the library h2, driven by hand."""

    def __init__(self, port: int, context: ssl.SSLContext | None = None, before: bytes = b"") -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
        self.sock.sendall(before)
        if context is not None:
            self.sock = context.wrap_socket(self.sock, server_hostname="dns.test")
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
        self.h2.initiate_connection()
        self.closed = False
        self.events: list[h2.events.Event] = []
        self.send()

    def __enter__(self) -> Raw:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.sock.close()

    def send(self) -> None:
        """Send what the library has to say."""
        self.sock.sendall(self.h2.data_to_send())

    def call(self, body: bytes | None = None, end: bool = True, fields: list[tuple[str, str]] | None = None) -> int:
        """Begin a call; returns its stream."""
        stream = self.h2.get_next_available_stream_id()
        self.h2.send_headers(stream, fields or REQUEST, end_stream=end and body is None)
        if body is not None:
            self.h2.send_data(stream, body, end_stream=end)
        self.send()
        return stream

    def until(self, kind: type[Any], stream: int | None = None, timeout: float = PATIENCE_S) -> Any:
        """Return the first event of a kind (and stream) that has not been asked for; None where the server closes."""
        self.sock.settimeout(timeout)
        while True:
            for event in self.events:
                if isinstance(event, kind) and (stream is None or getattr(event, "stream_id", None) == stream):
                    self.events.remove(event)
                    return event
            data = self.sock.recv(65536)
            if not data:
                self.closed = True
                return None
            self.events += self.h2.receive_data(data)
            self.send()

    def fields(self, stream: int) -> dict[str, str]:
        """Return the header section with which a call began to be answered."""
        return dict(self.until(h2.events.ResponseReceived, stream).headers)
