"""PROXY protocol headers, versions 1 and 2, as haproxy's doc/proxy-protocol.txt (2020/03/05) has them.

1. Nothing is believed here: whose headers count is the policy's to say.
2. What follows a signature and cannot be read raises Malformed with the reference's text, whatever the octets.
3. A header without addresses (LOCAL, UNKNOWN, UNIX) leaves the connection its own.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import Final, NamedTuple

from ..address import Address

SIGNATURE_1: Final = b"PROXY"
SIGNATURE_2: Final = b"\r\n\r\n\0\r\nQUIT\n"
MAX_LINE_BYTES: Final = 107  # §2.1
HEAD_BYTES: Final = 16  # §2.2: signature, version and command, family and protocol, length
MAX_BYTES: Final = 4096  # of a whole version 2 header on a stream; addresses take 36, the rest are TLVs
_LOCAL, _PROXY = 0x20, 0x21
_INET, _INET6, _UNIX = 1, 2, 3
_ADDRESSES: Final = {_INET: 12, _INET6: 36, _UNIX: 216}  # octets
_STREAM, _DATAGRAM = 1, 2
_FAMILIES: Final = {b"TCP4": 4, b"TCP6": 6}
_MAPPED: Final = bytes(10) + b"\xff\xff"


class Malformed(Exception):
    """A header that cannot be read, or must not be there."""


class Header(NamedTuple):
    """`size` octets, the two ends it speaks of (None: those of the connection), and whether it is about a datagram."""

    size: int
    source: Address | None = None
    target: Address | None = None
    datagram: bool = False
    version: int = 2
    kind: int = 0  # family and protocol as version 2 writes them


def on_stream(data: bytes) -> Header | int | None:
    """Return the header at the start of a stream, None where there is none, or how many octets it takes to tell.

    Raises Malformed.
    """
    if data[:12] == SIGNATURE_2[: len(data)]:
        if len(data) < HEAD_BYTES:
            return HEAD_BYTES
        size = _whole(data)
        if size > MAX_BYTES:
            raise Malformed("proxyproto: invalid length")
        return _version_2(data, size) if len(data) >= size else size
    if data[:5] == SIGNATURE_1[: len(data)]:
        return _version_1(data) if len(data) >= len(SIGNATURE_1) else len(SIGNATURE_1)
    return None


def on_datagram(data: bytes) -> Header | None:
    """Return the header at the start of a datagram, None where there is none. Raises Malformed."""
    try:
        header = _at_start(data)
    except Malformed as error:
        raise Malformed(f"parsing Proxy Protocol header (packet size: {len(data)}): {error}") from None
    if header is None:
        return None
    if header.version != 2:
        raise Malformed(f"unsupported Proxy Protocol version {header.version} (only v2 supported for UDP)")
    if not header.datagram:
        text = f"PROXY Protocol header is not UDP type (transport protocol: {header.kind:#x})"
        raise Malformed(text)
    return header


def _at_start(data: bytes) -> Header | None:
    if data.startswith(SIGNATURE_2):
        if len(data) < HEAD_BYTES:
            raise Malformed("proxyproto: can't read proxy protocol version and command")
        size = _whole(data)
        if len(data) < size:
            raise Malformed("proxyproto: invalid length")
        return _version_2(data, size)
    return _version_1(data) if data.startswith(SIGNATURE_1) else None


def _version_1(data: bytes) -> Header:
    """Read `PROXY TCP4|TCP6|UNKNOWN SOURCE TARGET PORT PORT`, which must have come whole."""
    end = data.find(b"\n", 0, MAX_LINE_BYTES) + 1
    if not end:
        long = len(data) >= MAX_LINE_BYTES
        text = "version 1 header must be 107 bytes or less" if long else "can't read version 1 header"
        raise Malformed(f"proxyproto: {text}")
    if data[end - 2 : end] != b"\r\n":
        raise Malformed(r"proxyproto: version 1 header is invalid, must end with \r\n")
    words = data[: end - 2].split(b" ")
    if words[0] == SIGNATURE_1 and words[1:2] == [b"UNKNOWN"]:
        return Header(end, version=1)
    family = _FAMILIES.get(words[1]) if words[0] == SIGNATURE_1 and len(words) >= 6 else None
    if family is None:
        raise Malformed("proxyproto: can't read address family or protocol")
    source, target = (_literal(word, family) for word in words[2:4])
    ports = [_port(word) for word in words[4:6]]
    return Header(end, Address(source, ports[0]), Address(target, ports[1]), version=1)


def _literal(word: bytes, family: int) -> str:
    try:
        found = ipaddress.ip_address(word.decode("ascii"))
    except ValueError:
        raise Malformed("proxyproto: invalid address") from None
    if found.version != family:
        raise Malformed("proxyproto: invalid address")
    return _ip(found.packed)


def _port(word: bytes) -> int:
    if not word.isdigit() or len(word) > 5 or int(word) > 65535:
        raise Malformed("proxyproto: invalid port number")
    return int(word)


def _whole(data: bytes) -> int:
    """Judge the fixed part of a version 2 header; return the size of the whole."""
    command, kind = data[12], data[13]
    length = (data[14] << 8) | data[15]
    if command not in (_LOCAL, _PROXY):
        raise Malformed("proxyproto: unsupported proxy protocol version and command")
    if command == _PROXY:
        family, protocol = kind >> 4, kind & 15
        if kind == 0:
            raise Malformed("proxyproto: unsupported address family and protocol")
        if length < _ADDRESSES.get(family, 1 << 16):
            raise Malformed("proxyproto: invalid length")
        if protocol not in (_STREAM, _DATAGRAM):
            raise Malformed("proxyproto: unsupported address family and protocol")
    return HEAD_BYTES + length


def _version_2(data: bytes, size: int) -> Header:
    kind = data[13]
    family, datagram = kind >> 4, kind & 15 == _DATAGRAM
    if data[12] == _LOCAL or family == _UNIX:  # §2.2: the real ends of the connection count
        return Header(size, datagram=datagram and family in (_INET, _INET6), kind=kind)
    octets = 4 if family == _INET else 16
    at = HEAD_BYTES + 2 * octets
    source, target = data[HEAD_BYTES : HEAD_BYTES + octets], data[HEAD_BYTES + octets : at]
    return Header(
        size,
        Address(_ip(source), (data[at] << 8) | data[at + 1]),
        Address(_ip(target), (data[at + 2] << 8) | data[at + 3]),
        datagram,
        kind=kind,
    )


def _ip(packed: bytes) -> str:
    if packed[:12] == _MAPPED:
        packed = packed[12:]
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)
