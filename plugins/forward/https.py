"""DNS over HTTPS to one upstream (RFC 8484): many queries on few connections, by HTTP/2 where the upstream speaks it.

1. A query has two seconds, whatever happens to it: waiting for a connection, for its turn, or for the answer; less
   where its own deadline (`cancel`) comes before.
2. Where a connection ends (GOAWAY, RST_STREAM with REFUSED_STREAM, a close) what it did not answer is asked again on
   another one, if that connection had ever answered: then its end says nothing about the upstream.
3. Octets go out once a turn of the event loop, so queries of one burst share a record.
"""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Iterable
from typing import Final

from . import texts
from .asker import Asker
from .engine import Engine
from .handshake import OUT_OF_TIME, Trust
from .http import AWAITING, Request
from .https_connection import HttpsConnection
from .pool import Terms
from .udp import DialFailed, open_socket

TIMEOUT_S: Final = 2.0  # of a whole request
IDLE_S: Final = 90.0  # a connection that nobody has used
MAX_OPEN: Final = 8  # connections by HTTP/2 to an upstream, of a worker
MAX_SINGLE: Final = 128  # by HTTP/1.1, where each carries one query at a time


class HttpsLine:
    """All connections to one upstream."""

    proto: Final = "https"

    def __init__(
        self,
        engine: Engine,
        host: str,
        port: int,
        remote: str,
        terms: Terms,
        trust: Trust,
        request: Request,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self.engine = engine
        self.host = host
        self.port = port
        self.remote = remote
        self.terms = terms
        self.trust = trust
        self.request = request
        self.timeout_s = timeout_s
        self.session: ssl.SSLSession | None = None
        self.open: dict[HttpsConnection, None] = {}
        self.most = MAX_OPEN
        self.stopped = False
        self._queue: dict[Asker, None] = {}

    @property
    def pool(self) -> HttpsLine:
        """The connections at rest are among the others."""
        return self

    def ask(self, asker: Asker) -> None:
        """Begin an exchange. Raises DialFailed where that needs a connection that cannot be begun."""
        left_s = max(asker.until - self.engine.loop.time(), 0.0)
        asker.bucket = self.engine.wheel.add(asker, min(self.timeout_s, left_s))
        try:
            self.place(asker)
        except DialFailed:
            asker.bucket.discard(asker)
            raise

    def dial(self, asker: Asker, now: float, limit_s: float) -> None:
        """Begin the exchange of a probe, which counts as one request."""
        self.ask(asker)

    def stands(self, multiplexed: bool) -> None:
        """Learn what the upstream speaks."""
        self.most = MAX_OPEN if multiplexed else MAX_SINGLE

    def place(self, asker: Asker) -> None:
        """Give an asker to a connection with room, a new one where there is none, or let it wait."""
        for connection in self.open:
            if connection.room:
                connection.ask(asker)
                return
        if len(self.open) < self.most:
            try:
                self._connect().ask(asker)
                return
            except DialFailed:
                if not self.open:
                    raise
        asker.connection = self
        self._queue[asker] = None

    def expire(self, asker: Asker) -> None:
        """Give up an asker for which no connection had room."""
        del self._queue[asker]
        self.given_up(asker)

    def given_up(self, asker: Asker) -> None:
        """Tell an asker that its time, or that of a request, is over."""
        over = asker.until <= self.engine.loop.time()
        asker.failed(self.during(asker, OUT_OF_TIME if over else AWAITING))

    def during(self, asker: Asker, text: str) -> str:
        """Return what Go's HTTP client says of a failed request."""
        url = self.request.url(asker.message(0) if self.request.method == "GET" else b"")
        return f'{self.request.method.capitalize()} "{url}": {text}'

    def relieve(self) -> None:
        """Go on with those who wait: there may be room."""
        waiting, self._queue = self._queue, {}
        self.distribute(waiting)

    def distribute(self, askers: Iterable[Asker]) -> None:
        """Give askers whose time is running already to connections with room."""
        for asker in askers:
            try:
                self.place(asker)
            except DialFailed as failure:
                asker.bucket.discard(asker)
                asker.failed(self.during(asker, str(failure)))

    def closed(self, connection: HttpsConnection) -> None:
        """Forget a connection."""
        del self.open[connection]
        if self._queue:
            self.engine.loop.call_soon(self.relieve)

    def sweep(self, now: float) -> None:
        """Close what nobody has used for a while; all that is at rest, where connections are not to be kept."""
        longest_s = 0.0 if self.terms.max_idle == 1 else IDLE_S
        for connection in list(self.open):
            if connection.resting and now - connection.used > longest_s:
                connection.close()

    def stop(self) -> None:
        """Close what is at rest, and the others once they have answered."""
        self.stopped = True
        self.sweep(float("inf"))

    def abort(self) -> None:
        """Close everything, whoever waits."""
        for asker in self._queue:
            asker.bucket.discard(asker)
        self._queue.clear()
        for connection in list(self.open):
            connection.drop()

    def _connect(self) -> HttpsConnection:
        sock = open_socket(socket.SOCK_STREAM, "tcp", self.host, self.remote, self.terms.source)
        code = sock.connect_ex((self.host, self.port))
        if code not in (0, errno.EINPROGRESS):
            sock.close()
            raise DialFailed(self.refusal(code))
        connection = HttpsConnection(self, sock)
        self.open[connection] = None
        return connection

    def refusal(self, code: int) -> str:
        """Return Go's text for a failed connect."""
        return texts.dialling("tcp", self.terms.source, self.remote, "connect", OSError(code, ""))
