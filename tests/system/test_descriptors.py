"""Every process has exactly the descriptors that follow from the configuration, whatever happened before."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.bench.run import free_port

from . import kernel
from .conftest import Make
from .harness import Server, until

pytestmark = pytest.mark.system

EPOLL = "anon_inode:[eventpoll]"


class Expected:
    """Says what each process may have open while a configuration is served.

    `ports` are those of the DNS listeners, each with one UDP and one TCP socket a slot; `http` those of endpoints.
    """

    def __init__(self, server: Server, ports: list[int], http: list[int], cached: bool = False) -> None:
        self.run = server.runtime / "server"
        self.dns = [f"{kind} 127.0.0.1:{port}" for port in ports for kind in ("udp", "tcp")]
        self.http = [f"tcp 127.0.0.1:{port}" for port in http]
        self.cached = cached

    def of(self, title: str, slots: int) -> Counter[str]:
        """Return the descriptors of a process; `0` to `2` are /dev/null and the pipe that the test reads."""
        # Standard streams; the event loop and the pair of sockets that wakes it up.
        found = Counter({"/dev/null": 1, "pipe": 2, EPOLL: 1, "unix": 2})
        if title == "master":
            found[str(self.run / "lock")] += 1
            found["unix"] += 1 + slots + 1  # control socket, a channel for each child
            found.update(dict.fromkeys(self.dns, slots))
            found.update(self.http)
            return found
        found["unix"] += 1  # the channel
        found += self.store("zones")
        found[str(self.run / "zones.sequence")] += 1
        found["metrics"] += 1
        if self.cached:
            found += self.store("cache")
            found.update(str(self.run / name) for name in ("cache.hits", "cache.heat"))
        found.update(self.dns if title.startswith("worker") else self.http)
        return found

    def store(self, name: str) -> Counter[str]:
        """An LMDB environment: the data, once more for writing meta pages, and its lock file."""
        return Counter({str(self.run / f"{name}.mdb"): 2, str(self.run / f"{name}.mdb-lock"): 1})


def opened(server: Server) -> dict[str, Counter[str]]:
    """Return what each process has open; metrics files, whose number depends on history, as `metrics`."""
    found = {}
    for title, everything in server.descriptors().items():
        found[title] = Counter[str]()
        for what, count in everything.items():
            found[title]["metrics" if Path(what).parent.name == "metrics" else what] += count
    return found


def check(server: Server, expected: Expected, slots: int) -> None:
    """Wait until each process has exactly what it should have."""
    titles = ["master", "keeper", *(f"worker {slot}" for slot in range(slots))]
    wanted = {title: expected.of(title, slots) for title in titles}

    def differences() -> list[str]:
        seen = opened(server)
        return [
            f"{title}: too many {dict(seen.get(title, Counter()) - wanted.get(title, Counter()))}"
            f" missing {dict(wanted.get(title, Counter()) - seen.get(title, Counter()))}"
            for title in {*wanted, *seen}
            if seen.get(title) != wanted.get(title)
        ]

    def settled() -> bool:  # drains take a moment
        return not differences() and len(server.tree()) == slots + 2

    deadline = time.monotonic() + 10
    while not settled() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert differences() == []
    assert len(server.tree()) == slots + 2
    assert not shared(server, slots)


def shared(server: Server, slots: int) -> set[str]:
    """Return the sockets that more than one worker has: a slot's sockets are its own."""
    children = server.children()
    owned = [
        {link for link in kernel.links(children[f"worker {slot}"]).values() if link.startswith("socket:")}
        for slot in range(slots)
    ]
    return {link for at, links in enumerate(owned) for link in links if any(link in more for more in owned[at + 1 :])}


def kill(server: Server, title: str) -> None:
    """Kill a child and wait for its successor."""
    pid = server.children()[title]
    os.kill(pid, signal.SIGKILL)
    until(lambda: server.children().get(title, pid) != pid)


def test_descriptors_are_as_configured_after_whatever_happened(make: Make) -> None:
    server = make()
    second, http = free_port(), free_port()
    server.configure(server.tagged(1, more=f"    cache\n    prometheus 127.0.0.1:{http}"))
    server.start()
    plain = Expected(server, [server.port], [http], cached=True)
    check(server, plain, 2)

    for n in (2, 3):
        server.configure(server.tagged(n, more=f"    cache\n    prometheus 127.0.0.1:{http}"))
        assert server.reload().returncode == 0
    check(server, plain, 2)

    server.configure(server.tagged(4, extra=f"more.test:{second} {{\n    bind 127.0.0.1\n    nonsense\n}}"))
    assert server.reload().returncode == 1
    server.configure(server.tagged(4, more="    file /nowhere", extra=f"more.test:{second} {{\n bind 192.0.2.1\n}}"))
    assert server.reload().returncode == 1
    check(server, plain, 2)

    for title in ("worker 0", "keeper", "worker 1", "worker 1"):
        kill(server, title)
    check(server, plain, 2)

    more = f"more.test:{second} {{\n    bind 127.0.0.1\n    whoami\n}}"
    server.configure(server.tagged(5, extra=more))
    assert server.reload("-workers", "4").returncode == 0
    check(server, Expected(server, [server.port, second], []), 4)

    server.configure(server.tagged(6))
    assert server.reload("-workers", "1").returncode == 0
    check(server, Expected(server, [server.port], []), 1)
    assert server.ask() == {6}
