"""Reloads and clients of TCP: a connection ends whole, behind the answers to what had come before."""

from __future__ import annotations

import socket
import threading
import time
from dataclasses import dataclass, field

import dns.message
import pytest

from .conftest import Make
from .harness import Server
from .load import ZONE, has_dnsperf, tags

pytestmark = [pytest.mark.system, pytest.mark.alone]

AHEAD = 40  # queries a client sends before it reads


@dataclass
class Pipeliner:
    """A client that always has many queries under way on one connection, and connects anew when that ends."""

    port: int
    rate: float = 2000.0
    ended: list[int] = field(default_factory=list)  # answers of each connection that the server ended
    broken: list[str] = field(default_factory=list)
    replies: set[bytes] = field(default_factory=set)
    done: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Ask until told to stop."""
        while not self.done.is_set():
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as sock:
                try:
                    self._converse(sock)
                except OSError as error:
                    self.broken.append(repr(error))

    def _converse(self, sock: socket.socket) -> None:
        question = dns.message.make_query(ZONE, "MX").to_wire()[2:]
        sent = answered = 0
        buffer = b""
        while not self.done.is_set():
            batch = range(sent, answered + AHEAD)
            frames = (n.to_bytes(2, "big") + question for n in batch)
            try:
                sock.sendall(b"".join(len(frame).to_bytes(2, "big") + frame for frame in frames))
            except BrokenPipeError:  # it has ended; what was answered is still to be read
                pass
            sent = batch.stop
            data = sock.recv(65536)
            buffer += data
            while len(buffer) >= 2 and len(buffer) - 2 >= (size := int.from_bytes(buffer[:2], "big")):
                reply, buffer = buffer[2 : 2 + size], buffer[2 + size :]
                if int.from_bytes(reply[:2], "big") != answered & 0xFFFF:
                    self.broken.append(f"answer {int.from_bytes(reply[:2], 'big')} for {answered}")
                answered += 1
                self.replies.add(reply[2:])
            if not data:
                self.ended.append(answered)
                if buffer:
                    self.broken.append("the last answer is not whole")
                return
            time.sleep(AHEAD / self.rate)


@pytest.mark.parametrize("count", [pytest.param(5, marks=pytest.mark.brief), pytest.param(30, marks=pytest.mark.long)])
def test_pipelined_connections_end_behind_whole_answers(server: Server, count: int) -> None:
    clients = [Pipeliner(server.port) for _ in range(4)]
    threads = [threading.Thread(target=client.run) for client in clients]
    for thread in threads:
        thread.start()
    for n in range(2, count + 2):
        server.configure(server.tagged(n))
        time.sleep(0.2)
        assert server.reload().returncode == 0
    time.sleep(0.2)
    for client in clients:
        client.done.set()
    for thread in threads:
        thread.join()
    assert [client.broken for client in clients] == [[]] * 4
    # Who connects anew while the old worker of another slot still accepts is served there and connects once more.
    assert all(count <= len(client.ended) <= 2 * count and 0 not in client.ended for client in clients)
    found = [tags(dns.message.from_wire(bytes(2) + reply)) for client in clients for reply in client.replies]
    assert all(len(one) == 1 for one in found) and set.union(*found) == set(range(1, count + 2))


def test_an_idle_connection_ends_at_once(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as sock:
        server.configure(server.tagged(2))
        assert server.reload().returncode == 0
        assert sock.recv(1) == b""


@pytest.mark.skipif(not has_dnsperf(), reason="dnsperf is not installed")
def test_a_connection_that_comes_during_a_reload_is_answered(make: Make) -> None:
    server = make().start()
    lost = 0
    end = time.monotonic() + 4
    changes = threading.Thread(target=lambda: [server.reload() for _ in range(4)])
    changes.start()
    while time.monotonic() < end:
        lost += not server.ask(tcp=True)
    changes.join()
    assert not lost
