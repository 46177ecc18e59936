"""Streams to one upstream: two octets of length, then the message (RFC 1035 §4.2.2), one query at a time.

No more than `most` streams are open; queries beyond that wait for one in a queue, each with its own time-out.
"""

from __future__ import annotations

import errno
import socket
from typing import Final

from . import texts
from .asker import Asker
from .dials import DialTime
from .engine import Engine
from .pool import Pool, Terms
from .stream import TcpStream
from .udp import DialFailed, open_socket

QUERY_S: Final = 5.0  # no client's query lives longer, so no dial need
MAX_OPEN: Final = 512  # a worker and upstream; bounds the descriptors that a mute upstream can cost


class TcpLine:
    """All streams to one upstream."""

    proto: str = "tcp"
    most: int = MAX_OPEN

    def __init__(self, engine: Engine, host: str, port: int, remote: str, terms: Terms, dials: DialTime) -> None:
        self.engine = engine
        self.host = host
        self.port = port
        self.remote = remote
        self.terms = terms
        self.dials = dials
        self.pool: Pool[TcpStream] = Pool(terms)
        self.open: set[TcpStream] = set()
        self._queue: dict[Asker, None] = {}

    def dial(self, asker: Asker, now: float, limit_s: float | None = None) -> None:
        """Connect, then send the asker's query. Raises DialFailed where not even that can begin."""
        longest_s = min(self.dials.limit_s, QUERY_S) if limit_s is None else limit_s
        if len(self.open) >= self.most:
            self._wait(asker, longest_s)
            return
        try:
            sock = open_socket(socket.SOCK_STREAM, "tcp", self.host, self.remote, self.terms.source)
        except DialFailed:
            if not self.open:
                raise
            self._wait(asker, longest_s)  # out of descriptors
            return
        code = sock.connect_ex((self.host, self.port))
        if code not in (0, errno.EINPROGRESS):
            sock.close()
            raise DialFailed(self.refusal(code))
        self.stream(sock, now).dialled(asker, longest_s)

    def stream(self, sock: socket.socket, now: float) -> TcpStream:
        """Wrap a socket that is being connected."""
        return TcpStream(self, sock, now)

    def free(self, stream: TcpStream) -> None:
        """Take a stream back, for whoever waits for one or for the pool."""
        self.pool.give(stream, self.engine.loop.time())
        if self._queue:
            self._serve()

    def closed(self, stream: TcpStream) -> None:
        """Forget a stream; there is room for another one."""
        self.open.remove(stream)
        if self._queue:
            self.engine.loop.call_soon(self._serve)

    def expire(self, asker: Asker) -> None:
        """Give up an asker for which no stream became free."""
        del self._queue[asker]
        asker.failed(texts.dial_timed_out(self.terms.source, self.remote))

    def abort(self) -> None:
        """Close every stream, whoever waits on it."""
        for asker in self._queue:
            asker.bucket.discard(asker)
        self._queue.clear()
        for stream in list(self.open):
            stream.drop()

    def refusal(self, code: int) -> str:
        """Return Go's text for a failed connect."""
        return texts.dialling("tcp", self.terms.source, self.remote, "connect", OSError(code, ""))

    def _wait(self, asker: Asker, longest_s: float) -> None:
        asker.connection = self
        asker.bucket = self.engine.wheel.add(asker, longest_s)
        self._queue[asker] = None

    def _serve(self) -> None:
        """Let the one who has waited longest go on."""
        if not self._queue:
            return
        asker = next(iter(self._queue))
        del self._queue[asker]
        asker.bucket.discard(asker)
        now = self.engine.loop.time()
        stream = self.pool.take(now)
        try:
            if stream is None:
                self.dial(asker, now)
            else:
                stream.reused = True
                stream.ask(asker)
        except DialFailed as failure:
            asker.failed(str(failure))
