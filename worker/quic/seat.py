"""A UDP socket of this worker's slot whose clients speak QUIC: datagrams in, datagrams out.

What a datagram is for is the office's to find out; a peer is a connection.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from .. import core_metrics, metrics
from ..dispatch import Dispatch
from ..memo import Memo
from ..proxyproto.datagrams import Datagrams
from ..proxyproto.policy import policy
from ..udp import has_packet_info
from .cids import Issuer, Origin, secret
from .doh3 import Doh3
from .doq import Doq
from .limits import Limits
from .office import Office
from .peer import Peer
from .way import Way

if TYPE_CHECKING:
    from ..run import Worker

MAX_DATAGRAM_BYTES = 2048
MAX_DATAGRAMS = 128  # in one turn of the event loop before others get theirs
_CONTROL_BYTES = 64
_V4, _V6 = (socket.IPPROTO_IP, 8), (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO)
_LINK_LOCAL = b"\xfe\x80"
MEMOS = ((1, 1), (2, 2), (1, 2))  # clients by their family and the one they count as
PEERS: dict[str, type[Peer]] = {"quic": Doq, "https3": Doh3}


class QuicSeat:
    """One socket. `busy` are queries that wait for an answer; beyond `limits.queries` more wait in line."""

    def __init__(self, worker: Worker, sock: socket.socket, dispatch: Dispatch) -> None:
        self.worker = worker
        self.sock = sock
        self.dispatch = dispatch
        self.listener = listener = dispatch.listener
        spawned = worker.spawned
        self.limits = Limits.of(spawned.model, listener.index, spawned.slots)
        self.credentials = spawned.quic[listener.index]
        lent = next(one for one in spawned.lent if one.index == listener.index)
        sockets = len(lent.udp) * spawned.slots
        index = spawned.slot + lent.udp.index(sock) * spawned.slots
        self.issuer = Issuer(secret(), Origin(spawned.generation, spawned.slot), index, sockets)
        self.sockets = sockets
        budget = worker.budget
        self.memos = {key: Memo(budget) for key in MEMOS} if budget is not None else None
        self.make_peer = PEERS[listener.transport]
        listener.connections.reset()
        believed = policy(spawned.model, listener.index)
        self._datagrams = Datagrams(believed, tracks=False) if believed is not None else None
        self.busy = 0
        self.line: dict[tuple[Peer, int], bytes] = {}  # queries that wait for a place among the busy, in order
        self.reading = False
        self._packet_info = has_packet_info(sock)
        self._kind = _V6 if sock.family == socket.AF_INET6 else _V4
        self._cells: dict[str, int] = {}
        self.office = Office.of(worker)
        self.office.add(self)

    def start(self) -> None:
        """Begin to read."""
        self.reading = True
        self.worker.crowd.watch()
        self.office.open()
        asyncio.get_running_loop().add_reader(self.sock.fileno(), self._read)

    def stop(self) -> None:
        """Stop reading; connections end behind the queries under way, whose datagrams now come by mail."""
        self.reading = False
        asyncio.get_running_loop().remove_reader(self.sock.fileno())
        for guest in self.worker.crowd:
            guest.end(self)

    def _read(self) -> None:
        receive, office = self.sock.recvmsg, self.office
        for _ in range(MAX_DATAGRAMS):
            try:
                data, controls, _, address = receive(MAX_DATAGRAM_BYTES, _CONTROL_BYTES)
            except OSError:
                break
            source = b""
            if self._packet_info:
                source = next((value for level, kind, value in controls if (level, kind) == self._kind), b"")
            way = Way(address, self._unbound(source))
            if self._datagrams is None:
                office.received(self, data, way)
            elif opened := self._datagrams.open(data, way.name, time.monotonic()):
                data, named = opened
                office.received(self, data, way._replace(named=named))
        office.turn()

    def _unbound(self, source: bytes) -> bytes:
        """Leave the interface of an answer to the routing table, unless its address means nothing without."""
        if len(source) == 20 and source[:2] != _LINK_LOCAL:
            return source[:16] + bytes(4)
        return bytes(4) + source[4:] if len(source) == 12 else source

    def send(self, data: bytes, way: Way) -> None:
        """Send a datagram; what the socket does not take is lost as on the network."""
        controls = [(*self._kind, way.source)] if way.source else []
        try:
            self.sock.sendmsg([data], controls, socket.MSG_DONTWAIT, way.address)
        except OSError:
            return

    def count(self, status: str) -> None:
        """Count an answer by its status."""
        cell = self._cells.get(status)
        if cell is None:
            counter = core_metrics.quic_responses if self.make_peer is Doq else core_metrics.https3_responses
            cell = self._cells[status] = counter.cell(self.listener.label, status)
        metrics.values[cell] += 1

    # Queries that wait ----------------------------------------------------------------------------------------------

    def wait(self, waiting: Awaitable[bytes | None], then: Callable[[bytes | None], Awaitable[None] | None]) -> None:
        """Have an answer awaited, and `then` called with it."""
        self.busy += 1
        self.worker.spawn(self._wait(waiting, then))

    async def _wait(
        self, waiting: Awaitable[bytes | None], then: Callable[[bytes | None], Awaitable[None] | None]
    ) -> None:
        try:
            answer = await waiting
        finally:
            self.busy -= 1
            if self.line:
                asyncio.get_running_loop().call_soon(self._next)
        self.worker.end_burst()  # the other workers shall know what this client now knows
        more = then(answer)
        if more is not None:
            await more

    def _next(self) -> None:
        while self.line and self.busy < self.limits.queries:
            peer, stream = first = next(iter(self.line))
            peer.in_turn(stream, self.line.pop(first))


def open(worker: Worker, sock: socket.socket, dispatch: Dispatch) -> QuicSeat:
    """Make the seat of a socket; `transports` calls it."""
    return QuicSeat(worker, sock, dispatch)
