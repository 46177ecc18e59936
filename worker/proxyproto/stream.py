"""PROXY headers on connections: looked at before anything else reads, TLS too.

1. The octets are peeked at and only a header is taken out of the socket, so whoever reads next finds what the client
   said, and the event loop is woken (SO_RCVLOWAT) only when there is enough to tell.
2. No header is ever required. Until it is clear whether there is one, the connection is a guest like the others: it may
   have to make room or give up its place, and ends with the listener's read time-out, which HTTP and gRPC count from
   behind the header alone.
3. Where no signature has come in time there is no header: the connection is let in as it is, for what is left of the
   read time-out.
"""

from __future__ import annotations

import asyncio
import math
import socket
import time
from typing import TYPE_CHECKING, Final

from ..address import to_sockaddr
from ..ends import Ends
from ..places import IDLE_S, SILENT_S, Tenant
from .header import MAX_BYTES, SIGNATURE_2, Header, Malformed, on_stream
from .policy import Policy, Verdict

if TYPE_CHECKING:
    from ..tcp import TcpSocket

INSPECT_S: Final = 10.0  # the longest wait for a header
LINGER_S: Final = 0.2  # for a client that has said nothing when the listener drains
COUNTING: Final = ("dns", "tls")  # the read time-out from the moment of acceptance


def admit(server: TcpSocket, policy: Policy, conn: socket.socket, ends: Ends) -> None:
    """Let a connection in, behind its header."""
    verdict = policy.verdict(ends.peer)
    if verdict is Verdict.SKIP:
        server.open(conn, ends)
    else:
        Inspection(server, conn, ends, verdict).begin()


class Inspection(Tenant):
    """A connection that has not shown yet whether it begins with a header."""

    def __init__(self, server: TcpSocket, conn: socket.socket, ends: Ends, verdict: Verdict) -> None:
        self.server = server
        self.conn = conn
        self.ends = ends
        self.verdict = verdict
        self.since = time.monotonic()
        listener = server.dispatch.listener
        self.until = self.since + listener.read_s if listener.transport in COUNTING else math.inf
        self.deadline = min(self.since + INSPECT_S, self.until)
        self.held = 0
        self._crowd = server.worker.crowd
        self._loop = asyncio.get_running_loop()
        self._wanted = 1

    def begin(self) -> None:
        """Look at what has come already; wait for more where it takes more."""
        self._crowd.touch(self)
        if not self.server.reading:
            self.end(self.server)
        self._loop.add_reader(self.conn.fileno(), self._look)
        self._look()

    def _look(self) -> None:
        try:
            data = self.conn.recv(MAX_BYTES, socket.MSG_PEEK)
            found = on_stream(data) if data else None
        except BlockingIOError:
            return
        except (OSError, Malformed):
            self.abort()
            return
        if not isinstance(found, int):
            self._pass(found)
        elif found > self._wanted:
            self._wanted = found
            self.conn.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, found)
        elif len(data) < self._wanted:  # woken nevertheless: the client sends no more
            self._pass(None)

    def _pass(self, header: Header | None) -> None:
        """Let the connection in, as whom the header says it is."""
        if header is not None and self.verdict is Verdict.REJECT:
            self.abort()
            return
        conn = self._leave()
        ends = self.ends._replace(until=self.until)
        try:
            conn.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
            if header is not None:
                conn.recv(header.size)
        except OSError:
            conn.close()
            return
        if header is not None and self.verdict is Verdict.USE and header.source and header.target:
            ends = Ends(to_sockaddr(*header.source), header.source, header.target, self.until)
        self.server.open(conn, ends)

    def _leave(self) -> socket.socket:
        self._loop.remove_reader(self.conn.fileno())
        self._crowd.discard(self)
        return self.conn

    def end(self, server: object) -> None:
        """Where it came through this listener, wait only a moment longer."""
        if server is self.server:
            self.deadline = min(self.deadline, time.monotonic() + LINGER_S)

    def yields(self, server: object, now: float) -> bool:
        """Tell whether it may make place for another client."""
        idle_s = SILENT_S if self._wanted == 1 else IDLE_S
        return server is self.server and now - self.since > idle_s

    def close(self) -> None:
        """Let it in without a header where only the time for one is over; else close it."""
        if self.since + INSPECT_S <= time.monotonic() < self.until and not self._is_signed():
            self._pass(None)
        else:
            self.abort()

    def _is_signed(self) -> bool:
        """Tell whether a header has begun for certain."""
        try:
            return self.conn.recv(len(SIGNATURE_2), socket.MSG_PEEK) == SIGNATURE_2
        except OSError:  # nothing has come
            return False

    def abort(self) -> None:
        """Close it."""
        self._leave().close()
