"""Ends of a conversation: an IP address and a port, with the family as metrics and placeholders want it."""

from __future__ import annotations

import socket
from typing import NamedTuple


class Address(NamedTuple):
    """`ip` is presentation form without brackets, an IPv4-mapped IPv6 address already turned into IPv4."""

    ip: str
    port: int

    @property
    def family(self) -> int:
        """1 for IPv4, 2 for IPv6."""
        return 2 if ":" in self.ip else 1

    @property
    def packed(self) -> bytes:
        """The 4 or 16 octets of the address; a zone index is left out."""
        if ":" in self.ip:
            return socket.inet_pton(socket.AF_INET6, self.ip.partition("%")[0])
        return socket.inet_pton(socket.AF_INET, self.ip)

    @property
    def host(self) -> str:
        """The address as it stands in URLs and log lines: IPv6 in brackets."""
        return f"[{self.ip}]" if ":" in self.ip else self.ip

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"
