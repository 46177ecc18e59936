"""What single clients of TCP get to see."""

from __future__ import annotations

import socket

import dns.message
import pytest

from .conftest import Make

pytestmark = pytest.mark.system

COREFILE = """slow.test:{port} {{
    erratic {{
        drop 0
        delay 1 300ms
    }}
}}
test:{port} {{
    whoami
}}
"""


def _frame(name: str, ident: int) -> bytes:
    query = dns.message.make_query(name, "A", id=ident).to_wire()
    return len(query).to_bytes(2, "big") + query


def _idents(sock: socket.socket) -> list[int]:
    data = b""
    while more := sock.recv(65536):
        data += more
    found = []
    while data:
        size = int.from_bytes(data[:2], "big")
        found.append(int.from_bytes(data[2:4], "big"))
        data = data[2 + size :]
    return found


@pytest.mark.parametrize("names", [["a.test."], ["slow.test."], ["slow.test.", "a.test.", "slow.test.", "b.test."]])
def test_a_client_that_closes_its_side_gets_its_answers(make: Make, names: list[str]) -> None:
    server = make(workers=1)
    server.configure(COREFILE.format(port=server.port))
    server.start()
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as sock:
        sock.sendall(b"".join(_frame(name, ident) for ident, name in enumerate(names)))
        sock.shutdown(socket.SHUT_WR)
        assert _idents(sock) == list(range(len(names)))
