"""PROXY headers as octets: what is read, what is refused, and that nothing else ever happens."""

from __future__ import annotations

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shardns.worker.address import Address
from shardns.worker.proxyproto.header import MAX_BYTES, SIGNATURE_2, Header, Malformed, on_datagram, on_stream

V4 = socket.inet_aton("203.0.113.7") + socket.inet_aton("198.51.100.1") + struct.pack("!HH", 4242, 53)
V6 = socket.inet_pton(socket.AF_INET6, "2001:db8::7") + socket.inet_pton(socket.AF_INET6, "2001:db8::1")
V6 += struct.pack("!HH", 4242, 53)
CLIENT, SERVER = Address("203.0.113.7", 4242), Address("198.51.100.1", 53)
DNS = bytes.fromhex("1234010000010000000000000161027070047465737400000100 01".replace(" ", ""))


def version_2(kind: int, block: bytes, command: int = 0x21, length: int | None = None) -> bytes:
    """Return a version 2 header."""
    return SIGNATURE_2 + struct.pack("!BBH", command, kind, len(block) if length is None else length) + block


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (version_2(0x11, V4), Header(28, CLIENT, SERVER, kind=0x11)),
        (version_2(0x12, V4), Header(28, CLIENT, SERVER, datagram=True, kind=0x12)),
        (version_2(0x11, V4 + b"\x03\0\x01x"), Header(32, CLIENT, SERVER, kind=0x11)),
        (version_2(0x21, V6), Header(52, Address("2001:db8::7", 4242), Address("2001:db8::1", 53), kind=0x21)),
        (
            version_2(0x21, bytes(10) + b"\xff\xff" + V4[:4] + bytes(10) + b"\xff\xff" + V4[4:]),
            Header(52, CLIENT, SERVER, kind=0x21),
        ),
        (version_2(0x31, bytes(216)), Header(232, kind=0x31)),
        (version_2(0, b"", 0x20), Header(16, kind=0)),
        (version_2(0x11, V4, 0x20), Header(28, kind=0x11)),
        (b"PROXY TCP4 203.0.113.7 198.51.100.1 4242 53\r\n", Header(45, CLIENT, SERVER, version=1)),
        (b"PROXY TCP6 ::1 ::2 1 2\r\n", Header(24, Address("::1", 1), Address("::2", 2), version=1)),
        (b"PROXY UNKNOWN\r\n", Header(15, version=1)),
        (b"PROXY UNKNOWN ::1 ::2 1 2\r\n", Header(27, version=1)),
    ],
)
def test_a_header_on_a_stream_is_read(data: bytes, expected: Header) -> None:
    assert on_stream(data) == expected
    assert on_stream(data + DNS) == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\0\x1b" + DNS, None),
        (b"", 16),
        (b"P", 5),
        (b"PROX", 5),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", None),
        (b"POST /dns-query HTTP/1.1\r\n", None),
        (b"\r", 16),
        (b"\r\nx", None),
        (SIGNATURE_2, 16),
        (version_2(0x11, V4)[:15], 16),
        (version_2(0x11, V4)[:20], 28),
        (version_2(0x11, V4, length=4080)[:20], 4096),
        (b"\x16\x03\x01", None),
    ],
)
def test_what_it_takes_to_tell_is_said(data: bytes, expected: int | None) -> None:
    assert on_stream(data) == expected


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"PROXY TCP4 203.0.113.7 198.51.100.1 4242 5", "can't read version 1 header"),
        (b"PROXY " + b"x" * 200, "version 1 header must be 107 bytes or less"),
        (b"PROXY TCP4 203.0.113.7 198.51.100.1 4242 53\n", r"version 1 header is invalid, must end with \r\n"),
        (b"PROXY TCP5 203.0.113.7 198.51.100.1 4242 53\r\n", "can't read address family or protocol"),
        (b"PROXY TCP4 203.0.113.7 198.51.100.1 4242\r\n", "can't read address family or protocol"),
        (b"PROXY\r\n", "can't read address family or protocol"),
        (b"PROXY TCP4 ::1 198.51.100.1 4242 53\r\n", "invalid address"),
        (b"PROXY TCP6 203.0.113.7 ::1 4242 53\r\n", "invalid address"),
        (b"PROXY TCP4 203.0.113.700 198.51.100.1 4242 53\r\n", "invalid address"),
        (b"PROXY TCP4 \xff 198.51.100.1 4242 53\r\n", "invalid address"),
        (b"PROXY TCP4 203.0.113.7 198.51.100.1 65536 53\r\n", "invalid port number"),
        (b"PROXY TCP4 203.0.113.7 198.51.100.1 +1 53\r\n", "invalid port number"),
        (version_2(0x11, V4, 0x22), "unsupported proxy protocol version and command"),
        (version_2(0x11, V4, 0x11), "unsupported proxy protocol version and command"),
        (version_2(0x00, V4), "unsupported address family and protocol"),
        (version_2(0x10, V4), "unsupported address family and protocol"),
        (version_2(0x13, V4), "unsupported address family and protocol"),
        (version_2(0x41, V4), "invalid length"),
        (version_2(0x11, V4[:11]), "invalid length"),
        (version_2(0x21, V4), "invalid length"),
        (version_2(0x11, b"", length=MAX_BYTES), "invalid length"),
    ],
)
def test_a_wrong_header_on_a_stream_is_refused(data: bytes, complaint: str) -> None:
    with pytest.raises(Malformed) as caught:
        on_stream(data)
    assert str(caught.value) == f"proxyproto: {complaint}"


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (
            b"PROXY TCP4 203.0.113.7 198.51.100.1 4242 53\r\n",
            "unsupported Proxy Protocol version 1 (only v2 supported for UDP)",
        ),
        (version_2(0x11, V4), "PROXY Protocol header is not UDP type (transport protocol: 0x11)"),
        (version_2(0, b"", 0x20), "PROXY Protocol header is not UDP type (transport protocol: 0x0)"),
        (version_2(0x32, bytes(216)), "PROXY Protocol header is not UDP type (transport protocol: 0x32)"),
        (
            version_2(0x12, V4)[:27],
            "parsing Proxy Protocol header (packet size: 27): proxyproto: invalid length",
        ),
        (
            SIGNATURE_2,
            "parsing Proxy Protocol header (packet size: 12): "
            "proxyproto: can't read proxy protocol version and command",
        ),
    ],
)
def test_a_wrong_header_on_a_datagram_is_refused(data: bytes, complaint: str) -> None:
    with pytest.raises(Malformed) as caught:
        on_datagram(data)
    assert str(caught.value) == complaint


