"""Clients of DNS over TLS that want too much: others are served, and memory stays under its bound (ARCHITECTURE.md)."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field

import dns.rcode
import pytest

from tests.bench.process import memory_mib
from tests.certify import certify
from tests.system.test_bounded import BASE_MIB, connections

from .conftest import Make
from .dot import ask, connect, context, frame, reply
from .harness import COMPLETE, Server

pytestmark = [pytest.mark.system, pytest.mark.alone]

BLOCK = """tls://check.test:{port} check.test:{port} {{
    bind 127.0.0.1
    tls {folder}/cert.pem {folder}/key.pem
    {more}
    whoami
}}
"""
PATIENT = "timeouts {\n read 60s\n idle 60s\n }"
SESSION_KIB = 48  # of a connection whose handshake is over
HANDSHAKE_KIB = 80  # of one under way


def start(make: Make, more: str = "", workers: int = 2) -> Server:
    """Start a server of DNS over TLS."""
    server = make(workers=workers)
    certify(server.folder)
    server.configure(BLOCK.format(port=server.port, folder=server.folder, more=more).replace(" check.test:", " plain:"))
    return server.start()


def served_s(server: Server) -> float:
    """Return how long a new client waits for its answer."""
    began = time.monotonic()
    with connect(server.port) as sock:
        assert ask(sock, "www.check.test").rcode() == dns.rcode.NOERROR
    return time.monotonic() - began


def shake(sock: socket.socket, made: ssl.SSLContext) -> None:
    """Carry a handshake out and forget the session: 5,000 of them are too many for one test to keep."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    end = made.wrap_bio(there, back, server_hostname="dns.test")
    while True:
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            sock.sendall(back.read())
            there.write(sock.recv(65536))
        else:
            sock.sendall(back.read())
            return


@pytest.mark.long
@pytest.mark.timeout(300)
def test_new_clients_are_served_beside_5000_idle_connections(make: Make) -> None:
    server = start(make, PATIENT)
    pids = server.children()
    made = context()
    with connections(server.port, 0) as _, ExitStack() as stack:
        for _ in range(5000):
            sock = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=10))
            shake(sock, made)
        assert served_s(server) < 1
        assert memory_mib(server.pid) < BASE_MIB + 5000 * SESSION_KIB / 1024
        assert server.children() == pids
    assert served_s(server) < 1


def test_past_the_limit_the_oldest_connection_makes_room(make: Make) -> None:
    server = start(make, PATIENT, workers=1)
    with connections(server.port, 4600) as opened:  # none of them says a word
        assert served_s(server) < 2
        assert opened[0].recv(1) == b""
        files = sum(server.descriptors()["worker 0"].values())
        assert files < 1024 + 200  # handshakes have a lower bound than connections
        last = opened[-1]
        last.sendall(b"\x16\x03\x01\x02")  # still there
        last.settimeout(0.2)
        with pytest.raises(TimeoutError):
            last.recv(1)


def test_a_flood_of_handshakes_that_stall_leaves_queries_their_turn(make: Make) -> None:
    server = start(make, PATIENT)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context().wrap_bio(there, back).do_handshake()
    hello = back.read()
    with connect(server.port) as old, connections(server.port, 1500) as opened:
        ask(old, "www.check.test")
        for sock in opened:  # the server answers each with its certificate, and waits
            sock.sendall(hello)
        began = time.monotonic()
        ask(old, "www.check.test")
        assert time.monotonic() - began < 1
        assert served_s(server) < 3
        assert memory_mib(server.pid) < BASE_MIB + 1500 * HANDSHAKE_KIB / 1024


def test_clients_that_never_read_hold_bounded_memory(make: Make) -> None:
    server = start(make, PATIENT)
    data = frame("www.check.test") * 2000
    with ExitStack() as stack:
        for _ in range(200):
            sock = stack.enter_context(connect(server.port))
            sock.setblocking(False)
            try:
                sock.send(data)
            except (ssl.SSLWantWriteError, BlockingIOError):
                continue
        assert served_s(server) < 2
        assert memory_mib(server.pid) < BASE_MIB + 2 * 40 + 200 * SESSION_KIB / 1024


@dataclass
class Client:
    """A client that keeps a connection, and tries a query once more on a new one where that ends."""

    port: int
    asked: int = 0
    again: int = 0
    failed: list[str] = field(default_factory=list)
    sock: ssl.SSLSocket | None = None
    done: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Ask until told to stop."""
        made = context()
        while not self.done.wait(0.005):
            self.asked += 1
            try:
                self._ask(made)
            except (OSError, EOFError):
                self.again += 1
                self._close()
                try:
                    self._ask(made)
                except (OSError, EOFError) as error:
                    self.failed.append(repr(error))
                    self._close()
        self._close()

    def _ask(self, made: ssl.SSLContext) -> None:
        if self.sock is None:
            self.sock = connect(self.port, made, seconds=5)
        self.sock.sendall(frame("www.check.test", ident=self.asked & 0xFFFF))
        found = reply(self.sock)
        if found.id != self.asked & 0xFFFF or found.rcode() != dns.rcode.NOERROR:
            self.failed.append(found.to_text())

    def _close(self) -> None:
        if self.sock is not None:
            self.sock.close()
            self.sock = None


@pytest.mark.timeout(300)
@pytest.mark.parametrize("count", [pytest.param(3, marks=pytest.mark.brief), pytest.param(20, marks=pytest.mark.long)])
def test_reloads_cost_no_query_of_a_client_that_tries_once_more(make: Make, count: int) -> None:
    server = start(make)
    clients = [Client(server.port) for _ in range(8)]
    threads = [threading.Thread(target=client.run) for client in clients]
    for thread in threads:
        thread.start()
    try:
        for number in range(count):
            if number % 2:
                certify(server.folder)
            time.sleep(0.3)
            assert server.reload().returncode == 0
        time.sleep(0.3)
    finally:
        for client in clients:
            client.done.set()
        for thread in threads:
            thread.join()
    assert server.count(COMPLETE) >= count
    assert [client.failed for client in clients] == [[]] * len(clients)
    assert sum(client.asked for client in clients) > 100 * count
    assert all(client.again <= 2 * count + 2 for client in clients)
