"""A QUIC client that does exactly what a test says: whole queries, single octets, moves to another port.

It drives the library's connection itself over a blocking socket, so nothing happens behind the test's back.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import dns.message
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import (
    ConnectionTerminated,
    HandshakeCompleted,
    QuicEvent,
    StreamDataReceived,
    StreamReset,
)

from tests.bench.run import free_port

from .harness import Server

PATIENCE_S = 5.0
BLOCK = """{keys} {{
    bind 127.0.0.1
    tls {folder}/cert.pem {folder}/key.pem
{more}
    whoami
}}
"""


class Quic:
    """A server that answers at `port` over QUIC, at `h3` over HTTP/3."""

    def __init__(self, server: Server, options: str = "", more: str = "") -> None:
        self.server = server
        self.port = free_port()
        self.h3 = free_port()
        self.options = options
        self.more = more
        certify(server.folder)
        server.configure(self.text())

    def text(self, n: int = 1) -> str:
        """Return the configuration, in its `n`th variant."""
        keys = f"quic://.:{self.port} https3://.:{self.h3}"
        block = BLOCK.format(keys=keys, folder=self.server.folder, more=self.options)
        return self.server.tagged(n, extra=block + self.more)


class Closed(Exception):
    """The connection has ended."""


class Client:
    """One connection. `got` are the octets of each stream, `resets` the codes of those the server gave up.

    `prefix` stands in front of each datagram.
    """

    def __init__(
        self,
        port: int,
        alpn: str = "doq",
        *,
        wait: bool = True,
        cert: tuple[Path, Path] | None = None,
        seconds: float = PATIENCE_S,
        prefix: bytes = b"",
    ) -> None:
        configuration = QuicConfiguration(
            is_client=True, alpn_protocols=[alpn], verify_mode=ssl.CERT_NONE, server_name="dns.test"
        )
        if cert is not None:
            configuration.load_cert_chain(*cert)
        self.quic = QuicConnection(configuration=configuration)
        self.prefix = prefix
        self.address = ("127.0.0.1", port)
        self.sock = socket.socket(type=socket.SOCK_DGRAM)
        self.got: dict[int, bytes] = {}
        self.ended: set[int] = set()
        self.resets: dict[int, int] = {}
        self.events: list[QuicEvent] = []
        self.terminated: ConnectionTerminated | None = None
        self.shaken = False
        self.quic.connect(self.address, now=time.monotonic())
        if wait:
            try:
                self.until(lambda: self.shaken, seconds)
            except (Closed, TimeoutError):
                self.sock.close()
                raise

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Say good-bye."""
        self.quic.close()
        self.send()
        self.sock.close()

    # Packets --------------------------------------------------------------------------------------------------------

    def send(self) -> None:
        """Send what there is to send."""
        for data, _ in self.quic.datagrams_to_send(time.monotonic()):
            try:
                self.sock.sendto(self.prefix + data, self.address)
            except OSError:
                continue

    def step(self, seconds: float) -> None:
        """Send, and take what comes within a time."""
        self.send()
        timer = self.quic.get_timer()
        left = seconds if timer is None else min(seconds, timer - time.monotonic())
        self.sock.settimeout(max(left, 0.0001))
        try:
            while True:
                data = self.sock.recv(2048)
                self.quic.receive_datagram(data, self.address, time.monotonic())
                self.sock.settimeout(0.0001)
        except OSError:
            pass
        now = time.monotonic()
        timer = self.quic.get_timer()
        if timer is not None and timer <= now:
            self.quic.handle_timer(now)
        self._look()
        self.send()

    def _look(self) -> None:
        while (event := self.quic.next_event()) is not None:
            self.events.append(event)
            if isinstance(event, StreamDataReceived):
                self.got[event.stream_id] = self.got.get(event.stream_id, b"") + event.data
                if event.end_stream:
                    self.ended.add(event.stream_id)
            elif isinstance(event, StreamReset):
                self.resets[event.stream_id] = event.error_code
            elif isinstance(event, HandshakeCompleted):
                self.shaken = True
            elif isinstance(event, ConnectionTerminated):
                self.terminated = event

    @property
    def gone(self) -> bool:
        """Whether the server has closed it: what was said last is in the events as soon as it has come."""
        return self.terminated is not None or self.quic._close_event is not None

    def until(self, what: Callable[[], bool], seconds: float = PATIENCE_S) -> None:
        """Go on until something is true; raises Closed or TimeoutError."""
        deadline = time.monotonic() + seconds
        while not what():
            left = deadline - time.monotonic()
            if self.gone and not what():
                raise Closed(self.code, self.reason)
            if left <= 0:
                raise TimeoutError
            self.step(min(left, 0.05))

    def go_on(self, seconds: float) -> None:
        """Let time pass."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not self.gone:
            self.step(0.02)

    @property
    def code(self) -> int:
        """The error code with which the server closed it."""
        event = self.terminated or self.quic._close_event
        assert event is not None
        return event.error_code

    @property
    def reason(self) -> str:
        """The reason it gave."""
        event = self.terminated or self.quic._close_event
        assert event is not None
        return event.reason_phrase

    def wait_closed(self, seconds: float = PATIENCE_S) -> int:
        """Wait until the server closes it; returns the error code."""
        try:
            self.until(lambda: False, seconds)
        except Closed:
            pass
        return self.code

    def move(self) -> None:
        """Go on from another port, as behind a NAT that forgot us."""
        self.sock.close()
        self.sock = socket.socket(type=socket.SOCK_DGRAM)

    # Streams --------------------------------------------------------------------------------------------------------

    def write(self, data: bytes, end: bool = False) -> int:
        """Open a stream and write; returns its number."""
        stream = self.quic.get_next_available_stream_id()
        self.quic.send_stream_data(stream, data, end)
        return stream

    def begin(self, query: dns.message.Message, end: bool = True) -> int:
        """Send a DoQ query; returns its stream."""
        wire = query.to_wire()
        return self.write(len(wire).to_bytes(2, "big") + wire, end)

    def take(self, stream: int, seconds: float = PATIENCE_S) -> dns.message.Message:
        """Wait for the answer on a stream."""
        self.until(lambda: stream in self.ended or stream in self.resets, seconds)
        data = self.got[stream]
        assert len(data) == 2 + int.from_bytes(data[:2], "big")
        return dns.message.from_wire(data[2:])

    def ask(self, name: str = "a.example.org", qtype: str = "A", seconds: float = PATIENCE_S) -> dns.message.Message:
        """Ask and wait for the answer."""
        return self.take(self.begin(question(name, qtype)), seconds)


def question(name: str = "a.example.org", qtype: str = "A", ident: int = 0) -> dns.message.Message:
    """Return a query as DoQ has it."""
    query = dns.message.make_query(name, qtype)
    query.id = ident
    return query


def certify(folder: Path, name: str = "dns.test") -> tuple[Path, Path]:
    """Put a key and a certificate of its own into a folder."""
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name), x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "cert.pem", folder / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths
