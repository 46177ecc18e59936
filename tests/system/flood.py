"""A client that asks for names that never repeat, as fast as its window allows.

Run as a process of its own: `python -m tests.system.flood PORT SECONDS MOST ZONE TIMES`: at most so many names below
the zone, each asked so many times in a row of `BATCH` names. Prints `sent answered`.
"""

from __future__ import annotations

import select
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOCKETS = 8
WINDOW = 48  # outstanding queries a socket
BATCH = 1000
LOST_S = 0.5  # without any answer, what is outstanding on a socket is given up
_HEADER = struct.Struct("!HHHHHH")


def queries(zone: str, most: int, times: int) -> Iterator[bytes]:
    """Yield messages without their ID."""
    tail = b"".join(bytes([len(label)]) + label.encode() for label in zone.split(".")) + b"\0\0\1\0\1"
    head = _HEADER.pack(0, 0x100, 1, 0, 0, 0)[2:]
    for start in range(0, most, BATCH):
        for _ in range(times):
            for number in range(start, min(most, start + BATCH)):
                label = f"f{number}".encode()
                yield head + bytes([len(label)]) + label + tail


def run(port: int, seconds: float, messages: Iterator[bytes]) -> tuple[int, int]:
    """Ask until the time is over or all is asked; returns how many were sent and answered."""
    sockets = [socket.socket(type=socket.SOCK_DGRAM) for _ in range(SOCKETS)]
    poll = select.epoll()
    for sock in sockets:
        sock.connect(("127.0.0.1", port))
        sock.setblocking(False)
        poll.register(sock.fileno(), select.EPOLLIN)
    free = {sock.fileno(): WINDOW for sock in sockets}
    heard = dict.fromkeys(free, time.monotonic())
    sent = answered = 0
    end = time.monotonic() + seconds
    more = True
    while more or any(room < WINDOW for room in free.values()):
        now = time.monotonic()
        more = more and now < end
        for sock in sockets:
            fd = sock.fileno()
            while True:
                try:
                    sock.recv(4096)
                except OSError:
                    break
                answered += 1
                free[fd] = min(WINDOW, free[fd] + 1)
                heard[fd] = now
            if now - heard[fd] > LOST_S:
                free[fd], heard[fd] = WINDOW, now
            while more and free[fd]:
                message = next(messages, None)
                if message is None:
                    more = False
                    break
                sent += 1
                free[fd] -= 1
                try:
                    sock.send((sent & 0xFFFF).to_bytes(2, "big") + message)
                except OSError:
                    break
        poll.poll(0.02)
    return sent, answered


class Flood:
    """The client as a process; `close` ends it early."""

    def __init__(self, port: int, seconds: float, zone: str, *, most: int = 10_000_000, times: int = 1) -> None:
        words = [str(port), str(seconds), str(most), zone, str(times)]
        line = [sys.executable, "-m", "tests.system.flood", *words]
        self.popen = subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE, text=True)

    def running(self) -> bool:
        """Tell whether it still asks."""
        return self.popen.poll() is None

    def outcome(self) -> tuple[int, int]:
        """Wait for its end; returns how many queries were sent and how many answered."""
        text, _ = self.popen.communicate(timeout=600)
        sent, answered = map(int, text.split())
        return sent, answered

    def close(self) -> None:
        """End it."""
        if self.running():
            self.popen.kill()
        self.popen.communicate()


if __name__ == "__main__":
    _port, _seconds, _most, _zone, _times = sys.argv[1:]
    print(*run(int(_port), float(_seconds), queries(_zone, int(_most), int(_times))))
