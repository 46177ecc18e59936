"""`cache` among real processes: flushed from outside, kept or emptied by reloads, one question for many askers."""

from __future__ import annotations

import random
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import dns.message
import pytest

from .conftest import Make
from .harness import SHARDNS, Server
from .upstream import Upstream

pytestmark = pytest.mark.system

NAMES = [f"host{n}.example.org." for n in range(200)]
COREFILE = """.:{port} {{
    bind 127.0.0.1
    cache {{
{options}
    }}
    forward . 127.0.0.1:{upstream}
}}
"""


def corefile(server: Server, upstream: Upstream, options: str = "") -> str:
    return COREFILE.format(port=server.port, upstream=upstream.port, options=options)


@contextmanager
def clients(server: Server, count: int = 8) -> Iterator[list[socket.socket]]:
    """Yield connected sockets: by `flow` they spread over the workers."""
    opened = [socket.socket(type=socket.SOCK_DGRAM) for _ in range(count)]
    for sock in opened:
        sock.connect(("127.0.0.1", server.port))
        sock.settimeout(5)
    try:
        yield opened
    finally:
        for sock in opened:
            sock.close()


def version(sock: socket.socket, name: str) -> int:
    """Ask for a name; returns the version of the upstream that the answer is from, 0 where none came."""
    query = dns.message.make_query(name, "A")
    sock.send(query.to_wire())
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            reply = dns.message.from_wire(sock.recv(4096))
        except TimeoutError:
            break
        if reply.id == query.id:
            return int(reply.answer[0][0].to_text().rpartition(".")[2]) if reply.answer else 0
    return 0


def cache(server: Server, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `shardns cache` against a server."""
    line = [str(SHARDNS), "cache", *words, "-conf", str(server.corefile)]
    return subprocess.run(line, env=server.environ, capture_output=True, text=True, timeout=60, check=False)


def test_what_is_flushed_is_gone_in_all_workers(make: Make) -> None:
    with Upstream() as upstream:
        server = make()
        server.configure(corefile(server, upstream))
        server.start()
        with clients(server) as socks:
            for name in ("a.example.org.", "b.example.org.", "a.example.net."):
                assert {version(sock, name) for sock in socks * 3} == {1}  # memorised by every worker
            upstream.version = 2
            assert {version(sock, "a.example.org.") for sock in socks} == {1}
            done = cache(server, "flush", "example.org", "--subtree")
            assert (done.returncode, done.stdout, done.stderr) == (0, "2 entries flushed\n", "")
            assert {version(sock, name) for sock in socks for name in ("a.example.org.", "b.example.org.")} == {2}
            assert {version(sock, "a.example.net.") for sock in socks} == {1}


# Reloads -------------------------------------------------------------------------------------------------------------


def hits(upstream: Upstream, socks: list[socket.socket], rounds: int = 1) -> tuple[float, set[int]]:
    """Ask for all names; returns the part that did not reach the upstream, and the versions of the answers."""
    before = upstream.total()
    seen = {version(random.choice(socks), name) for name in NAMES * rounds}
    return 1 - (upstream.total() - before) / (len(NAMES) * rounds), seen


def test_a_reload_that_leaves_the_block_alone_keeps_its_answers(make: Make) -> None:
    with Upstream() as upstream:
        server = make()
        server.configure(corefile(server, upstream) + f"other.test:{server.port} {{\n    whoami\n}}\n")
        server.start()
        with clients(server) as socks:
            assert hits(upstream, socks) == (0.0, {1})
            assert hits(upstream, socks) == (1.0, {1})
            with server.checking(name="www.other.test", qtype="A") as findings:
                for n in range(3):
                    text = corefile(server, upstream) + f"other{n}.test:{server.port} {{\n    whoami\n}}\n"
                    server.configure(text)
                    assert server.reload().returncode == 0
                    assert hits(upstream, socks) == (1.0, {1})  # the row asks for 0.95
            assert findings.lost == []


def test_after_a_reload_with_another_upstream_no_old_answer_is_given(make: Make) -> None:
    with Upstream() as upstream, Upstream(version=2) as other:
        server = make()
        server.configure(corefile(server, upstream))
        server.start()
        with clients(server) as socks:
            assert hits(upstream, socks, 3)[1] == {1}
            with server.checking(name=NAMES[0], qtype="A") as findings:
                server.configure(corefile(server, other))
                assert server.reload().returncode == 0
                assert hits(other, socks, 3)[1] == {2}
            assert findings.lost == []
            shown = cache(server, "list").stdout
            assert len(shown.splitlines()) >= len(NAMES) and "10.0.0.1" not in shown


# One question for many askers ----------------------------------------------------------------------------------------


def askers(server: Server, name: str, count: int = 1000, sockets: int = 50) -> list[int]:
    """Ask for a name so often at once; returns the versions in the answers."""
    seen = []
    with clients(server, sockets) as socks:
        for at in range(count):
            query = dns.message.make_query(name, "A", id=at)
            socks[at % sockets].send(query.to_wire())
        for at in range(count):
            reply = dns.message.from_wire(socks[at % sockets].recv(4096))
            seen.append(int(reply.answer[0][0].to_text().rpartition(".")[2]))
    return seen


@pytest.mark.parametrize(("options", "most"), [("        steer name", 1), ("", 2)])
def test_many_askers_of_a_cold_name_are_one_question_upstream(make: Make, options: str, most: int) -> None:
    with Upstream(delay_s=1.0) as upstream:
        server = make()
        server.configure(corefile(server, upstream, options))
        server.start()
        for n in range(3):
            assert askers(server, f"cold{n}.example.org.") == [1] * 1000
            assert 1 <= upstream.asked(f"cold{n}.example.org.") <= most


def test_steering_survives_reloads_with_more_and_fewer_workers(make: Make) -> None:
    with Upstream(delay_s=0.5) as upstream:
        server = make()
        server.configure(corefile(server, upstream, "        steer name"))
        server.start()
        for workers in (4, 2, 3):
            assert server.reload("-workers", str(workers)).returncode == 0
            name = f"cold{workers}.example.org."
            assert askers(server, name, 200) == [1] * 200
            assert upstream.asked(name) == 1
