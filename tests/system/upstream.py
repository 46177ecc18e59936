"""An upstream resolver that counts: every name has an address, which tells the version that gave the answer."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter, deque

import dns.name


class Upstream:
    """Answers any question over UDP as long as the context lasts, after `delay_s`.

    The address is 10.0.0.<version>; `version` may be changed at any time. Packets are made by hand: a flood of
    questions must find it awake.
    """

    def __init__(self, *, version: int = 1, delay_s: float = 0.0, ttl: int = 300) -> None:
        self.version = version
        self.delay_s = delay_s
        self.ttl = ttl
        self._asked: Counter[bytes] = Counter()
        self._socket = socket.socket(type=socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Upstream:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(10)
        self._socket.close()

    def asked(self, name: str) -> int:
        """Return how often a name was asked for."""
        return self._asked[dns.name.from_text(name.lower()).to_wire() or b""]

    def total(self) -> int:
        """Return how many questions came, health checks aside."""
        return sum(self._asked.values()) - self._asked[b"\0"]

    def _serve(self) -> None:
        waiting: deque[tuple[float, bytes, tuple[str, int]]] = deque()
        while not self._ended.is_set():
            now = time.monotonic()
            while waiting and waiting[0][0] <= now:
                _, wire, peer = waiting.popleft()
                self._socket.sendto(wire, peer)
            self._socket.settimeout(max(0.001, min(0.05, waiting[0][0] - now)) if waiting else 0.05)
            try:
                data, peer = self._socket.recvfrom(4096)
            except TimeoutError:
                continue
            if self.delay_s:
                waiting.append((time.monotonic() + self.delay_s, self._answer(data), peer))
            else:
                self._socket.sendto(self._answer(data), peer)

    def _answer(self, data: bytes) -> bytes:
        end = data.index(0, 12) + 1
        self._asked[data[12:end].lower()] += 1
        head = data[:2] + bytes((0x80 | (data[2] & 1), 0x80)) + b"\0\1\0\1\0\0\0\0"
        record = b"\xc0\x0c\0\1\0\1" + self.ttl.to_bytes(4, "big") + b"\0\4\x0a\0\0" + bytes((self.version,))
        return head + data[12 : end + 4] + record
