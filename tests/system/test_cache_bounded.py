"""A full cache under a flood of names that never repeat: it grows no more, and what is asked for often stays in it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.bench.process import memory_mib

from .conftest import Make
from .flood import Flood
from .harness import Server
from .test_bounded import peak_mib
from .test_cache import cache, clients, version
from .upstream import Upstream

pytestmark = pytest.mark.system

CAPACITY = 1024  # the least that `cache` takes
HOT = [f"hot{n}.example.org." for n in range(150)]
EVERY_S = 2.0
PINNED_MIB = 4  # pages that a reader on a busy machine keeps from being used again
COREFILE = """.:{port} {{
    bind 127.0.0.1
    cache {{
        success {capacity}
    }}
    forward . 127.0.0.1:{upstream}
}}
"""


def stored_mib(server: Server) -> float:
    """Return what the store of cached answers takes."""
    return sum(path.stat().st_blocks * 512 for path in Path(server.runtime).rglob("cache.*")) / (1 << 20)


def entries(server: Server) -> int:
    return len(cache(server, "list").stdout.splitlines())


@contextmanager
def asking(sock: socket.socket) -> Iterator[None]:
    """Go on asking for the hot names now and then, as long as the block runs."""
    over = threading.Event()

    def ask() -> None:
        while not over.wait(EVERY_S):
            for name in HOT:
                version(sock, name)

    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask)
        try:
            yield
        finally:
            over.set()
        asked.result()


@pytest.mark.parametrize("seconds", [20, pytest.param(300, marks=[pytest.mark.soak, pytest.mark.timeout(600)])])
def test_a_flood_neither_grows_a_full_cache_nor_drives_out_what_is_asked_for(make: Make, seconds: float) -> None:
    with Upstream(ttl=3600) as upstream:
        server = make()
        server.configure(COREFILE.format(port=server.port, capacity=CAPACITY, upstream=upstream.port))
        server.start()
        with clients(server) as socks:
            for _ in range(4):
                assert {version(sock, name) for sock in socks[:2] for name in HOT} == {1}
            filling = Flood(server.port, 60, "first.example", most=10 * CAPACITY)
            filling.outcome()
            size, memory = stored_mib(server), memory_mib(server.pid)
            assert CAPACITY * 0.9 < entries(server) <= CAPACITY
            flood = Flood(server.port, seconds, "second.example")
            try:
                with asking(socks[0]):
                    most = peak_mib(server, flood)
                sent, answered = flood.outcome()
            finally:
                flood.close()
            assert answered > sent / 2 > 5 * CAPACITY  # the upstream, a thread of the test, may be slow
            print(f"store {size:.1f} → {stored_mib(server):.1f} MiB, memory {memory:.1f} → {most:.1f} MiB, {sent} sent")
            assert stored_mib(server) <= 1.1 * size + PINNED_MIB
            assert CAPACITY * 0.9 < entries(server) <= CAPACITY
            assert most < 1.1 * memory
            missed = {name: upstream.asked(name) for name in HOT}
            assert {version(sock, name) for sock in socks for name in HOT} == {1}
            kept = sum(upstream.asked(name) == missed[name] for name in HOT)
            assert kept > 0.95 * len(HOT)
