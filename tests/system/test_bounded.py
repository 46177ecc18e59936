"""Whatever clients do, the server's memory stays under its bound (ARCHITECTURE.md) and others are served."""

from __future__ import annotations

import os
import random
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import dns.message
import dns.query
import pytest

from tests.bench.process import memory_mib

from .conftest import Make
from .flood import Flood
from .harness import Server, until
from .load import ZONE

pytestmark = [pytest.mark.system, pytest.mark.alone]

ROOT = Path(__file__).parents[2]
BASE_MIB = 80  # of all processes together, two workers, before anything was asked
HOT_MIB = 16  # decoded nodes of a worker
MEMO_MIB = 80  # memorised answers of a worker, marks and a turn of the generations included
HELD_MIB = 40  # octets held for TCP connections of a worker, those being received included
CONNECTION_KIB = 8
WAITING_MIB = 64  # queries of a worker that wait for upstreams
WORKERS = 2
WILD = "*.w.check.test. 60 IN A 192.0.2.1\n"


def start(make: Make, extra: str = "") -> Server:
    """Start a server whose zone has a wildcard."""
    server = make()
    server.configure(server.tagged(1, extra=extra))
    with (server.folder / "db-1").open("a") as zone:
        zone.write(WILD)
    return server.start()


def peak_mib(server: Server, flood: Flood) -> float:
    """Return the most proportional memory of all processes while a flood lasts."""
    most = 0.0
    while flood.running():
        most = max(most, memory_mib(server.pid))
        time.sleep(0.2)
    return most


def healthy(server: Server, pids: dict[str, int]) -> None:
    """The same processes answer over both transports, and nothing went wrong."""
    assert server.ask() == server.ask(tcp=True) == {1}
    assert server.children() == pids
    assert "Traceback" not in server.log and "panic" not in server.log


def flooded(server: Server, seconds: float, zone: str, times: int, bound_mib: float) -> None:
    pids = server.children()
    assert memory_mib(server.pid) < BASE_MIB
    flood = Flood(server.port, seconds, zone, times=times)
    try:
        most = peak_mib(server, flood)
        sent, answered = flood.outcome()
    finally:
        flood.close()
    assert answered > 0.99 * sent > 1000
    assert most < bound_mib
    healthy(server, pids)


SHORT, FULL = 4, pytest.param(60, marks=[pytest.mark.soak, pytest.mark.timeout(200)])


@pytest.mark.parametrize("seconds", [SHORT, FULL])
@pytest.mark.parametrize("zone", ["w.check.test", "check.test"])
def test_names_that_never_repeat_take_no_memory(make: Make, seconds: float, zone: str) -> None:
    flooded(start(make), seconds, zone, 1, BASE_MIB + WORKERS * HOT_MIB)


@pytest.mark.parametrize("seconds", [SHORT, FULL])
def test_names_that_repeat_once_fill_the_memo_to_its_bound(make: Make, seconds: float) -> None:
    flooded(start(make), seconds, "w.check.test", 3, BASE_MIB + WORKERS * (HOT_MIB + MEMO_MIB))


def caching(port: int, upstream: int) -> str:
    return (
        f".:{port} {{\n    bind 127.0.0.1\n    cache {{\n        success 2000000\n    }}\n"
        f"    forward . 127.0.0.1:{upstream}\n}}"
    )


@pytest.mark.soak
@pytest.mark.timeout(400)
def test_a_million_names_in_the_cache(make: Make) -> None:
    upstream = start(make)
    server = make()
    server.configure(server.tagged(1, extra=caching(server.port, upstream.port)).replace("check.test:", "other.test:"))
    server.start()
    flood = Flood(server.port, 300, "w.check.test", most=1_000_000)
    try:
        most = peak_mib(server, flood)
        sent, answered = flood.outcome()
    finally:
        flood.close()
    assert answered > 0.99 * sent
    assert sent == 1_000_000
    size = sum(path.stat().st_blocks * 512 for path in server.runtime.rglob("cache.mdb")) / (1 << 20)
    assert 100 < size < 400  # some 200 octets each
    assert most < BASE_MIB + WORKERS * (HOT_MIB + MEMO_MIB + WAITING_MIB) + size


