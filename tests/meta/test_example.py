"""The example that `make serve` runs answers from its zone and through an upstream."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import dns.message
import dns.query
import dns.rrset
import pytest

from tests.bench.run import free_port, stop
from tests.meta.tree import TOP

SHARDNS = Path(sys.executable).with_name("shardns")
START_TIMEOUT_S = 20.0

pytestmark = pytest.mark.system


@pytest.fixture
def upstream() -> Iterator[int]:
    """A resolver that knows one address for every name."""
    with socket.socket(type=socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        udp.settimeout(0.1)
        ending = threading.Event()

        def serve() -> None:
            while not ending.is_set():
                try:
                    wire, peer = udp.recvfrom(4096)
                except TimeoutError:
                    continue
                reply = dns.message.make_response(dns.message.from_wire(wire), recursion_available=True)
                reply.answer.append(dns.rrset.from_text(reply.question[0].name, 60, "IN", "A", "203.0.113.7"))
                udp.sendto(reply.to_wire(), peer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield udp.getsockname()[1]
        ending.set()
        thread.join()


@pytest.fixture
def server(tmp_path: Path, upstream: int) -> Iterator[int]:
    """The example on a free port, with the test's own upstream."""
    port = free_port()
    text = (TOP / "config" / "examples" / "Corefile").read_text()
    text = text.replace(":1053 {", f":{port} {{").replace("/etc/resolv.conf", f"127.0.0.1:{upstream}")
    (tmp_path / "Corefile").write_text(text)
    with (tmp_path / "log").open("wb") as log:
        popen = subprocess.Popen(
            [SHARDNS, "-conf", tmp_path / "Corefile"],
            cwd=TOP,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "RUNTIME_DIRECTORY": str(tmp_path / "run")},
        )
        try:
            deadline = time.monotonic() + START_TIMEOUT_S
            while not reachable(port):
                assert popen.poll() is None and time.monotonic() < deadline, (tmp_path / "log").read_text()
                time.sleep(0.02)
            yield port
        finally:
            stop(popen)


def reachable(port: int) -> bool:
    """Tell whether the port takes connections: it does so only when it answers."""
    try:
        socket.create_connection(("127.0.0.1", port), 0.2).close()
    except OSError:
        return False
    return True


def ask(port: int, name: str, rdtype: str = "A", *, tcp: bool = False) -> list[str]:
    """Return the answer section."""
    send = dns.query.tcp if tcp else dns.query.udp
    reply = send(dns.message.make_query(name, rdtype), "127.0.0.1", 5, port)
    return sorted(f"{rdata}" for rrset in reply.answer for rdata in rrset)


def test_it_answers_from_the_zone_and_through_forward(server: int) -> None:
    assert ask(server, "www.example.org") == ["192.0.2.80", "192.0.2.81"]
    assert ask(server, "blog.example.org", "AAAA", tcp=True) == ["2001:db8::80", "www.example.org."]
    assert ask(server, "any.apps.example.org") == ["192.0.2.90"]
    assert ask(server, "somewhere.test") == ["203.0.113.7"]
