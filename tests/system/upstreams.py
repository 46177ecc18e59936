"""Upstream resolvers on loopback with troubles of their own, all in one process: `python -m tests.system.upstreams`.

It prints the ports of a good one, one that takes two seconds, one that never answers, and one that comes and goes
every `FLAP_S`; a line `report` on standard input has it print, as JSON, what each has seen: [source port, ID, name].
"""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
KINDS = ("good", "slow", "mute", "flapping")
SLOW_S = 2.0
FLAP_S = 1.0
BUFFER_BYTES = 4 << 20


def answer(wire: bytes) -> bytes:
    """Answer any question with one address."""
    end = wire.index(b"\0", 12) + 5
    head = wire[:2] + b"\x81\x80\0\1\0\1\0\0\0\0"
    return head + wire[12:end] + b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x7f\0\0\1"


class Upstreams:
    """The sockets, what is to be sent later, and what was seen."""

    def __init__(self) -> None:
        self.sockets = {kind: socket.socket(type=socket.SOCK_DGRAM) for kind in KINDS}
        self.poll = select.epoll()
        self.by_fd = {}
        for kind, sock in self.sockets.items():
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
            sock.bind(("127.0.0.1", 0))
            sock.setblocking(False)
            self.poll.register(sock.fileno(), select.EPOLLIN)
            self.by_fd[sock.fileno()] = kind
        self.late: list[tuple[float, bytes, Any]] = []
        self.seen: dict[str, list[tuple[int, int, str]]] = {kind: [] for kind in KINDS}

    def run(self) -> None:
        """Serve until standard input ends."""
        self.poll.register(0, select.EPOLLIN | select.EPOLLHUP)
        while True:
            for fd, _ in self.poll.poll(0.02):
                if fd:
                    self.serve(self.by_fd[fd])
                elif sys.stdin.readline().strip() != "report":
                    return
                else:
                    print(json.dumps(self.seen), flush=True)
            while self.late and self.late[0][0] <= time.monotonic():
                _, message, to = self.late.pop(0)
                self.sockets["slow"].sendto(message, to)

    def serve(self, kind: str) -> None:
        """Take what has come to one of them."""
        sock = self.sockets[kind]
        while True:
            try:
                wire, sender = sock.recvfrom(4096)
            except BlockingIOError:
                return
            name = wire[12 : wire.index(b"\0", 12)].hex()
            self.seen[kind].append((sender[1], int.from_bytes(wire[:2], "big"), name))
            if kind == "slow":
                self.late.append((time.monotonic() + SLOW_S, answer(wire), sender))
            elif kind == "good" or (kind == "flapping" and int(time.monotonic() / FLAP_S) % 2):
                sock.sendto(answer(wire), sender)


class Running:
    """The process as a test sees it; `ports` by kind."""

    def __init__(self, popen: subprocess.Popen[str]) -> None:
        self.popen = popen
        assert popen.stdout is not None and popen.stdin is not None
        self.out, self.into = popen.stdout, popen.stdin
        self.ports: dict[str, int] = json.loads(self.out.readline())

    def seen(self) -> dict[str, list[tuple[int, int, str]]]:
        """Return what each upstream has seen so far: source port, ID and name in hex of each query."""
        self.into.write("report\n")
        self.into.flush()
        found: dict[str, list[tuple[int, int, str]]] = json.loads(self.out.readline())
        return found


@contextmanager
def upstreams() -> Iterator[Running]:
    """Run them for as long as the context lasts."""
    line = [sys.executable, "-m", "tests.system.upstreams"]
    popen = subprocess.Popen(line, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield Running(popen)
    finally:
        popen.kill()
        popen.wait()
        assert popen.stdin is not None and popen.stdout is not None
        popen.stdin.close()
        popen.stdout.close()


if __name__ == "__main__":
    mine = Upstreams()
    os.set_blocking(0, True)
    print(json.dumps({kind: sock.getsockname()[1] for kind, sock in mine.sockets.items()}), flush=True)
    mine.run()
