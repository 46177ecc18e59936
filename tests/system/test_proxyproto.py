"""PROXY protocol from outside: connections and datagrams behind proxies, and what anybody may throw at the port."""

from __future__ import annotations

import socket
import ssl
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path

import dns.message
import dns.rdatatype
import pytest

from tests.certify import certify

from .harness import Server, until

pytestmark = pytest.mark.system

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LINE = b"PROXY TCP4 203.0.113.7 198.51.100.1 4242 53\r\n"
COREFILE = """.:{port} {{
    bind 127.0.0.1
    proxyproto {{
{lines}
    }}
    log . "pp {{name}} {{remote}}:{{port}} {{local}} {{proto}}"
    acl {{
        drop net 203.0.113.66
    }}
    whoami
}}
"""


def version_2(kind: int = 0x11, command: int = 0x21, source: str = "203.0.113.7", more: bytes = b"") -> bytes:
    block = ip_address(source).packed + ip_address("198.51.100.1").packed + struct.pack("!HH", 4242, 53) + more
    return SIGNATURE + struct.pack("!BBH", command, kind, len(block)) + block


def query(name: str = "who.test.", ident: int = 0x1234) -> bytes:
    message = dns.message.make_query(name, "A")
    message.id = ident
    return message.to_wire()


def framed(wire: bytes) -> bytes:
    return len(wire).to_bytes(2, "big") + wire


def client_in(reply: bytes) -> str:
    """Return the address and port that `whoami` tells."""
    message = dns.message.from_wire(reply)
    address, service = message.additional
    return f"{address[0].to_text()} {service[0].port} {dns.rdatatype.to_text(address.rdtype)}"


@contextmanager
def serving(folder: Path, lines: str = "", workers: int = 2) -> Iterator[Server]:
    with Server(folder, workers=workers) as server:
        server.configure(COREFILE.format(port=server.port, lines=lines))
        yield server.start()


def exchange(server: Server, *parts: bytes, source: str = "127.0.0.1") -> bytes:
    """Send octets part by part on a connection; return what came back as one frame, empty where it was closed."""
    with socket.create_connection(("127.0.0.1", server.port), 5, source_address=(source, 0)) as conn:
        conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for number, part in enumerate(parts):
                if number:
                    time.sleep(0.1)
                conn.sendall(part)
            head = conn.recv(2, socket.MSG_WAITALL)
            return conn.recv(int.from_bytes(head, "big"), socket.MSG_WAITALL) if len(head) == 2 else b""
        except ConnectionError:
            return b""


def ask_udp(server: Server, data: bytes, timeout: float = 2.0) -> bytes:
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", server.port))
        sock.settimeout(timeout)
        sock.send(data)
        try:
            return sock.recv(65535)
        except TimeoutError:
            return b""


NAMED = "203.0.113.7 4242 A"
Q = framed(query())


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ((LINE + Q,), NAMED),
        ((LINE, Q), NAMED),
        ((b"PR", LINE[2:] + Q), NAMED),
        ((version_2() + Q,), NAMED),
        ((version_2(more=b"\x04\0\x20" + bytes(32)) + Q,), NAMED),
        ((*(bytes((octet,)) for octet in version_2()[:14]), version_2()[14:20], version_2()[20:], Q), NAMED),
        ((version_2(command=0x20) + Q,), "127.0.0.1"),
        ((b"PROXY UNKNOWN\r\n" + Q,), "127.0.0.1"),
        ((Q,), "127.0.0.1"),
        ((Q[:1], Q[1:]), "127.0.0.1"),
        ((LINE[:20], LINE[20:] + Q), ""),  # a line must come whole
        ((version_2(0x13) + Q,), ""),
        ((b"PROXY TCP9 1 2 3 4\r\n" + Q,), ""),
    ],
)
def test_a_connection_is_from_whom_its_header_names(server: Server, parts: tuple[bytes, ...], expected: str) -> None:
    reply = exchange(server, *parts)
    assert (client_in(reply) if reply else "").startswith(expected) and bool(reply) == bool(expected)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("proxied")) as found:
        yield found


def test_the_server_s_end_is_the_header_s_on_tcp(server: Server) -> None:
    assert exchange(server, LINE + framed(query("local.test.")))
    until(lambda: "[INFO] pp local.test. 203.0.113.7:4242 198.51.100.1 tcp" in server.log)


def test_a_datagram_is_from_whom_its_header_names(server: Server) -> None:
    for _ in range(4):  # also from the memo
        assert client_in(ask_udp(server, version_2(0x12) + query())) == "::ffff:203.0.113.7 4242 AAAA"
        assert client_in(ask_udp(server, query())).startswith("127.0.0.1 ")
        assert client_in(ask_udp(server, version_2(0x12, 0x20) + query())).startswith("127.0.0.1 ")
    large = version_2(0x12, more=b"\x04\x02\0" + bytes(512)) + query()
    assert client_in(ask_udp(server, large)) == "::ffff:203.0.113.7 4242 AAAA"


def test_acl_judges_by_the_client_of_the_header(server: Server) -> None:
    assert ask_udp(server, version_2(0x12, source="203.0.113.66") + query(), 0.5) == b""
    assert ask_udp(server, version_2(0x12) + query())
    assert exchange(server, version_2(0x11) + Q)
    wire = version_2(0x11, source="203.0.113.66") + Q + framed(query(ident=1))
    with socket.create_connection(("127.0.0.1", server.port), 5) as conn:
        conn.sendall(wire)
        conn.settimeout(0.5)
        with pytest.raises(TimeoutError):
            conn.recv(2)


