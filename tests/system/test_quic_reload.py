"""DNS over QUIC while the server changes: reloads, more workers and fewer."""

from __future__ import annotations

import socket
import threading
import time

import dns.message
import dns.rcode
import pytest

from tests.bench.run import free_port

from .conftest import Make

pytest.importorskip("aioquic")
from .quic import Client, Closed, Quic, question

pytestmark = [pytest.mark.system, pytest.mark.alone]


@pytest.fixture
def quic(make: Make) -> Quic:
    """Return a running server with two workers."""
    made = Quic(make())
    made.server.start()
    return made


class Asker(threading.Thread):
    """Asks all the time, and once more on a new connection where an answer does not come."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.port = port
        self.done = threading.Event()
        self.asked = self.retried = 0
        self.failed: list[str] = []

    def run(self) -> None:
        """Ask until told to stop."""
        client = Client(self.port)
        while not self.done.is_set():
            self.asked += 1
            try:
                client.ask(seconds=1)
            except (Closed, TimeoutError):
                self.retried += 1
                client.close()
                try:
                    client = Client(self.port)
                    client.ask(seconds=2)
                except (Closed, TimeoutError) as error:
                    self.failed.append(repr(error))
            time.sleep(0.002)
        client.close()


@pytest.mark.parametrize(
    "count",
    [pytest.param(5, marks=pytest.mark.brief), pytest.param(20, marks=[pytest.mark.long, pytest.mark.timeout(600)])],
)
def test_no_query_is_lost_over_reloads_by_clients_that_try_twice(quic: Quic, count: int) -> None:
    askers = [Asker(quic.port) for _ in range(4)]
    for asker in askers:
        asker.start()
    for n in range(2, count + 2):
        quic.server.configure(quic.text(n))
        assert quic.server.reload().returncode == 0
        time.sleep(0.1)
    for asker in askers:
        asker.done.set()
        asker.join()
    assert [asker.failed for asker in askers] == [[]] * 4
    assert all(asker.asked > 20 * count for asker in askers)
    assert sum(asker.retried for asker in askers) <= 4 * count
    assert "Traceback" not in quic.server.log


def test_what_was_asked_before_a_reload_is_answered_behind_it(make: Make) -> None:
    upstream = free_port()
    with socket.socket(type=socket.SOCK_DGRAM) as slow:
        slow.bind(("127.0.0.1", upstream))
        slow.settimeout(5)
        quic = Quic(make())
        text = quic.text().replace("    whoami\n", f"    forward . 127.0.0.1:{upstream}\n")
        quic.server.configure(text)
        quic.server.start()
        with Client(quic.port) as client:
            stream = client.begin(question("slow.example.org"))
            client.step(0.1)
            data, sender = slow.recvfrom(512)
            quic.server.configure(text + "\n# changed\n")
            reload = threading.Thread(target=quic.server.reload)
            reload.start()
            client.go_on(1)  # the new workers read; acknowledgements find their way
            answer = dns.message.make_response(dns.message.from_wire(data))
            slow.sendto(answer.to_wire(), sender)
            assert client.take(stream).rcode() == dns.rcode.NOERROR
            assert client.wait_closed(2) == 0
            reload.join()


def test_a_handshake_goes_on_over_a_reload(quic: Quic) -> None:
    with Client(quic.port, wait=False) as client:
        client.send()
        time.sleep(0.2)  # the old worker has the first datagram
        quic.server.configure(quic.text(2))
        reload = threading.Thread(target=quic.server.reload)
        reload.start()
        client.until(lambda: client.shaken)
        reload.join()
        try:
            assert client.ask().rcode() == dns.rcode.NOERROR
        except Closed:  # it came when all was over
            assert client.code == 0


def test_connections_go_on_while_there_are_more_workers_and_fewer(quic: Quic) -> None:
    askers = [Asker(quic.port) for _ in range(4)]
    for asker in askers:
        asker.start()
    for n, workers in enumerate((4, 2, 3, 2), 2):
        quic.server.configure(quic.text(n))
        assert quic.server.reload("-workers", str(workers)).returncode == 0
        time.sleep(0.3)
        with Client(quic.port) as client:
            client.move()
            assert client.ask().rcode() == dns.rcode.NOERROR
    for asker in askers:
        asker.done.set()
        asker.join()
    assert [asker.failed for asker in askers] == [[]] * 4
    assert sum(asker.retried for asker in askers) <= 4 * 4
    assert "Traceback" not in quic.server.log