def test_a_datagram_without_header_has_none() -> None:
    assert on_datagram(DNS) is None
    assert on_datagram(b"") is None
    assert on_datagram(SIGNATURE_2[:11]) is None


def test_a_datagram_s_header_is_read() -> None:
    assert on_datagram(version_2(0x12, V4) + DNS) == Header(28, CLIENT, SERVER, datagram=True, kind=0x12)
    assert on_datagram(version_2(0x12, V4, 0x20) + DNS) == Header(28, datagram=True, kind=0x12)


@given(kind=st.integers(0, 255), command=st.integers(0, 255), block=st.binary(max_size=240), more=st.integers(-50, 50))
def test_any_version_2_header_is_read_or_refused(kind: int, command: int, block: bytes, more: int) -> None:
    length = min(max(len(block) + more, 0), 65535)
    data = version_2(kind, block, command, length)
    for read in (on_stream, on_datagram):
        try:
            found = read(data)
        except Malformed:
            continue
        if isinstance(found, Header):
            assert 16 <= found.size <= len(data)
            assert (found.source is None) == (found.target is None)
            assert command in (0x20, 0x21)
            assert found.source is None or (command == 0x21 and kind >> 4 in (1, 2) and kind & 15 in (1, 2))
        else:
            assert found is not None and found > len(data)


@given(st.binary(max_size=120))
def test_any_line_is_read_or_refused(rest: bytes) -> None:
    for read in (on_stream, on_datagram):
        try:
            found = read(b"PROXY" + rest)
        except Malformed:
            continue
        assert isinstance(found, Header) and found.size <= 5 + len(rest)
