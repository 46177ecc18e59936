"""What clients of QUIC do to us, and that others do not notice: floods, silence, greed, and packets out of nowhere."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import dns.rcode
import pytest

from tests.bench.process import memory_mib

from .conftest import Make
from .harness import until

pytest.importorskip("aioquic")
from aioquic._buffer import Buffer
from aioquic.buffer import encode_uint_var
from aioquic.h3.connection import FrameType, encode_frame
from aioquic.quic.packet import QuicPacketType, pull_quic_header

from .quic import Client, Closed, Quic, question

pytestmark = pytest.mark.system
EXCESSIVE_LOAD = 0x107
STREAM_LIMIT_ERROR = 4
PROTOCOL_ERROR = 2
GROWTH_MIB = 60


@pytest.fixture
def quic(make: Make) -> Iterator[Quic]:
    """Return a running server whose processes are the same afterwards."""
    made = Quic(make())
    made.server.start()
    pids = made.server.children()
    yield made
    with Client(made.port) as client:
        began = time.monotonic()
        assert client.ask().rcode() == dns.rcode.NOERROR
        assert time.monotonic() - began < 1
    assert made.server.children() == pids
    assert "Traceback" not in made.server.log and "panic" not in made.server.log


# Streams ------------------------------------------------------------------------------------------------------------


def test_ten_thousand_silent_streams_of_one_client(quic: Quic) -> None:
    before = memory_mib(quic.server.pid)
    with Client(quic.port) as client:
        client.quic._remote_max_streams_bidi = 10_000
        for n in range(10_000):
            client.write(b"\0" if n % 2 else b"")
        assert client.wait_closed() == STREAM_LIMIT_ERROR
    with Client(quic.port) as client:
        for _ in range(256):
            client.write(b"\0")
        assert client.wait_closed() == PROTOCOL_ERROR  # after the read time-out
    assert memory_mib(quic.server.pid) - before < GROWTH_MIB


def test_two_hundred_clients_with_silent_streams(quic: Quic) -> None:
    before = memory_mib(quic.server.pid)
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(quic.port)) for _ in range(150)]
        for client in clients:
            for n in range(60):
                client.write(b"\0" if n % 2 else b"")
            client.step(0)
        began = time.monotonic()
        with Client(quic.port) as other:
            assert other.ask().rcode() == dns.rcode.NOERROR
        assert time.monotonic() - began < 1
        assert memory_mib(quic.server.pid) - before < 2 * GROWTH_MIB
        assert {client.wait_closed(8) for client in clients} == {PROTOCOL_ERROR}


def test_streams_opened_and_reset_all_the_time(quic: Quic) -> None:
    before = memory_mib(quic.server.pid)
    with Client(quic.port) as client:
        for _ in range(3000):
            stream = client.begin(question(), end=False)
            client.send()
            client.quic.reset_stream(stream, 3)
            client.quic.stop_stream(stream, 3)
            client.step(0)
        client.go_on(0.5)
    assert memory_mib(quic.server.pid) - before < GROWTH_MIB


# Connections --------------------------------------------------------------------------------------------------------


def test_connections_beyond_the_limit_are_told_so(make: Make) -> None:
    quic = Quic(make(), "    https3 {\n        max_connections 1\n    }")
    quic.server.start()
    with Client(quic.h3, "h3") as first:
        with Client(quic.h3, "h3") as second:
            assert second.wait_closed() in (EXCESSIVE_LOAD, 0x0C)
            assert second.reason in ("too many connections", "")
        assert not first.gone
        time.sleep(1.2)
        with Client(quic.h3, "h3") as third:  # who asks nothing gives its place away
            third.go_on(0.3)
            first.go_on(0.3)
            assert first.gone or third.gone  # the place is known to the worker that has it


def test_a_place_is_free_again_when_its_client_has_gone(make: Make) -> None:
    quic = Quic(make(), "    https3 {\n        max_connections 2\n    }")
    quic.server.start()
    for _ in range(10):
        with Client(quic.h3, "h3") as client:
            client.go_on(0.05)
            assert not client.gone


@pytest.mark.parametrize(
    "count", [300, pytest.param(5000, marks=[pytest.mark.soak, pytest.mark.timeout(1200)], id="5000")]
)
def test_connections_that_ask_nothing_leave_room_for_those_who_ask(quic: Quic, count: int) -> None:
    before = memory_mib(quic.server.pid)
    told = 0
    for _ in range(count):
        try:
            Client(quic.port, seconds=10).sock.close()  # it says no good-bye
        except Closed:
            told += 1
    until(lambda: answered(quic.port))
    assert told < count / 2  # who asks nothing gives its place away
    assert memory_mib(quic.server.pid) - before < GROWTH_MIB


def answered(port: int) -> bool:
    """Tell whether a newcomer gets a place and an answer."""
    try:
        with Client(port) as client:
            return client.ask().rcode() == dns.rcode.NOERROR
    except Closed:
        return False


def test_two_thousand_handshakes_that_never_end(quic: Quic) -> None:
    before = memory_mib(quic.server.pid)
    hellos = []
    for _ in range(2000):
        client = Client(quic.port, wait=False)
        hellos += [data for data, _ in client.quic.datagrams_to_send(time.monotonic())]
        client.sock.close()
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        for hello in hellos:
            sock.sendto(hello, ("127.0.0.1", quic.port))
        began = time.monotonic()
        with Client(quic.port, seconds=10) as other:  # it proves its address by a token
            assert other.quic._retry_count == 1
            assert other.ask().rcode() == dns.rcode.NOERROR
        assert time.monotonic() - began < 5
        assert memory_mib(quic.server.pid) - before < 2 * GROWTH_MIB


def test_a_client_that_does_not_answer_gets_three_times_what_it_sent_at_most(quic: Quic) -> None:
    client = Client(quic.port, wait=False)
    sent = sum(len(data) for data, _ in client.quic.datagrams_to_send(time.monotonic()))
    client.close()
    client = Client(quic.port, wait=False)
    client.send()
    got = 0
    client.sock.settimeout(3)
    try:
        while True:
            got += len(client.sock.recv(2048))
    except TimeoutError:
        pass
    client.sock.close()
    assert 0 < got <= 3 * sent


# Packets out of nowhere ----------------------------------------------------------------------------------------------


def exchange(port: int, data: bytes) -> bytes:
    """Send a datagram; returns what comes back, nothing where nothing does."""
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.settimeout(0.5)
        sock.sendto(data, ("127.0.0.1", port))
        try:
            return sock.recv(2048)
        except TimeoutError:
            return b""


@pytest.mark.parametrize("size", [1, 5, 6, 7, 20, 21, 22, 23, 40, 100, 1200])
def test_short_packets_of_nobody_are_answered_by_less(quic: Quic, size: int) -> None:
    reply = exchange(quic.port, bytes((0x40,)) + os.urandom(size - 1))
    assert len(reply) < size
    assert bool(reply) == (size > 21)


def test_an_unknown_version_is_answered_by_those_we_speak(quic: Quic) -> None:
    initial = bytes((0xC0,)) + b"\x1a\x2a\x3a\x4a" + bytes((8,)) + bytes(8) + bytes((8,)) + bytes(8)
    header = pull_quic_header(Buffer(data=exchange(quic.port, initial.ljust(1200, b"\0"))), host_cid_length=8)
    assert header.packet_type == QuicPacketType.VERSION_NEGOTIATION
    assert 1 in header.supported_versions
    assert exchange(quic.port, initial) == b""  # too short to be worth it


@pytest.mark.parametrize("first", range(0, 256, 5))
def test_noise_is_survived(quic: Quic, first: int) -> None:
    for size in (0, 1, 6, 50, 1199, 1200, 1500):
        exchange_only = socket.socket(type=socket.SOCK_DGRAM)
        with exchange_only:
            exchange_only.sendto(bytes((first,)) + b"\0\0\0\1\x08" + os.urandom(size), ("127.0.0.1", quic.port))


def test_a_token_that_nobody_gave_is_refused(quic: Quic) -> None:
    with Client(quic.port, wait=False) as client:
        client.quic._peer_token = os.urandom(60)
        with pytest.raises(Closed):
            client.until(lambda: client.shaken)
        assert client.code == 0x0B


def test_a_client_learns_that_its_worker_is_gone(make: Make) -> None:
    quic = Quic(make(workers=1))
    quic.server.start()
    with Client(quic.port) as client:
        client.ask()
        client.go_on(0.1)
        known = {one.stateless_reset_token for one in (client.quic._peer_cid, *client.quic._peer_cid_available)}
        old = quic.server.children()["worker 0"]
        os.kill(old, 9)
        until(lambda: quic.server.children().get("worker 0", old) != old)

        def reset() -> bool:
            client.begin(question())
            client.send()
            client.sock.settimeout(0.2)
            try:
                return client.sock.recv(2048)[-16:] in known
            except TimeoutError:
                return False

        until(reset)


# HTTP ---------------------------------------------------------------------------------------------------------------


def fields(*pairs: tuple[bytes, bytes]) -> bytes:
    """Return a HEADERS frame with literal fields (RFC 9204 §4.5.6)."""
    out = bytearray(b"\0\0")
    for name, value in pairs:
        out += prefixed(0x20, 3, len(name)) + name + prefixed(0, 7, len(value)) + value
    return encode_frame(FrameType.HEADERS, bytes(out))


def prefixed(first: int, bits: int, number: int) -> bytes:
    """Return an integer behind a prefix (RFC 7541 §5.1)."""
    most = (1 << bits) - 1
    if number < most:
        return bytes((first | number,))
    out = bytearray((first | most,))
    number -= most
    while number >= 128:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def get(path: bytes, *more: tuple[bytes, bytes], method: bytes = b"GET") -> bytes:
    """Return a request's HEADERS frame."""
    usual = ((b":method", method), (b":scheme", b"https"), (b":authority", b"dns.test"), (b":path", path))
    return fields(*usual, *more)


