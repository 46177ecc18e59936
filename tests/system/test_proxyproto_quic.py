"""PROXY headers in front of QUIC datagrams: each names the client, and clients stay with one worker."""

from __future__ import annotations

import socket
import struct
from typing import Any

import pytest

from tests.bench.run import free_port
from tests.certify import certify

from .conftest import Make

pytest.importorskip("aioquic")
from .quic import Client

pytestmark = pytest.mark.system

HEADER = b"\r\n\r\n\0\r\nQUIT\n" + struct.pack("!BBH", 0x21, 0x12, 12)
HEADER += socket.inet_aton("203.0.113.7") + socket.inet_aton("198.51.100.1") + struct.pack("!HH", 4242, 853)
COREFILE = """quic://.:{port} {{
    bind 127.0.0.1
    tls {folder}/cert.pem {folder}/key.pem
    proxyproto
    acl {{
        block net 203.0.113.0/24
    }}
    whoami
}}
"""


class Proxied(socket.socket):
    """A socket that puts a header in front."""

    def sendto(self, data: Any, *where: Any) -> int:
        """Send it behind the header."""
        return super().sendto(HEADER + data, *where)


class ProxiedClient(Client):
    """A client behind a proxy."""

    def __setattr__(self, name: str, value: object) -> None:
        if name == "sock" and isinstance(value, socket.socket):
            value = Proxied(value.family, value.type, fileno=value.detach())
        super().__setattr__(name, value)


def test_every_datagram_is_from_whom_its_header_names(make: Make) -> None:
    server = make(workers=4)
    certify(server.folder)
    port = free_port()
    server.configure(COREFILE.format(port=port, folder=server.folder))
    server.start()
    pids = server.children()
    for _ in range(6):
        with ProxiedClient(port) as client:
            for _ in range(3):
                assert client.ask().rcode() == 5
        with Client(port) as client:
            answer = client.ask()
            assert answer.rcode() == 0 and answer.additional[0][0].to_text() == "127.0.0.1"
    assert server.children() == pids
