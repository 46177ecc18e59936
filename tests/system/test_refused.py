"""Reloads that must not be: the old answers go on, the reason and its place are printed, nothing is left behind."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.bench.run import free_port

from .conftest import Make
from .harness import Server, taken_port, until
from .load import has_dnsperf

pytestmark = [pytest.mark.system, pytest.mark.alone]

# A worker or a keeper that ends while it prepares, where a file of that name exists. No configuration can cause it.
DYING = """
import os
from shardns.master import children
from pathlib import Path
def dying(role, live):
    def run(spawn):
        if Path(spawn.folder, role).exists() and (role == "keeper" or spawn.slot):
            os._exit(9)
        live(spawn)
    return run
children.ENTRIES.update({role: dying(role, live) for role, live in children.ENTRIES.items()})
"""


@dataclass(frozen=True)
class Broken:
    """A configuration, and what `shardns reload` must say: `place` is a line of the Corefile, 0 where it has none."""

    text: str
    says: str
    place: int = 0
    dies: str = ""


class Breaker:
    """Makes broken configurations; holds the ports that others have taken."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.folder = server.folder
        self.stack = ExitStack()
        self.udp, self.tcp = (self._taken(kind) for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM))
        (self.folder / "bad.zone").write_text(
            "$ORIGIN bad.test.\n@ 60 SOA ns root 1 2 3 4 5\n@ 60 NS ns\nwww 60 A 1.2.3\n"
        )
        (self.folder / "headless.zone").write_text("$ORIGIN bad.test.\nwww 60 A 192.0.2.1\n")

    def _taken(self, kind: socket.SocketKind) -> int:
        sock, port = taken_port(kind)
        self.stack.enter_context(sock)
        return port

    def __iter__(self) -> Iterator[Broken]:
        """Yield one of each kind, then again with other numbers, without end."""
        n = 100
        while True:
            for one in self.kinds(n):
                n += 1
                yield one

    def kinds(self, n: int) -> list[Broken]:
        """Return one of each kind."""
        server, folder = self.server, self.folder
        fresh = [free_port() for _ in range(4)]
        opens = f"new{n}.test:{fresh[0]} {{\n    bind 127.0.0.1 127.0.0.2\n    whoami\n}}\n"  # a block of five lines

        def holding(line: str) -> str:
            return f"other.test:{fresh[1]} {{\n    {line}\n}}"

        def tagged(more: str = "", extra: str = "") -> str:
            return server.tagged(n, more, extra)

        return [
            Broken(tagged("    nonsense"), "Unknown directive 'nonsense'", 4),
            Broken(opens + tagged("    cache 0"), "cache", 8),
            Broken(tagged(extra=f"more.test:{fresh[1]} {{\n    whoami"), "Syntax error", 7),
            Broken(opens + tagged("    bind 127.0.0.300"), "127.0.0.300", 8),
            Broken(tagged("    forward . 127.0.0.1:99999"), "99999", 4),
            Broken(tagged(extra=holding(f"file {folder}/bad.zone bad.test")), "bad.zone"),
            Broken(opens + tagged(extra=holding(f"file {folder}/headless.zone bad.test")), "SOA"),
            Broken(tagged(extra=holding(f"file {folder}/absent {{\n        reload 0\n    }}")), "absent"),
            Broken(tagged(extra=f"taken.test:{self.udp} {{\n    bind 127.0.0.1\n    whoami\n}}"), "ListenPacket"),
            Broken(opens + tagged(extra=f"taken.test:{self.tcp} {{\n    bind 127.0.0.1\n    whoami\n}}"), "Listen: "),
            Broken(opens + tagged(f"    health 127.0.0.1:{self.tcp}"), "address already in use"),
            Broken(opens + tagged("    template IN A {\n        match [\n    }"), "missing closing ]", 9),
            Broken(opens + tagged(f"    import {folder}/absent-snippet"), "absent-snippet", 8),
            Broken(opens + tagged(), "worker 1 ended before it was ready: status 9", dies="worker"),
            Broken(opens + tagged(), "keeper ended before it was ready: status 9", dies="keeper"),
            Broken(opens + opens + tagged(), "it is already defined", 5),
        ]


def state(server: Server) -> object:
    """Return everything that a refused reload must leave as it was."""
    return server.children(), server.descriptors(), server.bound(), sorted(server.tree())


@pytest.mark.timeout(150)
@pytest.mark.skipif(not has_dnsperf(), reason="dnsperf is not installed")
@pytest.mark.parametrize("count", [16, pytest.param(50, marks=pytest.mark.soak)])
def test_a_refused_reload_changes_nothing(make: Make, count: int) -> None:
    server = make(before=DYING).start()
    assert server.ask() == {1}
    before = state(server)
    breaker = Breaker(server)
    home = server.runtime / "server"
    with breaker.stack, server.loading(120) as load, server.checking() as findings:
        for number, broken in enumerate(breaker, 1):
            _refuse(server, home, broken)
            assert server.ask() == {1}
            until(lambda: state(server) == before, why=f"something is left behind: {broken.says}")
            if number == count:
                break
        load.stop()
    assert len(findings.lost) == load.outcome().lost == 0, load.outcome().text
    assert {one.generation for one in findings.replies} == {1}
    server.configure(server.tagged(2))
    assert server.reload().returncode == 0 and server.ask() == {2}


def _refuse(server: Server, home: Path, broken: Broken) -> None:
    server.configure(broken.text)
    if broken.dies:
        (home / broken.dies).touch()
    done = server.reload()
    if broken.dies:
        (home / broken.dies).unlink()
    assert done.returncode == 1 and broken.says in done.stderr, (broken, done)
    if broken.place:
        assert f"{server.corefile}:{broken.place}" in done.stderr, (broken.text, done.stderr)


def test_a_zone_that_cannot_be_read_at_a_reload_stays_as_it_was(server: Server) -> None:
    zone = server.folder / "db-1"
    zone.rename(server.folder / "gone")
    assert server.reload().returncode == 0 and server.ask() == {1}
    line = f'[ERROR] plugin/file: Failed to open zone "check.test." in "{zone}": open {zone}: no such file or directory'
    assert server.count(line) == 1
    zone.write_text("@ SOA\n")
    refused = server.reload()
    assert refused.returncode == 1 and f"--> {zone}:1:" in refused.stderr and server.ask() == {1}