def h3(client: Client) -> None:
    """Open the control stream with empty settings."""
    stream = client.quic.get_next_available_stream_id(is_unidirectional=True)
    client.quic.send_stream_data(stream, encode_uint_var(0) + encode_frame(FrameType.SETTINGS, b""))


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(get(b"/dns-query?dns=" + b"A" * 10_000_000), id="10 MB GET"),
        pytest.param(get(b"/dns-query?dns=" + b"A" * 20_000), id="20 kB GET"),
        pytest.param(get(b"/dns-query", (b"x-filler", b"y" * 20_000)), id="large field"),
        pytest.param(get(b"/dns-query", *((b"x", b"") for _ in range(1000))), id="many fields"),
    ],
)
def test_header_sections_over_sixteen_kilobytes_end_the_connection(quic: Quic, request_: bytes) -> None:
    before = memory_mib(quic.server.pid)
    with Client(quic.h3, "h3") as client:
        h3(client)
        client.write(request_, True)
        if len(request_) < 100_000:
            assert client.wait_closed() == EXCESSIVE_LOAD
        else:  # it never comes to an end: the stream has no more credit
            client.until(lambda: bool(client.resets) or client.gone, 6)
    assert memory_mib(quic.server.pid) - before < GROWTH_MIB


def test_a_body_that_is_too_long_is_answered_and_read_no_further(quic: Quic) -> None:
    with Client(quic.h3, "h3") as client:
        h3(client)
        stream = client.write(get(b"/dns-query", method=b"POST") + encode_frame(FrameType.DATA, bytes(70_000)), True)
        client.until(lambda: stream in client.ended)
        assert b"invalid request\n" in client.got[stream]
        wire = question().to_wire()
        stream = client.write(get(b"/dns-query", method=b"POST") + encode_frame(FrameType.DATA, wire), True)
        client.until(lambda: stream in client.ended)
        assert b"application/dns-message" in client.got[stream] or client.got[stream]


def test_a_request_that_does_not_come_loses_its_stream_alone(make: Make) -> None:
    quic = Quic(make(), "    timeouts {\n        read 1s\n    }")
    quic.server.start()
    with Client(quic.h3, "h3") as client:
        h3(client)
        silent = client.write(get(b"/dns-query", method=b"POST"))
        client.until(lambda: silent in client.resets)
        stream = client.write(get(b"/none"), True)
        client.until(lambda: stream in client.ended)
