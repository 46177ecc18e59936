"""Ends of a conversation: an IP address and a port, with the family as metrics and placeholders want it."""

from __future__ import annotations

import socket
import sys
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
    def packed_v6(self) -> bytes:
        """The 16 octets of the address, an IPv4 one mapped (RFC 4291 §2.5.5.2)."""
        return _MAPPED + self.packed if self.family == 1 else self.packed

    @property
    def host(self) -> str:
        """The address as it stands in URLs and log lines: IPv6 in brackets."""
        return f"[{self.ip}]" if ":" in self.ip else self.ip

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


_MAPPED = b"\0" * 10 + b"\xff\xff"


def from_sockaddr(raw: bytes) -> Address:
    """Read a kernel socket address (`struct sockaddr_in` or `sockaddr_in6`)."""
    port = (raw[2] << 8) | raw[3]
    if len(raw) < 28:
        return Address(socket.inet_ntop(socket.AF_INET, raw[4:8]), port)
    if raw[8:20] == _MAPPED:
        return Address(socket.inet_ntop(socket.AF_INET, raw[20:24]), port)
    ip = socket.inet_ntop(socket.AF_INET6, raw[8:24])
    scope = int.from_bytes(raw[24:28], sys.byteorder)
    return Address(f"{ip}%{scope}" if scope and ip.startswith("fe80") else ip, port)


def to_sockaddr(ip: str, port: int, scope: int = 0) -> bytes:
    """Write the kernel's form of an address; the inverse of `from_sockaddr` for unmapped addresses."""
    if ":" in ip:
        head = socket.AF_INET6.to_bytes(2, sys.byteorder) + port.to_bytes(2, "big") + bytes(4)
        return head + socket.inet_pton(socket.AF_INET6, ip.partition("%")[0]) + scope.to_bytes(4, sys.byteorder)
    head = socket.AF_INET.to_bytes(2, sys.byteorder) + port.to_bytes(2, "big")
    return head + socket.inet_pton(socket.AF_INET, ip) + bytes(8)
