"""Datagram sockets to one upstream, connected, so that the kernel drops what others send.

1. Queries of one turn of the event loop leave together, by one call over one socket; their answers come in together.
   The socket that has been idle longest is taken. While `MOST_BUSY` wait for answers, queries share them by chance.
2. An answer counts if its ID is pending on this very socket and the asker takes it for an answer to its question;
   everything else is skipped until the deadline.
3. A socket that has sent `ROTATE` queries, or on which something went wrong, is not used again: source ports change.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from typing import Final

from shardns.worker.burst import ROWS
from shardns.worker.turn import turn

from . import texts
from .asker import Asker
from .counters import HITS, MISSES, PROXY_NAME
from .datagrams import ROTATE, UdpSocket, fail
from .engine import Engine
from .pool import Pool, Terms

MOST_BUSY: Final = 16  # sockets to an upstream that wait for answers, before queries share them
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
    """All datagram sockets to one upstream. `dialled` is called for each socket that a query could not do without."""

    proto: Final = "udp"

    def __init__(self, engine: Engine, host: str, port: int, remote: str, terms: Terms) -> None:
        self.engine = engine
        self.host = host
        self.port = port
        self.remote = remote
        self.terms = terms
        self.pool: Pool[UdpSocket] = Pool(terms)
        self.open: dict[UdpSocket, None] = {}
        self.busy: dict[UdpSocket, None] = {}
        self.dialled: Callable[[], None] = lambda: None
        self._queue: list[Asker] = []
        self._rotated = 0

    def ask(self, asker: Asker) -> None:
        """Send the asker's query together with others of this turn."""
        queue = self._queue
        if not queue:
            turn.at_end(self._flush)
        queue.append(asker)

    def _flush(self) -> None:
        queue, self._queue = self._queue, []
        for start in range(0, len(queue), ROWS):
            self.send(queue[start : start + ROWS])

    def send(self, askers: Sequence[Asker]) -> None:
        """Send queries, at most `ROWS`, over one socket."""
        now = self.engine.loop.time()
        if self.pool.stopped:
            fail(askers, texts.STOPPED)
            return
        try:
            connection = self._choose(now, len(askers))
        except DialFailed as failure:
            fail(askers, str(failure))
        else:
            connection.send(askers)

    def _choose(self, now: float, queries: int) -> UdpSocket:
        connection = self.pool.take(now)
        if connection is None and len(self.busy) >= MOST_BUSY:
            connection = self.engine.random.choice(list(self.busy))
        if connection is None:
            if self._rotated:
                self._rotated -= 1
                connection = self.connect(now)
            else:
                MISSES.inc(PROXY_NAME, self.remote, self.proto)
                queries -= 1
                self.dialled()
                connection = self.connect(now)
        if queries:
            HITS.inc(PROXY_NAME, self.remote, self.proto, by=queries)
        return connection

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

    def idle(self, connection: UdpSocket) -> None:
        """Take a socket back whose queries are all answered, or what stands for one where it has had its day."""
        if connection.sent < ROTATE:
            self.pool.give(connection, self.engine.loop.time())
        else:
            self._rotated = min(self._rotated + 1, MOST_BUSY)
            connection.close()
