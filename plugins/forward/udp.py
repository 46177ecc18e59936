"""Datagram sockets to one upstream, connected, so that the kernel drops what others send.

1. A socket serves one query at a time, as the reference's do, until `MAX_OPEN` are open; then queries share sockets.
2. An answer counts if its ID is pending on this very socket; everything else is skipped until the deadline.
3. A socket on which something went wrong is not used again.
"""

from __future__ import annotations

import socket
from typing import Final

from . import texts
from .asker import Asker
from .engine import Engine
from .pool import Pool, Terms

MAX_OPEN: Final = 512  # a worker and upstream; bounds the descriptors that a mute upstream can cost


class DialFailed(Exception):
    """A connection that could not be made; the text is Go's."""


def open_socket(kind: socket.SocketKind, proto: str, host: str, remote: str, source: str | None) -> socket.socket:
    """Return a non-blocking socket bound to the source address. Raises DialFailed."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    call = "socket"
    sock = None
    try:
        sock = socket.socket(family, kind)
        sock.setblocking(False)
        if source is not None:
            call = "bind"
            sock.bind((source, 0))
    except OSError as error:
        if sock is not None:
            sock.close()
        raise DialFailed(texts.dialling(proto, source, remote, call, error)) from None
    return sock


class UdpLine:
    """All datagram sockets to one upstream."""

    proto: Final = "udp"

    def __init__(self, engine: Engine, host: str, port: int, remote: str, terms: Terms) -> None:
        self.engine = engine
        self.host = host
        self.port = port
        self.remote = remote
        self.terms = terms
        self.pool: Pool[UdpSocket] = Pool(terms)
        self.open: dict[UdpSocket, None] = {}

    def connect(self, now: float) -> UdpSocket:
        """Return a socket that nobody uses; where too many are open, one that has to be shared. Raises DialFailed."""
        if len(self.open) >= MAX_OPEN:
            return self._shared()
        try:
            sock = open_socket(socket.SOCK_DGRAM, "udp", self.host, self.remote, self.terms.source)
        except DialFailed:
            if self.open:  # out of descriptors
                return self._shared()
            raise
        try:
            sock.connect((self.host, self.port))
        except OSError as error:
            sock.close()
            raise DialFailed(texts.dialling("udp", self.terms.source, self.remote, "connect", error)) from None
        connection = UdpSocket(self, sock, now)
        self.open[connection] = None
        return connection

    def abort(self) -> None:
        """Close every socket, whoever waits on it."""
        for connection in list(self.open):
            connection.drop()

    def _shared(self) -> UdpSocket:
        """Return the open sockets in turn."""
        connection = next(iter(self.open))
        del self.open[connection]
        self.open[connection] = None
        return connection


class UdpSocket:
    """One connected socket. `pending` maps IDs to those who wait."""

    __slots__ = ("_engine", "_line", "_recv_into", "_retired", "_sock", "created", "pending", "used")

    def __init__(self, line: UdpLine, sock: socket.socket, now: float) -> None:
        self._line = line
        self._engine = line.engine
        self._sock = sock
        self._recv_into = sock.recv_into
        self._retired = False
        self.created = self.used = now
        self.pending: dict[int, Asker] = {}
        line.engine.loop.add_reader(sock.fileno(), self._readable)

    def ask(self, asker: Asker) -> None:
        """Send the asker's query."""
        engine, pending = self._engine, self.pending
        ident = engine.ident()
        while ident in pending:
            ident = engine.ident()
        pending[ident] = asker
        asker.id = ident
        asker.connection = self
        asker.bucket = engine.wheel.add(asker, asker.timeout_s)
        try:
            self._sock.send(asker.message(ident))
        except BlockingIOError:
            pass  # as good as lost on the way
        except OSError as error:
            self._broken("write", error)

    def expire(self, asker: Asker) -> None:
        """Give up waiting; the late answer must not meet another query."""
        text = texts.timed_out("udp", self._sock, self._line.remote)
        self._retire(asker)
        asker.failed(text)

    def close(self) -> None:
        """Let the socket go."""
        if self in self._line.open:
            del self._line.open[self]
            self._engine.loop.remove_reader(self._sock.fileno())
            self._sock.close()

    def drop(self) -> None:
        """Close without a word to those who wait."""
        for asker in self.pending.values():
            asker.bucket.discard(asker)
        self.pending.clear()
        self.close()

    def _readable(self) -> None:
        engine = self._engine
        buffer = engine.buffer
        try:
            size = self._recv_into(buffer)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._broken("read", error)
            return
        if size < 12:
            return
        asker = self.pending.get((buffer[0] << 8) | buffer[1])
        if asker is None:
            return
        text = asker.arrived(bytes(engine.view[: min(size, asker.limit)]), stream=False)
        asker.bucket.discard(asker)
        if text is not None:
            self._retire(asker)
            asker.failed(text)
            return
        del self.pending[asker.id]
        if not self.pending:
            if self._retired:
                self.close()
            else:
                self._line.pool.give(self, engine.loop.time())
        asker.proceed()

    def _retire(self, asker: Asker) -> None:
        del self.pending[asker.id]
        self._retired = True
        if not self.pending:
            self.close()

    def _broken(self, action: str, error: OSError) -> None:
        if not self.pending:
            self._line.pool.lose(self)
            return
        text = texts.during(action, "udp", self._sock, self._line.remote, error)
        waiting, self.pending = list(self.pending.values()), {}
        self.close()
        for asker in waiting:
            asker.bucket.discard(asker)
            asker.failed(text)
