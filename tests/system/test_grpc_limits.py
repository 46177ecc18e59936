"""What clients of DNS over gRPC can take: places, streams, memory; and that others do not notice (CVE-2025-68151)."""

from __future__ import annotations

import resource
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial

import pytest

pytest.importorskip("grpc")
import grpc

from shardns.worker.grpc.wire import framed
from shardns.worker.h2 import frames
from shardns.worker.h2.hpack import encode
from tests.bench.process import memory_mib
from tests.bench.run import free_port
from tests.certify import certify

from .conftest import Make
from .grpc_client import REQUEST, Client, Raw
from .harness import Server, until

pytestmark = pytest.mark.system

IDLE = 5000
COREFILE = """grpc://.:{port} {{
    bind 127.0.0.1
    whoami
}}
grpc://.:{secure} {{
    bind 127.0.0.1
    tls {folder}/cert.pem {folder}/key.pem
    whoami
}}
grpc://.:{open} {{
    bind 127.0.0.1
    grpc_server {{
        max_streams 0
        max_connections 0
    }}
    whoami
}}
"""
HEADERS = encode([(name.encode(), value.encode()) for name, value in REQUEST])


class Limited:
    """A server with the default limits, in clear text and over TLS, and one without any."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.port, self.secure, self.open = (free_port() for _ in range(3))
        self.ca = certify(server.folder).certificate.read_bytes()
        text = COREFILE.format(port=self.port, secure=self.secure, open=self.open, folder=server.folder)
        server.configure(text)
        server.start()
        self.pids = server.children()

    def is_served(self, port: int) -> None:
        """Prove that a new client is answered."""
        with Client(port) as client:
            assert client.ask().rcode() == 0


@pytest.fixture
def limited(make: Make) -> Iterator[Limited]:
    """Return a running server whose processes are the same afterwards."""
    found = Limited(make())
    yield found
    found.is_served(found.port)
    assert found.server.children() == found.pids
    assert "Traceback" not in found.server.log and "panic" not in found.server.log


def greeted(port: int) -> socket.socket:
    """Return a connection on which HTTP/2 is spoken, by nobody."""
    conn = socket.create_connection(("127.0.0.1", port), 5)
    conn.sendall(frames.PREFACE + frames.settings({}))
    return conn


def test_connections_that_are_idle_make_room(limited: Limited) -> None:
    with ExitStack() as stack:
        for _ in range(300):  # a hundred more than there are places
            stack.enter_context(greeted(limited.port))
        began = time.monotonic()
        limited.is_served(limited.port)
        assert time.monotonic() - began < 5


def test_who_comes_too_late_waits_while_the_others_have_only_just_come(make: Make) -> None:
    server, port = make(), free_port()
    server.configure(f"grpc://.:{port} {{\n bind 127.0.0.1\n grpc_server {{\n  max_connections 2\n }}\n whoami\n}}\n")
    server.start()
    with greeted(port) as first, greeted(port) as second:
        assert first.recv(9) and second.recv(9)
        with greeted(port) as late:
            late.settimeout(0.1)
            with pytest.raises(TimeoutError):
                late.recv(9)
            first.close()
            late.settimeout(5)
            assert late.recv(9)


def test_connections_that_say_nothing_make_room(limited: Limited) -> None:
    with ExitStack() as stack:
        for _ in range(220):
            stack.enter_context(socket.create_connection(("127.0.0.1", limited.port), 5))
        began = time.monotonic()
        limited.is_served(limited.port)
        assert time.monotonic() - began < 6  # the read time-out


def test_a_large_body_is_refused_before_it_has_come(limited: Limited) -> None:
    before = memory_mib(limited.server.pid)
    with Raw(limited.port) as raw:
        stream = raw.call(b"\0\6\x40\0\0" + bytes(16000), end=False)  # promises 100 MiB
        assert raw.fields(stream)["grpc-status"] == "8"
        assert raw.fields(raw.call(framed(bytes(12))))["grpc-status"] == "2"
    assert memory_mib(limited.server.pid) < before + 20


def test_many_streams_with_a_little_each_are_bounded(limited: Limited) -> None:
    before = memory_mib(limited.server.pid)
    with ExitStack() as stack:
        for _ in range(40):
            conn = stack.enter_context(greeted(limited.port))
            calls = [
                frames.headers(stream, HEADERS, False) + frames.frame(frames.DATA, 0, stream, b"\0" * (stream % 2))
                for stream in range(1, 501, 2)
            ]
            conn.sendall(b"".join(calls))
        limited.is_served(limited.port)
        assert memory_mib(limited.server.pid) < before + 60


def test_ten_thousand_streams_of_one_client_end_its_connection_or_are_refused(limited: Limited) -> None:
    with greeted(limited.port) as conn:
        conn.settimeout(5)
        try:
            for stream in range(1, 20_001, 2):
                conn.sendall(frames.headers(stream, HEADERS, False))
        except OSError:
            pass
        limited.is_served(limited.port)


def test_rapid_resets_end_their_connection(limited: Limited) -> None:
    """CVE-2023-44487."""
    with greeted(limited.port) as conn:
        conn.settimeout(5)
        with pytest.raises(OSError):
            for stream in range(1, 100_001, 2):
                conn.sendall(frames.headers(stream, HEADERS, False) + frames.rst_stream(stream, frames.Code.CANCEL))
    limited.is_served(limited.port)


def test_answers_that_nobody_takes_are_bounded(limited: Limited) -> None:
    before = memory_mib(limited.server.pid)
    whole = framed(bytes.fromhex("1234010000010000000000000377777704746573740000010001"))
    with ExitStack() as stack:
        for _ in range(20):
            conn = socket.create_connection(("127.0.0.1", limited.port), 5)
            stack.enter_context(conn)
            conn.sendall(frames.PREFACE + frames.settings({frames.Setting.INITIAL_WINDOW_SIZE: 0}))
            for stream in range(1, 1001, 2):
                conn.sendall(frames.headers(stream, HEADERS, False) + frames.frame(frames.DATA, 1, stream, whole))
        limited.is_served(limited.port)
        assert memory_mib(limited.server.pid) < before + 60


@pytest.mark.long
@pytest.mark.timeout(300)
def test_five_thousand_idle_connections(limited: Limited) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < IDLE + 500:
        pytest.skip(f"needs {IDLE + 500} descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, IDLE + 500), hard))
    before = memory_mib(limited.server.pid)
    try:
        with ExitStack() as stack:
            for port in (limited.port, limited.open):
                for _ in range(IDLE // 2):
                    stack.enter_context(greeted(port))
            for port in (limited.port, limited.open):
                began = time.monotonic()
                until(partial(_answered, port), patience_s=60)
                assert time.monotonic() - began < 60
            assert memory_mib(limited.server.pid) < before + 150
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _answered(port: int) -> bool:
    try:
        with Client(port) as client:
            return bool(client.ask().rcode() == 0)
    except grpc.RpcError:
        return False


@pytest.mark.long
def test_idle_connections_over_tls_make_room(limited: Limited) -> None:
    context = ssl.create_default_context(cadata=limited.ca.decode())
    context.set_alpn_protocols(["h2"])
    with ExitStack() as stack:
        for _ in range(200):
            stack.enter_context(Raw(limited.secure, context))
        time.sleep(1.2)
        began = time.monotonic()
        with Client(limited.secure, limited.ca, ("grpc.ssl_target_name_override", "dns.test")) as client:
            assert client.ask().rcode() == 0
        assert time.monotonic() - began < 5


def test_a_header_section_that_is_too_long_is_answered_and_ends_the_connection(limited: Limited) -> None:
    with greeted(limited.port) as conn:
        block = encode([(name.encode(), value.encode()) for name, value in [*REQUEST, ("x", "y" * 200_000)]])
        conn.sendall(frames.headers(1, block, True))
        conn.settimeout(5)
        try:
            while conn.recv(4096):
                continue
        except ConnectionResetError:
            pass
    limited.is_served(limited.port)
