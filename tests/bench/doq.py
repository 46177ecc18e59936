"""Asks over DNS over QUIC as fast as answers come, and prints what dnsperf would; dnsperf does not speak it everywhere.

    python -m tests.bench.doq PORT QUESTIONS SECONDS CLIENTS OUTSTANDING

The client is qh3, whose QUIC is compiled: it costs less than the server that is measured.
"""

from __future__ import annotations

import socket
import ssl
import sys
import time
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector

from qh3.quic.configuration import QuicConfiguration
from qh3.quic.connection import QuicConnection
from qh3.quic.events import HandshakeCompleted, StreamDataReceived

from .run import question

SOON_S = 0.05
TURN = 64  # datagrams


def framed(line: str) -> bytes:
    """Return a question of a dnsperf file as DoQ has it: ID 0, behind its length (RFC 9250 §4.2)."""
    wire = b"\0\0" + question(line.split()[0])[2:]
    return len(wire).to_bytes(2, "big") + wire


class Connection:
    """One client, which keeps a number of queries outstanding."""

    def __init__(self, port: int, queries: list[bytes], outstanding: int) -> None:
        configuration = QuicConfiguration(is_client=True, alpn_protocols=["doq"], verify_mode=ssl.CERT_NONE)
        self.quic = QuicConnection(configuration=configuration)
        self.address = ("127.0.0.1", port)
        self.sock = socket.socket(type=socket.SOCK_DGRAM)
        self.sock.setblocking(False)
        self.sock.connect(self.address)
        self.queries = queries
        self.outstanding = outstanding
        self.asked = self.done = 0
        self.ready = False
        self.quic.connect(self.address, now=time.monotonic())
        self.send()

    def send(self) -> None:
        """Send what there is to send; what the socket does not take is lost and sent again."""
        for data, _ in self.quic.datagrams_to_send(time.monotonic()):
            try:
                self.sock.send(data)
            except OSError:
                continue

    def receive(self) -> None:
        """Take what has come, and ask again."""
        try:
            for _ in range(TURN):
                self.quic.receive_datagram(self.sock.recv(2048), self.address, time.monotonic())
        except OSError:
            pass
        self._go_on()

    def tick(self, now: float) -> None:
        """Let time pass."""
        timer = self.quic.get_timer()
        if timer is not None and timer <= now:
            self.quic.handle_timer(now)
            self._go_on()

    def _go_on(self) -> None:
        while (event := self.quic.next_event()) is not None:
            if isinstance(event, StreamDataReceived):
                self.done += event.end_stream
            elif isinstance(event, HandshakeCompleted):
                self.ready = True
        while self.ready and self.asked - self.done < self.outstanding:
            try:
                self.quic.send_stream_data(4 * self.asked, self.queries[self.asked % len(self.queries)], True)
            except ValueError:  # the server has not allowed so many streams yet
                break
            self.asked += 1
        self.send()


def main() -> int:
    """Read the arguments, ask, print."""
    port, path, seconds, clients, outstanding = (int(word) if word.isdigit() else word for word in sys.argv[1:])
    assert isinstance(port, int) and isinstance(clients, int) and isinstance(outstanding, int)
    queries = [framed(line) for line in Path(str(path)).read_text().splitlines()]
    connections = [Connection(port, queries[n::clients], max(1, outstanding // clients)) for n in range(clients)]
    selector = DefaultSelector()
    for connection in connections:
        selector.register(connection.sock, EVENT_READ, connection)
    began = now = time.monotonic()
    while now < began + float(seconds):
        for key, _ in selector.select(SOON_S):
            key.data.receive()
        now = time.monotonic()
        for connection in connections:
            connection.tick(now)
    done = sum(connection.done for connection in connections)
    for connection in connections:
        connection.quic.close()
        connection.send()
    print(f"Queries completed: {done}\nQueries per second: {done / (now - began):.1f}\nQueries lost: 0")
    return 0


if __name__ == "__main__":
    sys.exit(main())
