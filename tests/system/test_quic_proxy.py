"""DNS over QUIC behind proxies: each datagram says whom it is from."""

from __future__ import annotations

import socket

import dns.message
import dns.rcode
import pytest

from .conftest import Make

pytest.importorskip("aioquic")
from .quic import Client, Quic

pytestmark = pytest.mark.system
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LINES = """    proxyproto {
        allow 127.0.0.1/32
    }
    acl {
        block net 203.0.113.66/32
    }"""


def header(client: str, command: int = 0x21, kind: int = 0x12) -> bytes:
    """Return a PROXY header of version 2 about a datagram."""
    ends = (
        socket.inet_aton(client) + socket.inet_aton("192.0.2.1") + (4321).to_bytes(2, "big") + (853).to_bytes(2, "big")
    )
    return SIGNATURE + bytes((command, kind)) + len(ends).to_bytes(2, "big") + ends


def client_in(answer: dns.message.Message) -> str:
    """Return the client's address as `whoami` saw it: one that a header names counts as IPv6."""
    return str(answer.additional[0][0]).removeprefix("::ffff:")


@pytest.fixture
def quic(make: Make) -> Quic:
    """Return a running server with four workers: datagrams behind a header reach any of them."""
    made = Quic(make(workers=4), LINES)
    made.server.start()
    return made


def test_a_client_is_the_one_that_the_header_names(quic: Quic) -> None:
    for number in range(1, 6):
        with Client(quic.port, prefix=header(f"203.0.113.{number}")) as client:
            for _ in range(3):
                assert client_in(client.ask()) == f"203.0.113.{number}"
    with Client(quic.port) as client:  # a header is never required
        assert client_in(client.ask()) == "127.0.0.1"


def test_acl_judges_by_the_client_of_the_header(quic: Quic) -> None:
    with Client(quic.port, prefix=header("203.0.113.66")) as client:
        assert client.ask().rcode() == dns.rcode.REFUSED
    with Client(quic.port, prefix=header("203.0.113.65")) as client:
        assert client.ask().rcode() == dns.rcode.NOERROR


@pytest.mark.parametrize(
    "prefix",
    [
        pytest.param(header("203.0.113.1", kind=0x11), id="about a stream"),
        pytest.param(header("203.0.113.1", command=0x2F), id="unknown command"),
        pytest.param(b"PROXY TCP4 203.0.113.1 192.0.2.1 1 2\r\n", id="version 1"),
        pytest.param(SIGNATURE, id="cut off"),
    ],
)
def test_other_headers_drop_their_datagrams(quic: Quic, prefix: bytes) -> None:
    with pytest.raises(TimeoutError):
        Client(quic.port, prefix=prefix, seconds=1)
    assert "dropping invalid Proxy Protocol packet from 127.0.0.1:" in quic.server.log
    with Client(quic.port, prefix=header("203.0.113.1")) as client:
        assert client_in(client.ask()) == "203.0.113.1"


def test_the_second_name_of_a_block_looks_for_none(quic: Quic) -> None:
    with pytest.raises(TimeoutError):
        Client(quic.h3, "h3", prefix=header("203.0.113.1"), seconds=1)
    with Client(quic.h3, "h3") as client:
        assert client.shaken
