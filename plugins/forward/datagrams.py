"""One connected datagram socket: queries leave together, answers come together, whatever is no answer is skipped."""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from shardns.worker.burst import ROWS
from shardns.worker.turn import turn
from shardns.worker.volley import ROW_BYTES

from . import texts
from .asker import Asker

if TYPE_CHECKING:
    from .udp import UdpLine

ROTATE: Final = 128  # queries, then the socket is not used again
BURSTS: Final = 4  # of answers read in one turn of the event loop before others get theirs
HEADER_BYTES: Final = 12
_FULL: Final = (errno.EAGAIN, errno.ENOBUFS)


def fail(askers: Sequence[Asker], text: str) -> None:
    """Tell those who wait that nothing will come."""
    for asker in askers:
        asker.failed(text)


class UdpSocket:
    """One connected socket. `pending` maps IDs to those who wait; `sent` counts queries."""

    __slots__ = ("_descriptor", "_engine", "_line", "_retired", "_sock", "created", "pending", "sent", "used")

    def __init__(self, line: UdpLine, sock: socket.socket, now: float) -> None:
        self._line = line
        self._engine = line.engine
        self._sock = sock
        self._descriptor = sock.fileno()
        self._retired = False
        self.created = self.used = now
        self.pending: dict[int, Asker] = {}
        self.sent = 0
        line.engine.loop.add_reader(self._descriptor, self._readable)

    def ask(self, asker: Asker) -> None:
        """Send one query."""
        self.send((asker,))

    def send(self, askers: Sequence[Asker]) -> None:
        """Send queries, at most `ROWS`."""
        engine, pending = self._engine, self.pending
        messages: list[bytes] = []
        timeout_s, bucket = askers[0].timeout_s, engine.wheel.bucket(askers[0].timeout_s)
        for asker in askers:
            ident = engine.ident()
            while ident in pending:
                ident = engine.ident()
            pending[ident] = asker
            asker.id = ident
            asker.connection = self
            if asker.timeout_s != timeout_s:
                timeout_s, bucket = asker.timeout_s, engine.wheel.bucket(asker.timeout_s)
            asker.bucket = bucket
            bucket.add(asker)
            messages.append(asker.message(ident))
        before = self.sent
        self.sent = before + len(messages)
        if self.sent < ROTATE:
            self._line.busy[self] = None
        else:
            self._retire()
        out = 0
        while out < len(messages):
            try:
                out += engine.volley.send(self._descriptor, messages[out:] if out else messages)
            except OSError as error:
                if error.errno not in _FULL:  # that is as good as lost on the way
                    self._unsent(askers[out:], error, before + out > 0)
                return

    def expire(self, asker: Asker) -> None:
        """Give up waiting; the late answer must not meet another query."""
        text = texts.timed_out("udp", self._sock, self._line.remote)
        del self.pending[asker.id]
        self._retire()
        if not self.pending:
            self.close()
        asker.failed(text)

    def close(self) -> None:
        """Let the socket go."""
        line = self._line
        if self in line.open:
            del line.open[self]
            line.busy.pop(self, None)
            self._engine.loop.remove_reader(self._descriptor)
            self._sock.close()

    def drop(self) -> None:
        """Close without a word to those who wait."""
        for asker in self.pending.values():
            asker.bucket.discard(asker)
        self.pending.clear()
        self.close()

    def _readable(self) -> None:
        turn.begin()
        self._read()
        turn.end()

    def _read(self) -> None:
        volley, pending = self._engine.volley, self.pending
        data, size_of = volley.data, volley.size
        answered = False
        for _ in range(BURSTS):
            try:
                count = volley.receive(self._descriptor)
            except (BlockingIOError, InterruptedError):
                break
            except OSError as error:
                self._broken("read", error)
                return
            taken: list[Asker] = []
            for row in range(count):
                at = row * ROW_BYTES
                size = size_of(row)
                asker = pending.get((data[at] << 8) | data[at + 1])
                if asker is None or size < HEADER_BYTES:
                    continue
                if size > asker.limit:
                    size = asker.limit
                if asker.arrived(data[at : at + size], stream=False) is not None:
                    continue
                del pending[asker.id]
                asker.bucket.discard(asker)
                taken.append(asker)
            self._engine.proceed(taken)
            answered = answered or bool(taken)
            if count < ROWS or self not in self._line.open:
                break
        if answered and not pending:
            self._done()

    def _done(self) -> None:
        line = self._line
        line.busy.pop(self, None)
        if self._retired and self.sent < ROTATE:
            self.close()
        elif self in line.open:
            line.idle(self)

    def _retire(self) -> None:
        self._retired = True
        self._line.busy.pop(self, None)

    def _unsent(self, askers: Sequence[Asker], error: OSError, used: bool) -> None:
        """Report queries that could not be sent. What a used socket reports is about those before: take another."""
        for asker in askers:
            del self.pending[asker.id]
            asker.bucket.discard(asker)
        text = texts.during("write", "udp", self._sock, self._line.remote, error)
        self._broken("read", error)
        if used:
            self._line.send(askers)
        else:
            fail(askers, text)

    def _broken(self, action: str, error: OSError) -> None:
        if not self.pending:
            self._line.pool.lose(self)
            return
        text = texts.during(action, "udp", self._sock, self._line.remote, error)
        waiting = list(self.pending.values())
        self.drop()
        fail(waiting, text)
