"""Zone texts → names: `example.org`, `tls://example.org:853`, `10.0.0.0/15` (spec core §2.6).

1. A port is the text after the last colon if it is an integer; any other tail belongs to the name.
2. A network becomes reverse zones; off a label's boundary it becomes every sub-zone at the next one.
"""

from __future__ import annotations

import ipaddress

from .golang import integer, quote
from .names import from_text

TRANSPORTS = {"dns": 53, "tls": 853, "quic": 853, "grpc": 443, "https": 443, "https3": 443, "unix": 0}  # default ports
MAX_TEXT = 255  # octets; the reference measures the text


def split_transport(text: str) -> tuple[str, str]:
    """Cut a known `scheme://` off; letter case counts, anything else belongs to the name."""
    for scheme in TRANSPORTS:
        if text.startswith(f"{scheme}://"):
            return scheme, text[len(scheme) + 3 :]
    return "dns", text


def split_port(text: str) -> tuple[list[str], int | None]:
    """Return the zones (text) and the port of a key without its scheme; ValueError carries the reference's text."""
    if text.endswith(":"):
        raise ValueError(f"expecting data after last colon: {quote(text)}")
    head, colon, tail = text.rpartition(":")
    port = None
    if colon:
        try:
            port, text = integer(tail), head
        except ValueError:
            pass
    if (size := len(text.encode())) > MAX_TEXT:
        raise ValueError(f"specified zone is too long: {size} > 255")
    if not is_name(text):
        raise ValueError(f"zone is not a valid domain name: {text}")
    network = _network(text)
    if network is None:
        return [text], port
    if text[0] == ":" or (text[0] == "0" and ":" in text):
        raise ValueError(f"invalid CIDR {text}")
    return reverse(network), port


def is_name(text: str) -> bool:
    """Tell whether the text is a domain name: any octets, labels of at most 63, 255 in all."""
    try:
        return text == "@" or (text != "" and bool(from_text(text)))
    except ValueError:
        return False


def name(text: str) -> bytes:
    """Return the lower-case wire form; raises ValueError."""
    return b"\1@\0" if text in ("@", "@.") else from_text(text.lower()).lower()


def normalise(text: str) -> tuple[bytes, ...]:
    """Return the zones of a zone argument; none where it cannot be read."""
    try:
        found, _ = split_port(split_transport(text)[1])
        return tuple(name(zone) for zone in found)
    except ValueError:
        return ()


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    address, slash, bits = text.partition("/")
    if not slash or not bits.isascii() or not bits.isdecimal() or "%" in address:
        return None
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def reverse(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> list[str]:
    """Return the reverse zones of a network; at most 128 for IPv4, 8 for IPv6."""
    step = 8 if network.version == 4 else 4
    size = -(-network.prefixlen // step) * step
    keep = size // step
    return [_zone(subnet, keep) for subnet in network.subnets(new_prefix=size)]


def _zone(network: ipaddress.IPv4Network | ipaddress.IPv6Network, keep: int) -> str:
    parts = network.network_address.reverse_pointer.split(".")
    return ".".join(parts[len(parts) - 2 - keep :]) + "."
