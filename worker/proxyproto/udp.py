"""DNS over UDP behind proxies: every datagram is looked at by itself, answers and memo are those of its client.

Clients named by a header count as IPv6 clients, as in the reference (spec proxyproto): metrics, sizes, `whoami`. Their
answers are kept apart by their true family nevertheless, because `acl` and others judge by that.
"""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Final

from ..address import from_sockaddr
from ..burst import PAYLOAD, SIZE
from ..dispatch import Answer, Dispatch
from ..memo import Budget, Memo
from ..query import Request
from ..udp import UdpSocket
from .datagrams import Datagrams
from .policy import NAMED_FAMILY, Policy

if TYPE_CHECKING:
    from ..run import Worker

MAX_DATAGRAM_BYTES: Final = 2048  # header and query


class ProxiedUdpSocket(UdpSocket):
    """A socket of this worker's slot where PROXY headers count."""

    def __init__(
        self, worker: Worker, sock: socket.socket, dispatch: Dispatch, budget: Budget | None, policy: Policy
    ) -> None:
        super().__init__(worker, sock, dispatch, budget, MAX_DATAGRAM_BYTES)
        self.datagrams = Datagrams(policy, tracks=True)
        self.named_v4 = Memo(budget) if budget is not None else None

    def _answer(self, count: int) -> None:
        burst = self.burst
        data, size, sizes, words = burst.data, burst.size, burst.sizes, burst.answers
        now = time.monotonic()
        held: list[bytes] = []
        rows: list[int] = []
        for row in range(count):
            base = row * size
            sender = burst.sender(row)
            opened = self.datagrams.open(data[base : base + sizes[16 * row + burst.SIZE_AT]], sender, now)
            if opened is None:
                continue
            wire, client = opened
            answer = self._resolve(row, wire[:SIZE], sender, client, now)
            if answer is not None:
                data[base : base + 2] = wire[:2]
                words[4 * row + 2] = id(answer) + PAYLOAD
                words[4 * row + 3] = len(answer)
                held.append(answer)
                rows.append(row)
        self.worker.end_burst()
        burst.send_rows(rows)

    def _resolve(self, row: int, wire: bytes, sender: bytes, client: bytes | None, now: float) -> Answer:
        """Answer one query of a client; None where nothing is sent now."""
        peer = from_sockaddr(sender if client is None else client)
        family = peer.family if client is None else NAMED_FAMILY
        memos = self.memo_pair()
        memo = None
        if memos is not None:
            memo = self.named_v4 if client is not None and peer.family == 1 else memos[family - 1]
        if memo is not None:
            found = memo.get(wire[2:], now, client or sender, int.from_bytes(wire[:2], "big"))
            if found is not None:
                return found
        request = Request(self.listener, client or sender, family, "udp", now, len(wire))
        request._peer = peer
        result = self.dispatch.handle(wire, request, memo)
        if result is None or isinstance(result, bytes):
            return result
        self._wait(result, sender, row, wire[:2])
        return None
