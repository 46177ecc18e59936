"""All QUIC connections of a worker by their connection IDs, and what becomes of a datagram that is for none of them.

1. A datagram for a connection of another worker is put into that one's box (`post`); what comes by mail never goes on.
2. One new connection is begun a turn of the event loop, so that a flood of them leaves time for everything else; half
   of a worker's unfinished handshakes are kept for clients that have proved their address (RFC 9000 §8.1.2).
3. A datagram that nobody knows is answered with a stateless reset, always shorter than itself (RFC 9000 §10.3.3).
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from aioquic._buffer import Buffer
from aioquic.quic.configuration import SMALLEST_MAX_DATAGRAM_SIZE
from aioquic.quic.packet import QuicHeader, QuicPacketType, encode_quic_version_negotiation, pull_quic_header

from .cids import LENGTH, home, origin, reset_token, secret
from .post import Letter, Post, collect, drop
from .tokens import Tokens
from .transport import Transport
from .way import Way

if TYPE_CHECKING:
    import socket

    from ..run import Worker
    from .peer import Peer
    from .seat import QuicSeat

MAX_HANDSHAKES = 256  # unfinished ones of a worker
UNPROVED = 64  # of these of clients that may not be where they say
IDLE_S = 1.0  # nobody's place is given away before
LEAST_CID = 8  # octets of the ID that a client begins with (RFC 9000 §7.2)
MAX_WAITING = 256  # first datagrams that wait for their turn
MAX_LETTERS = 128  # a turn
MAX_RESETS = 100  # stateless resets and other answers to strangers a second
_RESET_BYTES = 43  # at most: a reset looks like a short packet
_LEAST_RESET_BYTES = 21


class Office:
    """The connections of one worker."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.peers: dict[bytes, Peer] = {}
        self.touched: dict[Peer, None] = {}
        self.handshakes: dict[Peer, None] = {}
        self.seats: list[QuicSeat] = []
        self.tokens = Tokens(secret())
        self.mail = worker.spawned.mail
        self._waiting: deque[tuple[QuicSeat, QuicHeader, bytes, Way]] = deque(maxlen=MAX_WAITING)
        self._beginning = False
        self._turning = False
        self._opened = False
        self._second = 0.0
        self._replies = 0

    @classmethod
    def of(cls, worker: Worker) -> Office:
        """Return the office of a worker, made when it is first asked for."""
        office: Office = worker.generation.table.setdefault("quic office", None) or cls(worker)
        worker.generation.table["quic office"] = office
        return office

    def add(self, seat: QuicSeat) -> None:
        """Note a socket."""
        self.seats.append(seat)

    def open(self) -> None:
        """Begin to read the mail."""
        if self.mail is not None and not self._opened:
            self._opened = True
            asyncio.get_running_loop().add_reader(self.mail.box.fileno(), self._collect)

    # Datagrams ------------------------------------------------------------------------------------------------------

    def received(self, seat: QuicSeat, data: bytes, way: Way, *, mailed: bool = False) -> None:
        """Hand a datagram to its connection, or see what else it is."""
        if not data:
            return
        if data[0] & 0x80:
            end = 6 + data[5] if len(data) > 6 else 0
            cid = data[6:end]
        else:
            cid = data[1 : 1 + LENGTH]
        peer = self.peers.get(cid)
        if peer is not None:
            self.touched[peer] = None
            self.act(peer, partial(peer.received, data, way))
        else:
            self._unknown(seat, data, way, mailed)

    def _unknown(self, seat: QuicSeat, data: bytes, way: Way, mailed: bool) -> None:
        try:
            header = pull_quic_header(Buffer(data=data), host_cid_length=LENGTH)
        except ValueError:
            return
        cid = header.destination_cid
        versions = seat.credentials.configuration.supported_versions
        if header.version is not None and header.version not in versions:
            if header.packet_type != QuicPacketType.VERSION_NEGOTIATION and len(data) >= SMALLEST_MAX_DATAGRAM_SIZE:
                self._negotiate(seat, header, way)
            return
        if not (header.packet_type == QuicPacketType.INITIAL and header.token):
            elsewhere = None if mailed else self._elsewhere(seat, header)
            if elsewhere is not None and drop(elsewhere, self._letter(seat, data, way)):
                return
        if header.packet_type == QuicPacketType.ONE_RTT:
            self._reset(seat, cid, len(data), way)
        elif (
            header.packet_type == QuicPacketType.INITIAL
            and len(data) >= SMALLEST_MAX_DATAGRAM_SIZE
            and len(cid) >= LEAST_CID
        ):
            self._waiting.append((seat, header, data, way))
            if not self._beginning:
                self._beginning = True
                asyncio.get_running_loop().call_soon(self._begin)

    def _elsewhere(self, seat: QuicSeat, header: QuicHeader) -> socket.socket | None:
        """Return the door of the worker that a datagram should have come to."""
        mail, spawned = self.mail, self.worker.spawned
        if mail is None:
            return None
        issued = origin(secret(), header.destination_cid)
        if issued is not None:
            if issued == (spawned.generation & 255, spawned.slot):
                return None
            posts: list[Post] = [mail.own, *reversed(mail.before)]
            for post in posts:
                if post.generation & 255 == issued.generation and issued.slot < len(post.doors):
                    return post.doors[issued.slot]
        if header.packet_type == QuicPacketType.INITIAL:
            slot = home(header.destination_cid, seat.sockets) % spawned.slots
            return mail.own.doors[slot] if slot != spawned.slot else None
        return None

    def _letter(self, seat: QuicSeat, data: bytes, way: Way) -> Letter:
        return Letter(seat.listener.index, way.name, way.source, way.named or b"", data)

    def _collect(self) -> None:
        assert self.mail is not None
        for _ in range(MAX_LETTERS):
            letter = collect(self.mail.box)
            if letter is None:
                break
            # The listener counts for first datagrams alone, and those come from workers of the same configuration.
            fitting = (seat for seat in self.seats if seat.listener.index == letter.listener)
            seat = next(fitting, self.seats[0])
            way = Way.of(letter.name, letter.control, letter.named or None)
            self.received(seat, letter.data, way, mailed=True)
        self.turn()

    # Strangers ------------------------------------------------------------------------------------------------------

    def _may_reply(self) -> bool:
        now = time.monotonic()
        if now - self._second >= 1.0:
            self._second, self._replies = now, 0
        self._replies += 1
        return self._replies <= MAX_RESETS

    def _negotiate(self, seat: QuicSeat, header: QuicHeader, way: Way) -> None:
        if self._may_reply():
            versions = seat.credentials.configuration.supported_versions
            seat.send(encode_quic_version_negotiation(
                source_cid=header.destination_cid, destination_cid=header.source_cid, supported_versions=versions
            ), way)  # fmt: skip

    def _reset(self, seat: QuicSeat, cid: bytes, received: int, way: Way) -> None:
        size = min(received - 1, _RESET_BYTES)
        if size >= _LEAST_RESET_BYTES and self._may_reply():
            noise = os.urandom(size - 16)
            seat.send(bytes((0x40 | noise[0] & 0x3F,)) + noise[1:] + reset_token(secret(), cid), way)

    # New connections ------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        """Begin one connection, and come back for the next."""
        self._beginning = False
        if self._waiting:
            seat, header, data, way = self._waiting.popleft()
            if header.destination_cid in self.peers:
                self.received(seat, data, way)
            else:
                self._admit(seat, header, data, way)
            self.turn()
        if self._waiting:
            self._beginning = True
            asyncio.get_running_loop().call_soon(self._begin)

    def _admit(self, seat: QuicSeat, header: QuicHeader, data: bytes, way: Way) -> None:
        if not seat.reading or seat.credentials.configuration.certificate is None:
            return
        original, retried = header.destination_cid, None
        if header.token:
            proved = self.tokens.original(header, way, time.monotonic())
            if proved is None:
                self.tokens.refuse(seat, header, way)
                return
            original, retried = proved, header.destination_cid
        elif len(self.handshakes) >= UNPROVED:
            self.tokens.retry(seat, header, way, time.monotonic())
            return
        crowd = self.worker.crowd
        if len(self.handshakes) >= MAX_HANDSHAKES or (len(crowd) >= crowd.most and not crowd.make_room()):
            return
        transport = Transport(
            seat.credentials, seat.issuer, secret(), seat.limits.streams, original=original, retried=retried
        )
        peer = seat.make_peer(seat, self, transport, way)
        self.handshakes[peer] = None
        for cid in {header.destination_cid, transport.host_cid}:
            self.register(cid, peer)
        crowd.touch(peer)
        self.touched[peer] = None
        self.act(peer, partial(peer.received, data, way))
        if not transport.begun:  # it was no packet that could be read
            self.forget(peer)

    def register(self, cid: bytes, peer: Peer) -> None:
        """Let an ID lead to a connection."""
        self.peers[cid] = peer
        peer.cids.add(cid)

    def forget(self, peer: Peer) -> None:
        """Forget a connection that has ended."""
        for cid in peer.cids:
            self.peers.pop(cid, None)
        peer.cids.clear()
        self.touched.pop(peer, None)
        self.handshakes.pop(peer, None)
        self.worker.crowd.discard(peer)

    def make_place(self, newcomer: Peer) -> bool:
        """Have the connection of the newcomer's listener end that is idle longest; False where none is idle."""
        idle = time.monotonic() - IDLE_S
        for guest in self.worker.crowd:
            if isinstance(guest, type(newcomer)) and guest is not newcomer and guest.idle_since(idle, newcomer.seat):
                guest.shut(guest.quiet_code)
                return True
        return False

    # Turns ----------------------------------------------------------------------------------------------------------

    def touch(self, peer: Peer) -> None:
        """Have a connection looked at soon."""
        self.touched[peer] = None
        if not self._turning:
            self._turning = True
            asyncio.get_running_loop().call_soon(self.turn)

    def turn(self) -> None:
        """Answer what came over all connections that something came over, then send."""
        self._turning = False
        if not self.touched:
            return
        touched, self.touched = self.touched, {}
        worker = self.worker
        worker.begin_burst()
        for peer in touched:
            self.act(peer, peer.process)
        worker.end_burst()
        now = time.monotonic()
        for peer in touched:
            self.act(peer, partial(peer.transmit, now))

    def act(self, peer: Peer, act: Callable[[], None]) -> None:
        """Do something with a connection; what goes wrong is its affair alone."""
        try:
            act()
        except Exception as error:  # noqa: BLE001  a client that confuses the library must not disturb the others
            peer.broken(error)
