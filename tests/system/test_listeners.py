"""multisocket and timeouts on every transport."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import dns.message
import pytest

from tests.bench.run import free_port
from tests.certify import certify

from .conftest import Make
from .dot import connect, context, ended_after
from .harness import Server
from .ways import SCHEMES, WAYS, Way

pytestmark = pytest.mark.system

BLOCK = """{keys} {{
    bind 127.0.0.1
    tls {folder}/cert.pem {folder}/key.pem
    {more}
    whoami
}}
"""


def start(make: Make, more: str) -> tuple[Server, dict[str, int]]:
    """Start a server with every way in; returns it and its ports."""
    server = make()
    certify(server.folder)
    ports = {scheme: free_port() for scheme in SCHEMES}
    keys = " ".join(f"{scheme}://a.test:{port}" for scheme, port in ports.items())
    server.configure(BLOCK.format(keys=keys, folder=server.folder, more=more))
    return server.start(), ports


def inodes(table: str, port: int, state: str) -> int:
    """Return how many sockets of this machine are bound to a port of 127.0.0.1."""
    lines = Path(f"/proc/net/{table}").read_text().splitlines()[1:]
    return sum(1 for line in lines if line.split()[1] == f"0100007F:{port:04X}" and line.split()[3] == state)


def asked(way: Way, times: int) -> None:
    """Ask as often; every query is answered."""
    query = dns.message.make_query("w.a.test.", "A")
    query.id = 0
    for _ in range(times):
        reply = way.ask(query.to_wire())
        assert isinstance(reply, bytes), (way.name, reply)
        assert len(dns.message.from_wire(reply).additional) == 2


def test_every_transport_has_as_many_sockets_as_asked_for(make: Make) -> None:
    server, ports = start(make, "multisocket 4")  # two for each of two workers
    for scheme, port in ports.items():
        shown = "a.test.:" if scheme == "dns" else f"{scheme}://a.test.:"
        assert server.count(f"{shown}{port} on 127.0.0.1") == 4, server.log
        if scheme in ("dns", "quic", "https3"):
            assert inodes("udp", port, "07") == 4, scheme
        if scheme not in ("quic", "https3"):
            assert inodes("tcp", port, "0A") == 4, scheme
    for way in WAYS:
        asked(way(ports[way.scheme], server.folder), 6)


TIMES = "timeouts {\n read 1s\n write 2s\n idle 2s\n }"


def test_silent_clients_of_streams_are_left_after_the_read_time_out(make: Make) -> None:
    server, ports = start(make, TIMES)
    for scheme in ("dns", "tls", "https"):
        with socket.create_connection(("127.0.0.1", ports[scheme]), timeout=5) as sock:  # not even a handshake
            assert 0.5 < ended_after(sock) < 2.5, scheme
    for scheme, alpn in (("tls", "dot"), ("https", "http/1.1")):
        with connect(ports[scheme], context(alpn=(alpn,))) as sock:
            assert 0.5 < ended_after(sock) < 2.5, scheme
    for way in WAYS:  # they do not disturb who asks
        asked(way(ports[way.scheme], server.folder), 1)


def test_idle_clients_are_left_after_the_idle_time_out(make: Make) -> None:
    _, ports = start(make, TIMES)
    request = b"GET /dns-query?dns=AAABAAABAAAAAAAAAWEEdGVzdAAAAQAB HTTP/1.1\r\nhost: dns.test\r\n\r\n"
    query = dns.message.make_query("w.a.test.", "A").to_wire()
    framed = len(query).to_bytes(2, "big") + query
    for scheme, alpn, data in (("tls", "dot", framed), ("https", "http/1.1", request)):
        with connect(ports[scheme], context(alpn=(alpn,))) as sock:
            sock.sendall(data)
            assert sock.recv(4096)
            began = time.monotonic()
            ended_after(sock)
            assert 1.5 < time.monotonic() - began < 4, scheme
