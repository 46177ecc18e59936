"""DNS over TCP: the listening sockets of a worker's slot. What becomes of a connection is in `connection`.

Connections are bounded (`crowd`): past that, or where no descriptor is free, the one idle longest makes room.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from .dispatch import Dispatch
from .encrypted import Encrypted
from .ends import Ends, of
from .memo import Budget, Memo
from .places import Places, Tenant
from .proxyproto.policy import Policy
from .proxyproto.stream import admit

if TYPE_CHECKING:
    from .run import Worker

MAX_ACCEPTS = 64  # a turn of the event loop
UNSENT_BYTES = 1 << 17  # of answers kept in the kernel for a client that does not take them
PAUSE_S = 0.1  # before the next try where no descriptor is free
FULL_S = 0.05  # before the next try where all places of the listener are taken
MAX_YIELDS = 32  # connections that make place at a time
FULL = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class TcpSocket:
    """One listening socket of this worker's slot, and its connections."""

    def __init__(
        self,
        worker: Worker,
        sock: socket.socket,
        dispatch: Dispatch,
        budget: Budget | None,
        accepted: Callable[[TcpSocket, Ends], asyncio.Protocol],
        context: ssl.SSLContext | None = None,
        policy: Policy | None = None,
        places: Places | None = None,
    ) -> None:
        self.worker = worker
        self.accepted = accepted
        self.context = context
        self.policy = policy
        self.places = places
        self.sock = sock
        self.dispatch = dispatch
        self.memos = (Memo(budget), Memo(budget)) if budget is not None else None
        self.reading = False
        # Accepted sockets inherit both. asyncio sets the first only where it knows the protocol; without it an answer
        # may wait 40 ms for the acknowledgement of the one before.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # Without the second the kernel takes megabytes for each client that never reads.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)

    def start(self) -> None:
        """Begin to accept."""
        self.reading = True
        self.worker.crowd.watch()
        self._listen()

    def stop(self) -> None:
        """Stop accepting; idle connections end now, the others after the query under way."""
        self.reading = False
        asyncio.get_running_loop().remove_reader(self.sock.fileno())
        for connection in self.worker.crowd:
            connection.end(self)

    def _listen(self) -> None:
        if self.reading:
            asyncio.get_running_loop().add_reader(self.sock.fileno(), self._accept)

    def _accept(self) -> None:
        loop, crowd = asyncio.get_running_loop(), self.worker.crowd
        for _ in range(MAX_ACCEPTS):
            if self.places is not None and not self.places.free():
                self._wait_for_place()
                return
            try:
                conn, _ = self.sock.accept()
            except OSError as error:
                if error.errno in FULL and not crowd.make_room():
                    loop.remove_reader(self.sock.fileno())
                    loop.call_later(PAUSE_S, self._listen)
                return
            conn.setblocking(False)
            if self.places is not None:
                conn = self.places.take(conn)
            if len(crowd) >= crowd.most:
                crowd.make_room()
            ends = of(conn)
            if ends is None:
                conn.close()
                continue
            if self.policy is not None:
                admit(self, self.policy, conn, ends)
            else:
                self.open(conn, ends)

    def _wait_for_place(self) -> None:
        """Leave who comes in the backlog until somebody goes; who has asked nothing for a while has to."""
        loop, now = asyncio.get_running_loop(), time.monotonic()
        loop.remove_reader(self.sock.fileno())
        loop.call_later(FULL_S, self._listen)
        idle = [guest for guest in self.worker.crowd if isinstance(guest, Tenant) and guest.yields(self, now)]
        for guest in idle[:MAX_YIELDS]:
            guest.close()

    def open(self, conn: socket.socket, ends: Ends) -> None:
        """Serve an accepted connection."""
        make: Callable[[], asyncio.Protocol] = partial(self.accepted, self, ends)
        if self.context is not None:
            make = partial(Encrypted, self, make, ends.until)
        loop = asyncio.get_running_loop()
        self.worker.spawn(loop.connect_accepted_socket(make, conn))
