"""Datagrams behind proxies: who they are from, sessions, and what each policy does."""

from __future__ import annotations

import struct
from ipaddress import ip_address

import pytest

from shardns.plugins.proxyproto.proxyproto import Options, Tracking
from shardns.worker.address import from_sockaddr, to_sockaddr
from shardns.worker.proxyproto.datagrams import Datagrams, Sessions
from shardns.worker.proxyproto.header import SIGNATURE_2
from shardns.worker.proxyproto.policy import Policy

PEER = to_sockaddr("10.0.0.1", 5000)
DNS = b"\x12\x34" + bytes(20)


def header(source: str = "192.168.1.1", port: int = 12345, kind: int = 0x12) -> bytes:
    """Return a version 2 header about a datagram to 198.51.100.1."""
    block = ip_address(source).packed + ip_address("198.51.100.1").packed + struct.pack("!HH", port, 53)
    return SIGNATURE_2 + struct.pack("!BBH", 0x21, kind, len(block)) + block


def opener(default: str = "", *allow: str, ttl_s: float = 0.0, most: int = 10) -> Datagrams:
    options = Options(allow=allow, default=default, udp_session_tracking=Tracking(ttl_s, most))
    return Datagrams(Policy(options), tracks=True)


@pytest.mark.parametrize(
    ("default", "data", "expected"),
    [
        ("use", header() + DNS, (DNS, "192.168.1.1:12345")),
        ("use", DNS, (DNS, None)),
        ("use", header(), (b"", "192.168.1.1:12345")),
        ("ignore", header() + DNS, (DNS, None)),
        ("ignore", DNS, (DNS, None)),
        ("reject", DNS, (DNS, None)),
        ("skip", header() + DNS, (header() + DNS, None)),
    ],
)
def test_each_policy_has_its_way(default: str, data: bytes, expected: tuple[bytes, str | None]) -> None:
    opened = opener(default).open(data, PEER, 0.0)
    assert opened is not None
    message, client = opened
    assert (message, None if client is None else str(from_sockaddr(client))) == expected


@pytest.mark.parametrize("default", ["use", "ignore", "reject"])
@pytest.mark.parametrize("data", [header(kind=0x11) + DNS, header()[:20], b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n" + DNS])
def test_a_wrong_header_is_dropped_whatever_the_policy(
    default: str, data: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    assert opener(default).open(data, PEER, 0.0) is None
    line = capfd.readouterr().out
    assert line.startswith("[WARNING] dropping invalid Proxy Protocol packet from 10.0.0.1:5000: ")


def test_a_header_that_is_not_allowed_is_dropped(capfd: pytest.CaptureFixture[str]) -> None:
    datagrams = opener("reject", "192.168.1.1/32")
    assert datagrams.open(header() + DNS, PEER, 0.0) is None
    assert capfd.readouterr().out == (
        "[WARNING] dropping invalid Proxy Protocol packet from 10.0.0.1:5000: "
        "connection rejected by Proxy Protocol connection policy\n"
    )
    assert datagrams.open(header() + DNS, to_sockaddr("192.168.1.1", 1), 0.0) is not None


def test_a_session_s_time_begins_anew_at_each_use() -> None:
    sessions = Sessions(0.05, 10)
    client = to_sockaddr("192.168.1.1", 12345)
    sessions.store(PEER, client, 0.0)
    assert sessions.find(to_sockaddr("10.0.0.1", 5001), 0.0) is None
    assert sessions.find(PEER, 0.03) == client
    assert sessions.find(PEER, 0.06) == client
    assert sessions.find(PEER, 0.12) is None
    assert len(sessions) == 0


def test_the_session_used_longest_ago_makes_room() -> None:
    sessions = Sessions(1.0, 2)
    peers = [to_sockaddr("10.0.0.1", port) for port in range(3)]
    sessions.store(peers[0], b"a", 0.0)
    sessions.store(peers[1], b"b", 0.0)
    sessions.find(peers[0], 0.0)
    sessions.store(peers[2], b"c", 0.0)
    assert [sessions.find(peer, 0.0) for peer in peers] == [b"a", None, b"c"]
    for port in range(10):
        sessions.store(to_sockaddr("10.0.0.2", port), b"d", 0.0)
    assert len(sessions) == 2


def test_a_header_alone_tells_the_client_of_what_follows() -> None:
    datagrams = opener("use", ttl_s=10.0)
    client = to_sockaddr("192.168.1.1", 12345)
    assert datagrams.open(header(), PEER, 0.0) is None
    assert datagrams.open(DNS, PEER, 9.0) == (DNS, client)
    assert datagrams.open(DNS, PEER, 18.0) == (DNS, client)
    assert datagrams.open(header("192.168.1.2") + DNS, PEER, 19.0) == (DNS, to_sockaddr("192.168.1.2", 12345))
    assert datagrams.open(DNS, PEER, 20.0) == (DNS, to_sockaddr("192.168.1.2", 12345))
    assert datagrams.open(DNS, PEER, 31.0) == (DNS, None)


def test_sessions_are_for_believed_headers_alone() -> None:
    datagrams = opener("ignore", ttl_s=10.0)
    assert datagrams.open(header() + DNS, PEER, 0.0) == (DNS, None)
    assert datagrams.open(DNS, PEER, 0.0) == (DNS, None)
    assert datagrams.sessions is not None and len(datagrams.sessions) == 0
