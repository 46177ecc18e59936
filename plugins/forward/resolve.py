"""Host names among the TOs, resolved once at set-up: through given resolvers, else as the system does.

Runs in the checker, which may wait; every wait here is bounded.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import time
from collections.abc import Sequence
from typing import Final

from shardns.config.golang import quote
from shardns.worker.address import Address
from shardns.worker.wire.codes import AAAA, RD, A
from shardns.worker.wire.message import asks, decode
from shardns.worker.wire.names import from_text
from shardns.worker.wire.question import question
from shardns.worker.wire.read import Malformed

from . import texts

TIMEOUT_S: Final = 2.0
_LENGTHS: Final = {A: 4, AAAA: 16}


class Unresolved(OSError):
    """A name without addresses; the text is the reference's."""


def lookup(host: str, resolvers: Sequence[str]) -> list[str]:
    """Return the IPv4 addresses of a host, then its IPv6 addresses. Raises OSError."""
    return _ask_all(host, resolvers) if resolvers else _system(host)


def _system(host: str) -> list[str]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise Unresolved(f"lookup {host}: no such host") from None
    addresses = dict.fromkeys(str(entry[4][0]) for entry in found)
    return sorted(addresses, key=lambda ip: ":" in ip)


def _ask_all(host: str, resolvers: Sequence[str]) -> list[str]:
    """Ask the resolvers in turn until one knows an address."""
    last = ""
    for resolver in resolvers:
        ips: list[str] = []
        try:
            for qtype in (A, AAAA):
                ips += ask(host, qtype, resolver)
        except OSError as error:
            if not ips:
                last = f": {error}"
                continue
        if ips:
            return ips
    raise Unresolved(f"no addresses found for {quote(host)}{last}")


def ask(host: str, qtype: int, resolver: str) -> list[str]:
    """Return the addresses in one resolver's answer. Raises OSError with Go's text."""
    ip, port = _endpoint(resolver)
    remote = str(Address(ip, port))
    owner = from_text(host if host.endswith(".") else host + ".")
    ident = int.from_bytes(os.urandom(2), "big")
    with socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET, socket.SOCK_DGRAM) as sock:
        deadline = time.monotonic() + TIMEOUT_S
        try:
            sock.connect((ip, port))
            sock.send(question(ident, RD, owner, qtype))
            while (left := deadline - time.monotonic()) > 0:
                sock.settimeout(left)
                data = sock.recv(65535)
                if data[:2] == ident.to_bytes(2, "big") and asks(data, owner, qtype, 1):
                    return _addresses(data, qtype)
        except TimeoutError:
            pass
        except OSError as error:
            raise Unresolved(texts.during("read", "udp", sock, remote, error)) from None
        raise Unresolved(texts.timed_out("udp", sock, remote))


def _addresses(data: bytes, qtype: int) -> list[str]:
    try:
        reply = decode(data)
    except Malformed:
        raise Unresolved(texts.BAD_RDATA) from None
    return [
        str(ipaddress.ip_address(rdata))
        for rrset in reply.answer
        if rrset.rtype == qtype
        for rdata in rrset.rdatas
        if len(rdata) == _LENGTHS[qtype]
    ]


def _endpoint(resolver: str) -> tuple[str, int]:
    """Split `IP` or `IP:port`; port 53 where none is given."""
    if resolver.startswith("["):
        ip, _, port = resolver[1:].partition("]:")
        return ip.removesuffix("]"), int(port or 53)
    if resolver.count(":") == 1:
        ip, _, port = resolver.partition(":")
        return ip, int(port or 53)
    return resolver, 53
