"""Who talks to whom on a connection: the client's end and ours, as the kernel or a PROXY header says."""

from __future__ import annotations

import math
import socket
from typing import NamedTuple

from .address import Address, to_sockaddr


class Ends(NamedTuple):
    """`sender` is the client's kernel address, `peer` the same for people; `local` is our end.

    `until` bounds the time of the first message (monotonic s) where a wait for a header was part of it.
    """

    sender: bytes
    peer: Address
    local: Address
    until: float = math.inf

    @property
    def family(self) -> int:
        """1 for IPv4, 2 for IPv6: the client's."""
        return self.peer.family


def of(conn: socket.socket) -> Ends | None:
    """Return the ends of an accepted socket, None where its client is gone again."""
    try:
        peer, local = conn.getpeername(), conn.getsockname()
    except OSError:
        return None
    ip = peer[0].removeprefix("::ffff:")
    scope = peer[3] if len(peer) > 3 and ":" in ip else 0
    return Ends(
        to_sockaddr(ip, peer[1], scope), Address(ip, peer[1]), Address(local[0].removeprefix("::ffff:"), local[1])
    )
