"""DNS messages in gRPC exchanges: `DnsPacket { bytes msg = 1; }`, framing, statuses and timeouts (gRPC over HTTP/2).

The service is CoreDNS's: `coredns.dns.DnsService`, method `Query`, a packet each way.
"""

from __future__ import annotations

import re
from enum import IntEnum
from typing import Final
from urllib.parse import unquote_to_bytes

from ..h2.hpack import Field

PATH: Final = b"/coredns.dns.DnsService/Query"
SERVICE: Final = b"coredns.dns.DnsService"
CONTENT_TYPE: Final = b"application/grpc"
MAX_MESSAGE_BYTES: Final = 65535  # of a DNS message
MAX_PACKET_BYTES: Final = 65539  # of a DnsPacket: as much, a tag and a length
HEAD_BYTES: Final = 5  # whether it is compressed, and the length
_TAG: Final = 0x0A  # field 1, octets
_TIMEOUT: Final = re.compile(rb"([0-9]{1,8})([HMSmun])")
_UNIT_S: Final = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
_VARINT, _FIXED64, _OCTETS, _FIXED32 = 0, 1, 2, 5


class Status(IntEnum):
    """How a call ended (gRPC's status codes)."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


NAMES: Final = {code: "".join(part.capitalize() for part in code.name.split("_")) for code in Status} | {
    Status.OK: "OK",
    Status.CANCELLED: "Canceled",
}


class CallError(Exception):
    """A call that fails; the text is for its caller."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text

    def __str__(self) -> str:
        """The error as the reference's library prints it."""
        known = NAMES.get(Status(self.status)) if self.status in Status._value2member_map_ else None
        return f"rpc error: code = {known or f'Code({self.status})'} desc = {self.text}"


# Packets --------------------------------------------------------------------------------------------------------------


def framed(message: bytes) -> bytes:
    """Return a DNS message as a body."""
    size = len(message)
    length = _varint(size)
    return (size + len(length) + 1).to_bytes(5, "big") + b"\x0a" + length + message if size else bytes(5)


def framed_parts(ident: bytes, answer: bytes) -> bytes:
    """Return an answer (without its ID) as a body."""
    size = len(answer) + 2
    length = _varint(size)
    return b"".join(((size + len(length) + 1).to_bytes(5, "big"), b"\x0a", length, ident, answer))


def length(head: bytes) -> int:
    """Return the length of the packet behind the five octets. Raises CallError for one that cannot be read."""
    if head[0]:
        raise CallError(Status.INTERNAL, "grpc: compressed flag set with identity or empty encoding")
    size = int.from_bytes(head[1:HEAD_BYTES], "big")
    if size > MAX_PACKET_BYTES:
        text = f"grpc: received message larger than max ({size} vs. {MAX_PACKET_BYTES})"
        raise CallError(Status.RESOURCE_EXHAUSTED, text)
    return size


def unpacked(packet: bytes) -> bytes:
    """Return the DNS message of a packet, empty where it has none. Raises CallError."""
    try:
        if packet[:1] == b"\x0a":  # the usual: this field alone
            size, at = _read_varint(packet, 1)
            if at + size == len(packet):
                return packet[at:]
        return _field_1(packet)
    except (IndexError, ValueError):
        raise CallError(Status.INTERNAL, "grpc: error unmarshalling request: proto: cannot parse the packet") from None


def _field_1(packet: bytes) -> bytes:
    """Walk all fields; of several the last one counts, others are passed over."""
    found = b""
    at = 0
    while at < len(packet):
        tag, at = _read_varint(packet, at)
        if not tag >> 3:
            raise ValueError(tag)
        match tag & 7:
            case 0:
                size = _read_varint(packet, at)[1] - at
            case 1:
                size = 8
            case 2:
                size, at = _read_varint(packet, at)
            case 5:
                size = 4
            case _:
                raise ValueError(tag)
        if at + size > len(packet):
            raise ValueError(size)
        if tag == _TAG:
            found = packet[at : at + size]
        at += size
    return found


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        octet = data[at]
        at += 1
        value |= (octet & 0x7F) << shift
        if octet < 0x80:
            return value, at
    raise ValueError("a number that is too large")


# Header fields --------------------------------------------------------------------------------------------------------


def status_fields(status: int, text: str) -> list[Field]:
    """Return the trailers that tell how a call ended."""
    fields: list[Field] = [(b"grpc-status", b"%d" % status)]
    if text:
        fields.append((b"grpc-message", escaped(text)))
    return fields


def escaped(text: str) -> bytes:
    """Write a status text: printable ASCII as it is but for the percent sign, other octets by their numbers."""
    octets = text.encode("utf-8", "surrogateescape")
    return b"".join(bytes((o,)) if 0x20 <= o <= 0x7E and o != 0x25 else b"%%%02X" % o for o in octets)


def unescaped(value: bytes) -> str:
    """Read a status text."""
    return unquote_to_bytes(value).decode("utf-8", "replace")


def timeout_s(value: bytes) -> float:
    """Return how long a call may take. Raises CallError."""
    found = _TIMEOUT.fullmatch(value)
    if found is None:
        raise CallError(Status.INTERNAL, "malformed grpc-timeout")
    return int(found[1]) * _UNIT_S[found[2]]


def timeout_value(seconds: float) -> bytes:
    """Write how long a call may take, in microseconds up to a minute and a half, else in milliseconds."""
    micros = max(int(seconds * 1e6), 1)
    return b"%du" % micros if micros < 10**8 else b"%dm" % min(micros // 1000, 10**8 - 1)


def is_grpc(content_type: bytes) -> bool:
    """Tell whether a content type is gRPC's: alone, with a codec behind `+`, or with parameters."""
    lower = content_type.lower()
    return lower == CONTENT_TYPE or (lower.startswith(CONTENT_TYPE) and lower[len(CONTENT_TYPE) :][:1] in b"+;")
