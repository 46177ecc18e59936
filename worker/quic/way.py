"""How datagrams go between a client and us."""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple

from ..address import Address, from_sockaddr, to_sockaddr

NAMED_FAMILY = 2  # as which a client counts that a PROXY header names, whatever it is (spec proxyproto)


class Way(NamedTuple):
    """Where datagrams come from and answers go to, and packet info for our end where the socket has many addresses.

    `named` is the client's address as the kernel would write it, where a PROXY header tells it: the other end is then
    a proxy's.
    """

    address: tuple[str, int] | tuple[str, int, int, int]
    source: bytes = b""
    named: bytes | None = None

    @property
    def peer(self) -> Address:
        """The client's end."""
        if self.named is not None:
            return from_sockaddr(self.named)
        return Address(self.address[0].removeprefix("::ffff:"), self.address[1])

    @property
    def family(self) -> int:
        """1 for a client of IPv4, 2 for others."""
        return NAMED_FAMILY if self.named is not None else self.peer.family

    @property
    def name(self) -> bytes:
        """The other end as the kernel writes it."""
        scope = self.address[3] if len(self.address) == 4 else 0
        return to_sockaddr(self.address[0], self.address[1], scope)

    @property
    def sender(self) -> bytes:
        """The client's end as the kernel writes it."""
        return self.name if self.named is None else self.named

    @classmethod
    def of(cls, name: bytes, source: bytes, named: bytes | None) -> Way:
        """Return the way to an address as the kernel writes it."""
        port = int.from_bytes(name[2:4], "big")
        if len(name) < 28:
            return cls((socket.inet_ntop(socket.AF_INET, name[4:8]), port), source, named)
        scope = struct.unpack("=I", name[24:28])[0]
        return cls((socket.inet_ntop(socket.AF_INET6, name[8:24]), port, 0, scope), source, named)
