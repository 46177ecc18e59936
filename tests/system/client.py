"""A client that asks at a steady rate and notes when each question left and which reply came when.

Run as a process of its own: `python -m tests.system.client PORT RATE SOCKETS NAME TYPE`. It asks from as many ports
in turn until standard input ends, waits `PATIENCE_S` for what is under way and pickles `[(sent, received, reply)]`
to standard output; times are CLOCK_MONOTONIC, the same in all processes; a lost query has received 0 and no reply.
"""

from __future__ import annotations

import os
import pickle
import select
import socket
import sys
import time

import dns.message

PATIENCE_S = 5.0
TURN_S = 0.002
BUFFER_BYTES = 4 << 20

Sample = tuple[float, float, bytes]


class Asker:
    """Sockets, and what was asked on each under which id."""

    def __init__(self, port: int, count: int, name: str, qtype: str) -> None:
        self.question = dns.message.make_query(name, qtype, id=0).to_wire()[2:]
        self.sockets = [socket.socket(type=socket.SOCK_DGRAM) for _ in range(count)]
        self.poll = select.epoll()
        self.by_fd = {}
        for sock in self.sockets:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
            sock.connect(("127.0.0.1", port))
            sock.setblocking(False)
            self.poll.register(sock.fileno(), select.EPOLLIN)
            self.by_fd[sock.fileno()] = sock
        self.asked = 0
        self.waiting: dict[tuple[int, int], float] = {}
        self.samples: list[Sample] = []
        self.known: dict[bytes, bytes] = {}

    def ask(self) -> None:
        """Send one query, each time from the next socket."""
        sock = self.sockets[self.asked % len(self.sockets)]
        ident = (self.asked // len(self.sockets)) & 0xFFFF
        self.asked += 1
        self.waiting[(sock.fileno(), ident)] = time.monotonic()
        try:
            sock.send(ident.to_bytes(2, "big") + self.question)
        except (ConnectionError, BlockingIOError):  # nobody listens there: lost, unless it is answered after all
            return

    def hear(self, seconds: float) -> None:
        """Take replies until so much time has passed without one."""
        for fd, _ in self.poll.poll(seconds):
            while True:
                try:
                    reply = self.by_fd[fd].recv(65535)
                except OSError:
                    break
                now = time.monotonic()
                sent = self.waiting.pop((fd, int.from_bytes(reply[:2], "big")), None)
                if sent is not None:
                    body = reply[2:]
                    self.samples.append((sent, now, self.known.setdefault(body, body)))

    def run(self, rate: float) -> list[Sample]:
        """Ask until standard input ends, then wait for the rest."""
        control = select.epoll()
        control.register(sys.stdin.fileno(), select.EPOLLIN | select.EPOLLHUP)
        begin = time.monotonic()
        while not control.poll(0):
            while self.asked < (time.monotonic() - begin) * rate:
                self.ask()
            self.hear(TURN_S)
        end = time.monotonic() + PATIENCE_S
        while self.waiting and time.monotonic() < end:
            self.hear(0.05)
        return self.samples + [(sent, 0.0, b"") for sent in self.waiting.values()]


if __name__ == "__main__":
    port, rate, sockets, name, qtype = sys.argv[1:]
    found = Asker(int(port), int(sockets), name, qtype).run(float(rate))
    with os.fdopen(os.dup(1), "wb") as out:
        pickle.dump(found, out)
