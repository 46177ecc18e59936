"""Addresses of other servers, as `transfer` and `secondary` take them."""

from __future__ import annotations

import ipaddress
from typing import Final

from ..hostport import trouble

PORT: Final = 53

Peer = tuple[str, int]


def peer(text: str) -> Peer:
    """Return the address and port of another server: `IP`, `IP:PORT` or `[IPv6]:PORT`.

    Raises ValueError with the reference's text, which names the address alone where there is a port.
    """
    if _is_address(text):
        return text, PORT
    host, port = text, ""
    if not trouble(text):
        host, _, port = text.rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
    if host == text or not _is_address(host):
        raise ValueError(f"must specify an IP address: `{host}'")
    if port and not (port.isascii() and port.isdigit() and int(port) <= 65535):
        raise ValueError(f"address {port}: invalid port")
    return host, int(port or PORT)


def peer_text(peer: Peer) -> str:
    """Return `IP:PORT`, an IPv6 address in brackets."""
    host, port = peer
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _is_address(text: str) -> bool:
    """Tell whether a text is an address; IPv6 may have a scope."""
    try:
        return bool(ipaddress.ip_address(text))
    except ValueError:
        return False
