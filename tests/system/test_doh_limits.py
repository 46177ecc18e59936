"""DoH clients that mean harm: other clients never notice, and little is kept for them."""

from __future__ import annotations

import select
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from shardns.worker.h2 import frames
from shardns.worker.h2.frames import Code, frame
from shardns.worker.h2.hpack import Field, encode
from tests.bench.process import memory_mib
from tests.bench.run import free_port
from tests.certify import certify

from .conftest import Make
from .doh import Client, Doh, connect, target, wire
from .harness import until

pytestmark = pytest.mark.system

GROWTH_MIB = 40
GREETING = frames.PREFACE + frames.settings({})
GET: list[Field] = [
    (b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"dns.test"), (b":path", target(wire()).encode()),
]  # fmt: skip
POST: list[Field] = [(b":method", b"POST"), (b":scheme", b"https"), (b":path", b"/dns-query")]


def start(make: Make, more: str = "", workers: int = 1) -> Doh:
    """Start a server of DoH, by default with one worker: all share it."""
    server = make(workers=workers)
    certify(server.folder)
    doh = Doh(server, free_port(), more)
    server.start()
    return doh


def request(stream: int, fields: list[Field] = GET, end: bool = True) -> bytes:
    """Return a request's HEADERS."""
    return frames.headers(stream, encode(fields), end)


class Bystander(threading.Thread):
    """A client that asks beside what happens, and notes how long its answers took."""

    def __init__(self, doh: Doh) -> None:
        super().__init__(daemon=True)
        self.doh = doh
        self.over = threading.Event()
        self.took: list[float] = []
        self.failed: list[str] = []

    def run(self) -> None:
        with Client(self.doh.port) as client:
            while not self.over.is_set():
                began = time.monotonic()
                try:
                    assert client.get().status == 200
                except (OSError, AssertionError) as error:
                    self.failed.append(repr(error))
                    return
                self.took.append(time.monotonic() - began)
                time.sleep(0.005)


@contextmanager
def unharmed(doh: Doh, slowest_s: float = 2.0, growth_mib: float = GROWTH_MIB) -> Iterator[None]:
    """Others are served all the while, and the server grows little."""
    doh.healthy()
    before = memory_mib(doh.server.pid)
    bystander = Bystander(doh)
    bystander.start()
    until(lambda: bystander.took or bystander.failed)
    try:
        yield
        growth = memory_mib(doh.server.pid) - before
    finally:
        bystander.over.set()
        bystander.join(20)
    assert bystander.failed == []
    assert bystander.took and max(bystander.took) < slowest_s
    assert growth < growth_mib
    doh.healthy()


def speak(doh: Doh, octets: bytes, tls: bool = False, seconds: float = 5.0) -> bytes:
    """Send octets, and return what comes until the server closes; a server that does not read any more is fine."""
    with connect(doh.port if tls else doh.clear, tls, seconds=seconds) as sock:
        sender = threading.Thread(target=_send, args=(sock, octets), daemon=True)
        sender.start()
        received = b""
        try:
            while data := sock.recv(65536):
                received += data
        except OSError:
            pass
        sender.join(seconds)
        return received


def _send(sock: socket.socket, octets: bytes) -> None:
    try:
        sock.sendall(octets)
    except OSError:  # closed before it was all read
        pass


def goaway(received: bytes) -> int | None:
    """Return the code of the last GOAWAY."""
    code, at = None, 0
    while at + 9 <= len(received):
        high, low, kind, _, _ = frames.unpack_head(received, at)
        if kind == frames.GOAWAY:
            code = struct.unpack_from("!L", received, at + 13)[0]
        at += 9 + (high << 8 | low)
    return code


# Bad frames and floods -----------------------------------------------------------------------------------------------

