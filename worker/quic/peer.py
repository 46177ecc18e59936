"""A client's QUIC connection: its events, its time, its end. What its streams carry is in `asking`, `doq` and `doh3`.

1. Datagrams of one read are taken in together, then answered together, acknowledgements with the answers.
2. A stream that delivers no whole request within the read time-out is `stalled`; so is one that is opened silently.
3. In the crowd it is worth what it makes us keep: octets, and `STREAM_BYTES` for each stream that waits for the client.
4. A drain closes it at the first moment at which nothing is under way; after `LEAVE_S` only what was asked before the
   drain is waited for.
5. What the library raises beyond the errors of QUIC ends this connection and nobody else's.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from aioquic.quic.events import (
    ConnectionIdIssued,
    ConnectionIdRetired,
    ConnectionTerminated,
    HandshakeCompleted,
    QuicEvent,
    StopSendingReceived,
    StreamDataReceived,
    StreamReset,
)

from .. import core_metrics, log
from .alarm import Alarm
from .inflow import Inflow
from .transport import Transport

if TYPE_CHECKING:
    from .office import Office
    from .seat import QuicSeat
    from .way import Way

HANDSHAKE_S = 5.0
STREAM_BYTES = 2048  # what an open stream costs
LEAVE_S = 1.0
OWED_S = 4.0  # for queries that were under way when the drain began; less than a drain takes
LINGER_S = 0.2  # for the first query of a client that connects while we leave


class Peer(ABC):
    """One connection. `open` are requests that are not whole yet, by stream, the oldest first."""

    excess_code: ClassVar[int]
    quiet_code: ClassVar[int]

    def __init__(self, seat: QuicSeat, office: Office, transport: Transport, way: Way) -> None:
        self.seat = seat
        self.office = office
        self.transport = transport
        self.way = way
        self.cids: set[bytes] = set()
        self.deadline = time.monotonic() + HANDSHAKE_S
        self.held = 0
        self.open: dict[int, Inflow] = {}
        self.waiting: dict[int, int] = {}  # streams whose answers are awaited, with the octets of their queries
        self.served = time.monotonic()
        self.established = False
        self.leaving = False
        self.closed = False
        self._opened = 0
        self._owed: set[int] = set()
        self._until = 0.0
        self._alarm = Alarm(self._ring)
        self.moved: asyncio.Future[None] | None = None

    # What the protocols say ---------------------------------------------------------------------------------------

    def begin(self) -> None:  # noqa: B027  one protocol has something to do then
        """The handshake is over."""

    @abstractmethod
    def data(self, stream: int, data: bytes, end: bool) -> None:
        """Take octets of a stream."""

    def other(self, event: QuicEvent) -> None:  # noqa: B027  likewise
        """Take an event that only one protocol looks at."""

    def kept(self) -> int:
        """Return the octets of requests that have come and are not answered."""
        return sum(self.waiting.values()) + sum(inflow.size for inflow in self.open.values())

    @abstractmethod
    def in_turn(self, stream: int, wire: bytes) -> None:
        """Have a query answered that has waited in line."""

    @abstractmethod
    def cancelled(self, stream: int) -> None:
        """The client gave a stream up."""

    @abstractmethod
    def stalled(self, stream: int) -> None:
        """A request did not come in time."""

    # Datagrams ----------------------------------------------------------------------------------------------------

    def received(self, data: bytes, way: Way) -> None:
        """Take a datagram."""
        self.transport.receive_datagram(data, way, time.monotonic())

    def process(self) -> None:
        """See what the client wants, and answer what can be answered at once."""
        transport = self.transport
        while (event := transport.next_event()) is not None:
            kind = event.__class__
            if kind is StreamDataReceived:
                assert isinstance(event, StreamDataReceived)
                if not self.closed:
                    self._see()
                    self.data(event.stream_id, event.data, event.end_stream)
            else:
                self._rarer(event)
        if transport.left:
            self._gone()
        elif self.established and not self.closed:
            self._see()
            self._move()

    def _rarer(self, event: QuicEvent) -> None:
        if isinstance(event, ConnectionIdIssued):
            self.office.register(event.connection_id, self)
        elif isinstance(event, ConnectionIdRetired):
            self.office.peers.pop(event.connection_id, None)
            self.cids.discard(event.connection_id)
        elif isinstance(event, HandshakeCompleted):
            self._establish()
        elif isinstance(event, ConnectionTerminated):
            self._gone()
        elif isinstance(event, (StreamReset, StopSendingReceived)) and not self.closed:
            self.other(event)
            self.open.pop(event.stream_id, None)
            self.drop(event.stream_id)
            self.cancelled(event.stream_id)

    def drop(self, stream: int) -> None:
        """Give up a query that waits."""
        if self.waiting.pop(stream, None) is not None:
            self.seat.line.pop((self, stream), None)

    def _see(self) -> None:
        """Note streams that the client has opened, those without an octet included."""
        opened = self.transport.opened
        if opened > self._opened:
            now = time.monotonic()
            for number in range(self._opened, opened):
                self.open[4 * number] = Inflow(now)
            self._opened = opened

    def transmit(self, now: float) -> None:
        """Send what there is to send, and be called again in time."""
        if not self.cids:
            return
        transport, seat = self.transport, self.seat
        if self.established and not self.closed:
            self._account(now)
        for data, way in transport.datagrams_to_send(now):
            seat.send(data, way)
        self.process_ids()
        self._arm()

    def process_ids(self) -> None:
        """Take note of what sending led to: new connection IDs lead here from now on."""
        while (event := self.transport.next_event()) is not None:
            self._rarer(event)

    def _account(self, now: float) -> None:
        crowd = self.seat.worker.crowd
        if self.leaving and not self.open and not self.waiting and self.deadline > now + LINGER_S:
            self.deadline = now
        elif not self.leaving:
            first = next(iter(self.open.values()), None)
            self.deadline = float("inf") if first is None else first.since + self.seat.listener.read_s
        held = self.transport.held() + STREAM_BYTES * len(self.open) + self.kept()
        if held or self.held:
            crowd.hold(self, held)

    # Time ---------------------------------------------------------------------------------------------------------

    def _arm(self) -> None:
        at = self.transport.get_timer()
        if at is not None:
            self._alarm.set(at)

    def _ring(self) -> None:
        at = self.transport.get_timer()
        if at is None or not self.cids:
            return
        now = max(time.monotonic(), self._alarm.at)
        if at <= now:
            self.office.act(self, partial(self.transport.handle_timer, now))
            self.office.touch(self)
        else:
            self._alarm.set(at)

    # Its end ------------------------------------------------------------------------------------------------------

    def _establish(self) -> None:
        self.office.handshakes.pop(self, None)
        seat = self.seat
        refused = self.transport.judge_client()
        if refused:
            self.shut(refused, frame_type=6)  # a CRYPTO frame brought it
            return
        self.established = True
        seat.listener.connections.add(1)
        most = seat.limits.connections
        if most and seat.listener.connections.get() > most and not self.office.make_place(self):
            self.shut(self.excess_code, "too many connections")
            return
        now = time.monotonic()
        self.deadline = now + LINGER_S if self.leaving else float("inf")
        self.begin()

    def idle_since(self, when: float, seat: QuicSeat) -> bool:
        """Tell whether it is a connection of the same listener that nothing was asked on since."""
        ours = self.established and self.seat.listener is seat.listener
        return ours and self.served < when and not self.open and not self.waiting

    def shut(self, code: int, reason: str = "", frame_type: int | None = None) -> None:
        """Close with an error code: an application's, or with a frame type one of QUIC."""
        if self.closed:
            return
        self._close()
        self.transport.close(code, frame_type, reason)
        self.office.handshakes.pop(self, None)
        self.seat.worker.crowd.discard(self)
        self.office.touch(self)

    def _close(self) -> None:
        """Give away its place, and what was to be answered."""
        if self.closed:
            return
        self.closed = True
        if self.established:
            self.seat.listener.connections.add(-1)
        self.open.clear()
        for stream in list(self.waiting):
            self.drop(stream)
        self._move()

    def _move(self) -> None:
        if self.moved is not None and not self.moved.done():
            self.moved.set_result(None)

    def _gone(self) -> None:
        self._close()
        self._alarm.cancel()
        self.office.forget(self)

    def broken(self, error: Exception) -> None:
        """End it without a word: the library has lost its way."""
        log.trace_once(error)
        core_metrics.count_panic()
        self._gone()

    def close(self) -> None:
        """Its time is over."""
        if not self.established:
            self._gone()
            return
        now = time.monotonic()
        if self.leaving:
            if now < self._until and self._owed & self.waiting.keys():
                self.deadline = now + LINGER_S
            else:
                self.shut(self.quiet_code)
            return
        for stream, inflow in list(self.open.items()):
            if inflow.since + self.seat.listener.read_s > now or self.closed:
                break
            del self.open[stream]
            self.stalled(stream)
        self.office.touch(self)

    def abort(self) -> None:
        """Cut it: others need its room."""
        if self.established:
            self.shut(self.excess_code)
        else:
            self._gone()

    def end(self, server: object) -> None:
        """Where it came through this socket, close when what is under way has been answered."""
        if server is self.seat and not self.leaving:
            self.leaving = True
            now = time.monotonic()
            self._owed, self._until = set(self.waiting), now + OWED_S
            busy = not self.established or self.open or self.waiting
            self.deadline = now + (LEAVE_S if busy else 0.0)