def test_a_client_that_closes_behind_a_bit_of_a_signature_is_served_as_one_without(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), 5) as conn:
        conn.sendall(SIGNATURE[:7])
        conn.shutdown(socket.SHUT_WR)
        assert conn.recv(1) == b""


def test_no_header_kills_a_worker(server: Server) -> None:
    """CVE-2026-62309: one datagram whose header is not about UDP ended the reference."""
    before = server.children()
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", server.port))
        block = bytes(range(40)) + query()
        count = 0
        for command in range(16):
            for version in (0x20, 0x10):
                for kind in range(256):
                    for length in (0, 11, 12, 36) if version == 0x20 else (12,):
                        sock.send(SIGNATURE + struct.pack("!BBH", version | command, kind, length) + block)
                        count += 1
                        if count % 200 == 0:
                            assert ask_udp(server, query(ident=count & 0xFFFF))
    for length in (0, 1, 28, 35, 36, 215, 216, 4079, 4081, 65535):
        for kind in (0x00, 0x10, 0x11, 0x12, 0x21, 0x31, 0x41, 0xFF):
            exchange(server, SIGNATURE + struct.pack("!BBH", 0x21, kind, length) + bytes(min(length, 300)) + Q)
            with socket.create_connection(("127.0.0.1", server.port), 5) as conn:
                conn.sendall(SIGNATURE + struct.pack("!BBH", 0x21, kind, length))
    assert client_in(ask_udp(server, version_2(0x12) + query())) == "::ffff:203.0.113.7 4242 AAAA"
    assert client_in(exchange(server, LINE + Q)) == NAMED
    assert server.children() == before


def test_clients_who_only_begin_a_header_end_with_the_read_time_out(server: Server) -> None:
    conns = [socket.create_connection(("127.0.0.1", server.port), 5) for _ in range(50)]
    try:
        for number, conn in enumerate(conns):
            conn.sendall(version_2()[: number % 27])
        assert client_in(exchange(server, LINE + Q)) == NAMED
        deadline = time.monotonic() + 6
        for conn in conns:
            conn.settimeout(max(deadline - time.monotonic(), 0.1))
            try:
                assert conn.recv(1) == b""
            except ConnectionResetError:  # closed with octets unread
                continue
    finally:
        for conn in conns:
            conn.close()


def test_headers_of_others_are_refused_where_proxies_are_named(tmp_path: Path) -> None:
    with serving(tmp_path, "allow 127.0.0.2/32\ndefault reject") as server:
        assert exchange(server, LINE + Q) == b""
        assert client_in(exchange(server, Q)).startswith("127.0.0.1 ")
        assert client_in(exchange(server, LINE + Q, source="127.0.0.2")) == NAMED
        assert ask_udp(server, version_2(0x12) + query(), 0.5) == b""
        assert client_in(ask_udp(server, query())).startswith("127.0.0.1 ")


def test_headers_are_taken_off_or_left_alone(tmp_path: Path) -> None:
    with serving(tmp_path, "default ignore") as server:
        assert client_in(exchange(server, LINE + Q)).startswith("127.0.0.1 ")
        assert client_in(ask_udp(server, version_2(0x12) + query())).startswith("127.0.0.1 ")
        server.configure(COREFILE.format(port=server.port, lines="default skip"))
        assert server.reload().returncode == 0
        # Read as a query it is 3338 octets long: nothing is answered.
        assert exchange(server, version_2(0x11) + Q) == b""
        assert client_in(exchange(server, Q)).startswith("127.0.0.1 ")
        reply = ask_udp(server, version_2(0x12) + query(), 0.5)
        assert reply[:2] == SIGNATURE[:2] and dns.message.from_wire(reply).rcode() == 4


def test_one_header_holds_for_the_datagrams_behind_it(tmp_path: Path) -> None:
    with serving(tmp_path, "udp_session_tracking 500ms 100") as server, socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", server.port))
        sock.settimeout(2)
        sock.send(version_2(0x12))
        for _ in range(3):
            sock.send(query())
            assert client_in(sock.recv(512)) == "::ffff:203.0.113.7 4242 AAAA"
            time.sleep(0.3)
        time.sleep(0.6)
        sock.send(query())
        assert client_in(sock.recv(512)).startswith("127.0.0.1 ")


@pytest.mark.parametrize("header", [LINE, version_2(), b""])
def test_the_header_stands_before_tls(tmp_path: Path, header: bytes) -> None:
    pair = certify(tmp_path)
    context = ssl.create_default_context(cafile=str(pair.certificate))
    with Server(tmp_path) as server:
        lines = f"tls {pair.certificate} {pair.key}\n    proxyproto\n    whoami"
        server.configure(f"tls://.:{server.port} {{\n    bind 127.0.0.1\n    {lines}\n}}\n")
        server.start()
        with socket.create_connection(("127.0.0.1", server.port), 5) as conn:
            conn.sendall(header)
            with context.wrap_socket(conn, server_hostname="dns.test") as tls:
                tls.sendall(Q)
                size = int.from_bytes(tls.recv(2), "big")
                client = client_in(tls.recv(size))
        assert client == NAMED if header else client.startswith("127.0.0.1 ")
