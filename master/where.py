"""Addresses to listen on: what the kernel is asked for, and how the reference names it in its errors."""

from __future__ import annotations

import errno
import os
import socket
from functools import cache
from typing import Literal, NamedTuple

from shardns.config.model import Listening

Kind = Literal["udp", "tcp"]

KINDS: dict[str, tuple[Kind, ...]] = {
    "dns": ("tcp", "udp"),
    "tls": ("tcp",),
    "https": ("tcp",),
    "grpc": ("tcp",),
    "quic": ("udp",),
    "https3": ("udp",),
}
WILDCARDS = ("", "::", "0.0.0.0")  # Go listens on all of them with one dual-stack socket
_SO_RCVBUFFORCE = 33
_IP_PKTINFO = 8
_IPV6_RECVPKTINFO = 49
RECEIVE_BYTES = 4 << 20  # holds 20 ms of small queries at any rate one worker can answer
BACKLOG = 4096


class Where(NamedTuple):
    """One kernel address. `host` is numeric; `dual` asks for IPv4 on the IPv6 wildcard, too; `text` is Go's form.

    `scheme` keeps listeners of different transports apart that name the same address: as in the reference both start.
    """

    kind: Kind
    host: str
    port: int
    dual: bool
    text: str
    scheme: str = "dns"

    @property
    def wildcard(self) -> bool:
        """Whether it takes packets to any local address."""
        return self.host in WILDCARDS


class ListenError(Exception):
    """An address that cannot be listened on; the text is the reference's."""

    def __init__(self, where: Where, error: OSError, *, plain: bool = False) -> None:
        call = "Listen" if where.kind == "tcp" else "ListenPacket"
        text = f"listen {where.kind} {where.text}: bind: {reason(error)}"
        super().__init__(text if plain else f"{call}: {text}")


def reason(error: OSError) -> str:
    """Return an error's text as Go prints it."""
    return os.strerror(error.errno or errno.EIO).lower()


@cache
def has_ipv6() -> bool:
    """Tell whether the machine can open IPv6 sockets."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::", 0))
    except OSError:
        return False
    return True


def places(listening: Listening, all_of: tuple[Listening, ...]) -> list[Where]:
    """Return the kernel addresses of a listener. Both wildcards on one port are kept apart by family."""
    host, port = listening.host, listening.port
    text = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    both = {one.host for one in all_of if one.port == port} >= {"::", "0.0.0.0"}
    dual = host in WILDCARDS and has_ipv6() and not (both and host)
    if host in WILDCARDS and not both:
        host = "::" if has_ipv6() else "0.0.0.0"
    scheme = listening.transport
    return [Where(kind, host or "::", port, dual, text, scheme) for kind in KINDS.get(scheme, ())]


def endpoint(address: str) -> Where:
    """Return the kernel address of an HTTP endpoint, names resolved. Raises OSError; ask it of the checker only."""
    host, _, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if host in WILDCARDS:
        family = has_ipv6()
        return Where("tcp", "::" if family else "0.0.0.0", int(port), family, address, "http")
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    found.sort(key=lambda entry: entry[0] != socket.AF_INET)  # the reference takes the first IPv4 address of a name
    numeric, number = str(found[0][4][0]), int(found[0][4][1])
    text = f"[{numeric}]:{number}" if ":" in numeric else f"{numeric}:{number}"
    return Where("tcp", numeric, number, False, text, "http")


def create(where: Where, *, share: bool = True) -> socket.socket:
    """Return an unbound socket with every option set; without `share` it refuses an address that others hold."""
    family = socket.AF_INET6 if ":" in where.host else socket.AF_INET
    if where.kind == "tcp":
        sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of an earlier server do not count
    else:
        sock = socket.socket(family, socket.SOCK_DGRAM, socket.IPPROTO_UDP)
        if where.wildcard and family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVPKTINFO, 1)
        elif where.wildcard:
            sock.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if where.dual else 1)
    if share:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.setblocking(False)
    return sock


def bind(sock: socket.socket, where: Where, port: int) -> None:
    """Bind; a link-local address brings its interface behind `%`. Raises OSError."""
    sock.bind(socket.getaddrinfo(where.host, port, flags=socket.AI_NUMERICHOST, type=sock.type)[0][4])


def enlarge(sock: socket.socket) -> int:
    """Ask for `RECEIVE_BYTES` of receive buffer; returns what was granted."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, RECEIVE_BYTES)
    except OSError:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
    return sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2  # the kernel doubles it for its book-keeping
