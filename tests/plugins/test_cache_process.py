"""cache in real processes: who shares entries, and what outlives what."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import psutil
import pytest

from tests.bench.run import free_port, stop

SHARDNS = Path(sys.executable).with_name("shardns")
BLOCK = """
.:{port} {{
    {above}
    cache 600
    hosts {folder}/hosts {{
        reload 100ms
        ttl {ttl}
    }}
}}
"""
WAIT_S = 20.0

pytestmark = pytest.mark.system


class Server:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.corefile = folder / "Corefile"
        (folder / "run").mkdir()
        self.hosts("192.0.2.1")
        self.configure(ttl=500)
        self.log = (folder / "log").open("wb")
        self.popen = subprocess.Popen(
            [SHARDNS, "-conf", self.corefile, "--workers", "2"],
            cwd=folder,
            stdout=self.log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "RUNTIME_DIRECTORY": str(folder / "run")},
        )
        self.until(lambda: self.ask("ready.test.") is not None)

    def hosts(self, ip: str) -> None:
        fresh = self.folder / "hosts.new"
        fresh.write_text(f"{ip} ready.test a.test now-{ip}.test\n")
        fresh.replace(self.folder / "hosts")

    def configure(self, ttl: int, above: str = "") -> None:
        self.corefile.write_text(BLOCK.format(port=self.port, folder=self.folder, ttl=ttl, above=above))

    def ask(self, name: str) -> str | None:
        query = dns.message.make_query(name, "A")
        try:
            found = dns.query.udp(query, "127.0.0.1", port=self.port, timeout=0.5)
        except (dns.exception.Timeout, OSError):
            return None
        return str(found.answer[0][0]) if found.answer else None

    def asks(self, name: str) -> set[str | None]:
        """Ask from many ports, so that every worker has its turn."""
        return {self.ask(name) for _ in range(16)}

    def until(self, true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WAIT_S
        while not true():
            assert time.monotonic() < deadline, (self.folder / "log").read_text()

    def workers(self) -> list[psutil.Process]:
        found = []
        for process in psutil.Process(self.popen.pid).children():
            with suppress(psutil.NoSuchProcess):
                found += [process] if "worker" in " ".join(process.cmdline()) else []
        return found

    def reload(self) -> None:
        before = {p.pid for p in self.workers()}
        self.popen.send_signal(signal.SIGUSR1)
        self.until(lambda: len(now := self.workers()) == 2 and not before & {p.pid for p in now})


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    try:
        yield server
    finally:
        stop(server.popen)
        server.log.close()


def test_entries_outlive_workers_and_reloads_that_leave_the_block_alone(server: Server) -> None:
    assert server.asks("a.test.") == {"192.0.2.1"}
    server.hosts("192.0.2.2")
    server.until(lambda: server.ask("now-192.0.2.2.test.") is not None)
    assert server.asks("a.test.") == {"192.0.2.1"}

    for worker in server.workers():
        os.kill(worker.pid, signal.SIGKILL)
    server.until(lambda: len(server.workers()) == 2 and server.ask("a.test.") is not None)
    assert server.asks("a.test.") == {"192.0.2.1"}

    server.configure(ttl=500, above="errors")
    server.reload()
    assert server.asks("a.test.") == {"192.0.2.1"}

    server.configure(ttl=499, above="errors")
    server.reload()
    assert server.asks("a.test.") == {"192.0.2.2"}