LARGE = b"\x40\x01x\x7f\xa1\x1e" + b"y" * 4000
FLOODS = {
    "no HTTP/2 behind the greeting": (frames.PREFACE + bytes(100_000), Code.PROTOCOL_ERROR),
    "a frame of 16 MiB": (GREETING + b"\xff\xff\xff\0\0\0\0\0\1" + bytes(1 << 20), Code.FRAME_SIZE_ERROR),
    "no header block": (GREETING + frame(frames.HEADERS, 5, 1, b"\x80"), Code.COMPRESSION_ERROR),
    "a header block cut off": (GREETING + frame(frames.HEADERS, 5, 1, b"\x00"), Code.COMPRESSION_ERROR),
    "DATA of nobody": (GREETING + frame(frames.DATA, 0, 1, b"x"), Code.PROTOCOL_ERROR),
    "even streams": (GREETING + request(2), Code.PROTOCOL_ERROR),
    "a window that runs over": (GREETING + frames.window_update(0, frames.MAX_WINDOW), Code.FLOW_CONTROL_ERROR),
    "pings": (GREETING + frame(frames.PING, 0, 0, bytes(8)) * 50_000, Code.ENHANCE_YOUR_CALM),
    "settings": (GREETING + frames.settings({frames.Setting.INITIAL_WINDOW_SIZE: 9}) * 50_000, Code.ENHANCE_YOUR_CALM),
    "settings in one frame": (
        GREETING + frame(frames.SETTINGS, 0, 0, b"\0\4\0\0\0\x09" * 2700) * 500, Code.ENHANCE_YOUR_CALM,
    ),
    "priorities": (GREETING + frame(frames.PRIORITY, 0, 1, bytes(5)) * 50_000, Code.ENHANCE_YOUR_CALM),
    "windows": (GREETING + frames.window_update(0, 1) * 50_000, Code.ENHANCE_YOUR_CALM),
    "empty DATA": (
        GREETING + request(1, POST, False) + frame(frames.DATA, 0, 1) * 50_000, Code.ENHANCE_YOUR_CALM,
    ),
    "continuations": (
        GREETING + frame(frames.HEADERS, 1, 1, encode(GET)) + frame(frames.CONTINUATION, 0, 1) * 50_000,
        Code.ENHANCE_YOUR_CALM,
    ),
    "long headers": (
        GREETING + frame(frames.HEADERS, 1, 1, encode(GET))
        + frame(frames.CONTINUATION, 0, 1, b"\x00\x01x\x7f\xff\x7e" + b"y" * 16377) * 100,
        Code.ENHANCE_YOUR_CALM,
    ),
    "a header bomb": (
        GREETING + frame(frames.HEADERS, 5, 1, encode(GET) + LARGE)
        + frame(frames.HEADERS, 5, 3, encode(GET) + b"\xbe" * 16000),
        Code.ENHANCE_YOUR_CALM,
    ),
    "more than the window": (
        GREETING + request(1, POST, False) + frame(frames.DATA, 0, 1, bytes(16384)) * 100, Code.NO_ERROR,
    ),
    "malformed requests": (
        GREETING + b"".join(request(2 * n + 1, GET[:2]) for n in range(20_000)), Code.ENHANCE_YOUR_CALM,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FLOODS)
def test_bad_frames_and_floods_end_their_connection_alone(make: Make, name: str) -> None:
    octets, code = FLOODS[name]
    doh = start(make, "timeouts {\n read 1s\n write 1s\n idle 1s\n }")
    with unharmed(doh):
        for _ in range(5):
            assert goaway(speak(doh, octets)) == code


def test_rapid_reset_ends_its_connection(make: Make) -> None:
    # CVE-2023-44487, with answers that take their time: each would be work for nobody
    doh = start(make, "erratic {\n delay 2 200ms\n drop 0\n truncate 0\n }")
    octets = GREETING + b"".join(request(2 * n + 1) + frames.rst_stream(2 * n + 1, Code.CANCEL) for n in range(20_000))
    with unharmed(doh):
        for tls in (True, False):
            received = speak(doh, octets, tls)
            assert goaway(received) == Code.ENHANCE_YOUR_CALM


def test_noise_is_survived(make: Make) -> None:
    import random

    doh = start(make)
    dice = random.Random(1)
    with unharmed(doh):
        for n in range(60):
            octets = GREETING if n % 2 else b""
            for _ in range(20):
                kind, flags, stream = dice.randrange(12), dice.randrange(256), dice.randrange(10)
                octets += frame(kind, flags, stream, dice.randbytes(dice.randrange(60)))
            with connect(doh.clear, tls=False) as sock:
                _send(sock, octets)


def test_five_thousand_streams_are_refused_at_the_limit(make: Make) -> None:
    doh = start(make, "erratic {\n delay 2 1s\n drop 0\n truncate 0\n }\ntimeouts {\n read 5s\n }")
    octets = GREETING + b"".join(request(2 * n + 1, POST, False) for n in range(900))
    with unharmed(doh), connect(doh.clear, tls=False) as sock:
        sock.sendall(octets)
        time.sleep(0.5)
        received = sock.recv(1 << 20)
        refused = received.count(frames.rst_stream(0, Code.REFUSED_STREAM)[:5]) if received else 0
        assert refused >= 600
    with unharmed(doh):
        octets = GREETING + b"".join(request(2 * n + 1, POST, False) for n in range(5000))
        assert goaway(speak(doh, octets)) == Code.ENHANCE_YOUR_CALM


# Sizes ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "status"), [(90_000, 400), (1_000_000, 431), (10_000_000, 431)])
def test_long_gets_are_refused_before_they_are_decoded(make: Make, size: int, status: int) -> None:
    doh = start(make)  # CVE-2026-32936
    path = "/dns-query?dns=" + "A" * size
    second = GREETING + frames.headers(1, encode([*GET[:3], (b":path", path.encode())]), True)
    first = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
    with unharmed(doh, growth_mib=20):
        for _ in range(20):
            assert speak(doh, first).startswith(b"HTTP/1.1 %d" % status)
            received = speak(doh, second + frame(frames.PING, 0, 0, b"goodbye!") + frame(99, 0, 0) * 3000)
            assert encode([(b":status", b"%d" % status)]) in received


def test_a_body_of_100_mib_is_refused_when_it_is_too_long(make: Make) -> None:
    doh = start(make)
    part = b"10000\r\n" + bytes(65536) + b"\r\n"
    with unharmed(doh, growth_mib=20):
        head = b"POST /dns-query HTTP/1.1\r\nHost: x\r\n"
        announced = head + b"Content-Length: 104857600\r\n\r\n"
        assert speak(doh, announced).startswith(b"HTTP/1.1 400")
        assert speak(doh, announced + bytes(100 << 20)).startswith(b"HTTP/1.1 400")
        assert speak(doh, head + b"Transfer-Encoding: chunked\r\n\r\n" + part * 1600).startswith(b"HTTP/1.1 400")
        octets = GREETING + request(1, POST, False) + frame(frames.DATA, 0, 1, bytes(16384)) * 6400
        assert encode([(b":status", b"400")]) in speak(doh, octets)


def test_answers_that_are_not_read_do_not_pile_up(make: Make) -> None:
    doh = start(make, "timeouts {\n write 1s\n }")
    settings = frames.settings({frames.Setting.INITIAL_WINDOW_SIZE: frames.MAX_WINDOW})
    octets = frames.PREFACE + settings + frames.window_update(0, frames.MAX_WINDOW - frames.WINDOW)
    octets += b"".join(request(2 * n + 1) for n in range(100_000))
    with unharmed(doh, growth_mib=60), ExitStack() as stack:
        socks = [stack.enter_context(connect(doh.clear, tls=False)) for _ in range(10)]
        for sock in socks:
            sender = threading.Thread(target=_send, args=(sock, octets), daemon=True)
            sender.start()
            stack.callback(sender.join, 10)
        until(lambda: all(_is_cut(sock) for sock in socks), 30)


def _is_cut(sock: socket.socket) -> bool:
    poll = select.poll()
    poll.register(sock, 0)
    return bool(poll.poll(0))  # an error or the end of both sides, without a look at what there is to read


# Many ----------------------------------------------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("tls", [True, False])
def test_five_thousand_idle_connections_lock_nobody_out(make: Make, tls: bool) -> None:
    doh = start(make, workers=2)
    before = memory_mib(doh.server.pid)
    with ExitStack() as stack:
        socks = []
        for _ in range(5000):
            sock = socket.socket()
            stack.callback(sock.close)
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", doh.port if tls else doh.clear))
            socks.append(sock)
        time.sleep(1)
        began = time.monotonic()
        with Client(doh.port if tls else doh.clear, tls, seconds=60) as client:
            assert client.take(client.begin("GET", target(wire())), 60).status == 200
        assert time.monotonic() - began < 40  # behind all of them in the backlog
        assert memory_mib(doh.server.pid) - before < 2 * GROWTH_MIB
    doh.healthy()


@pytest.mark.long
@pytest.mark.timeout(300)
def test_many_slow_clients_lock_nobody_out(make: Make) -> None:
    doh = start(make, workers=2)  # slowloris
    with ExitStack() as stack:
        socks = [stack.enter_context(socket.create_connection(("127.0.0.1", doh.clear), timeout=5)) for _ in range(400)]
        over = threading.Event()

        def drip() -> None:
            while not over.wait(0.3):
                for sock in socks:
                    try:
                        sock.send(b"G")
                    except OSError:
                        continue

        dripping = threading.Thread(target=drip, daemon=True)
        dripping.start()
        stack.callback(dripping.join, 10)
        stack.callback(over.set)
        for _ in range(5):
            began = time.monotonic()
            with Client(doh.clear, tls=False, seconds=20) as client:
                assert client.get().status == 200
            assert time.monotonic() - began < 15
            time.sleep(1)
    doh.healthy()
