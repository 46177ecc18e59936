"""An upstream resolver that counts: every name has an address, which tells the version that gave the answer."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter

import dns.flags
import dns.message
import dns.rrset


class Upstream:
    """Answers over UDP as long as the context lasts, after `delay_s`. `asked` counts by name, as asked for.

    The address is 10.0.0.<version>; `version` may be changed at any time.
    """

    def __init__(self, *, version: int = 1, delay_s: float = 0.0, ttl: int = 300) -> None:
        self.version = version
        self.delay_s = delay_s
        self.ttl = ttl
        self.asked: Counter[str] = Counter()
        self._socket = socket.socket(type=socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.05)
        self.port: int = self._socket.getsockname()[1]
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._serve, daemon=True)]

    def __enter__(self) -> Upstream:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(10)
        self._socket.close()

    def total(self) -> int:
        """Return how many questions came."""
        return sum(self.asked.values())

    def _serve(self) -> None:
        waiting: list[tuple[float, bytes, tuple[str, int]]] = []
        while not self._ended.is_set():
            now = time.monotonic()
            while waiting and waiting[0][0] <= now:
                _, wire, peer = waiting.pop(0)
                self._socket.sendto(wire, peer)
            self._socket.settimeout(max(0.001, min(0.05, waiting[0][0] - now)) if waiting else 0.05)
            try:
                data, peer = self._socket.recvfrom(4096)
            except TimeoutError:
                continue
            waiting.append((time.monotonic() + self.delay_s, self._answer(data), peer))

    def _answer(self, data: bytes) -> bytes:
        query = dns.message.from_wire(data)
        name = query.question[0].name.to_text().lower()
        if name != ".":  # a health check
            self.asked[name] += 1
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.RA
        reply.answer.append(dns.rrset.from_text(name, self.ttl, "IN", "A", f"10.0.0.{self.version}"))
        return reply.to_wire()