def test_an_upstream_that_says_nothing_costs_bounded_memory(make: Make) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as mute:
        mute.bind(("127.0.0.1", 0))
        extra = f"mute.test:{{port}} {{{{\n    forward . 127.0.0.1:{mute.getsockname()[1]}\n}}}}"
        server = make()
        server.configure(server.tagged(1, extra=extra.format(port=server.port)).replace("bind 127.0.0.1", ""))
        server.start()
        pids = server.children()
        query = dns.message.make_query("xxxxxxxx.mute.test", "A").to_wire()
        sockets = [socket.socket(type=socket.SOCK_DGRAM) for _ in range(16)]
        end = time.monotonic() + 4
        sent = 0
        while time.monotonic() < end:
            for sock in sockets:
                message = random.randbytes(2) + query[2:13] + random.randbytes(4).hex().encode() + query[21:]
                sent += sock.sendto(message, ("127.0.0.1", server.port)) > 0
            time.sleep(0.0008)
        assert sent > 2000
        opened = sum(server.descriptors()["worker 0"].values())
        assert 16 < opened < 600  # sockets to the upstream
        assert memory_mib(server.pid) < BASE_MIB + WORKERS * WAITING_MIB
        for sock in sockets:
            sock.close()
        until(lambda: server.ask(tcp=True) == {1})  # thousands of time-outs come at once
        healthy(server, pids)


@contextmanager
def connections(port: int, count: int) -> Iterator[list[socket.socket]]:
    """Open many connections; closed at the end."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with ExitStack() as stack:
        yield [stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5)) for _ in range(count)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def served_s(server: Server) -> float:
    """Return how long a new client waits for its answer over TCP."""
    began = time.monotonic()
    assert server.ask(tcp=True) == {1}
    return time.monotonic() - began


def test_new_clients_are_served_beside_5000_idle_connections(server: Server) -> None:
    pids = server.children()
    with connections(server.port, 5000):
        assert served_s(server) < 1
        assert server.ask() == {1}
        assert memory_mib(server.pid) < BASE_MIB + 5000 * CONNECTION_KIB / 1024
        healthy(server, pids)


def test_past_the_limit_the_oldest_connection_makes_room(make: Make) -> None:
    server = make(workers=1).start()
    with connections(server.port, 4500) as opened:
        assert served_s(server) < 1
        first, last = opened[0], opened[-1]
        assert first.recv(1) == b""
        dns.query.send_tcp(last, dns.message.make_query(ZONE, "SOA"))
        assert dns.query.receive_tcp(last)[0].answer
        files = sum(server.descriptors()["worker 0"].values())
        assert files < 4096 + 200


def test_slow_senders_and_readers_hold_bounded_memory(server: Server) -> None:
    pids = server.children()
    query = dns.message.make_query(ZONE, "MX").to_wire()
    pipeline = (len(query).to_bytes(2, "big") + query) * 10_000
    with connections(server.port, 1600) as opened:
        for at, sock in enumerate(opened):
            sock.setblocking(False)
            try:  # most announce 64 KiB and never finish; others ask without end and never read
                sock.send(b"\xff\xff" + bytes(60_000) if at % 4 else pipeline)
            except OSError:
                continue
        assert served_s(server) < 1
        assert memory_mib(server.pid) < BASE_MIB + WORKERS * HELD_MIB + 1600 * CONNECTION_KIB / 1024
        healthy(server, pids)


@pytest.mark.parametrize("size", [0, 1, 11, 12, 13, 512, 513, 1232, 9000, 65_507])
def test_odd_datagrams_harm_nobody(server: Server, size: int) -> None:
    pids = server.children()
    query = dns.message.make_query(f"www.{ZONE}", "A").to_wire()
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", server.port))
        for wire in (
            (query + bytes(size))[:size],
            os.urandom(size),
            b"\xc0" * size,
            query[:12] + os.urandom(size)[12:],
        ):
            sock.send(wire)
    healthy(server, pids)


def test_giant_frames_of_garbage_harm_nobody(server: Server) -> None:
    pids = server.children()
    for filler in (os.urandom(65_535), b"\xc0" * 65_535, bytes(65_535)):
        with socket.create_connection(("127.0.0.1", server.port), timeout=2) as sock:
            for _ in range(20):
                sock.sendall(b"\xff\xff" + filler + b"\0\0")
    healthy(server, pids)


@pytest.mark.parametrize("seconds", [SHORT, FULL])
def test_mutated_packets_harm_nobody(server: Server, seconds: float) -> None:
    pids = server.children()
    line = [sys.executable, "-m", "tests.system.fuzz", str(server.port), str(seconds), str(time.time_ns())]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=seconds + 60, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 1000
    assert memory_mib(server.pid) < BASE_MIB + WORKERS * (HOT_MIB + MEMO_MIB)
    healthy(server, pids)
