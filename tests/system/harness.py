"""A running shardns and what the system tests do to it: configure, reload, ask under load, look, clean up.

1. Everything stands in a folder of the test; ports are free ones; what was started is ended by its process id.
2. `tagged(n)` is a configuration whose every reply says `n` in several records: a reply that mixes two is seen.
3. Times are monotonic. What the server printed is stamped when it is read, so later than it was printed, never earlier.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import dns.exception
import dns.message
import dns.query

from tests.bench.process import tree
from tests.bench.run import free_port

from . import kernel
from .load import FIRST, ZONE, Findings, Load, checking, loading, tags

SHARDNS = Path(sys.executable).with_name("shardns")
PATIENCE_S = 20.0
COMPLETE = "[INFO] Reloading complete"

LAUNCHER = "import sys\n{}\nfrom shardns.master.cli import main\nsys.exit(main())"

ZONE_TEXT = """$ORIGIN check.test.
$TTL 60
@ SOA ns-g{n}. root-g{n}. {n} 7200 3600 1209600 60
@ NS ns-g{n}.check.test.
@ MX 10 mx-g{n}.check.test.
ns-g{n} A 10.0.{high}.{low}
mx-g{n} A 10.1.{high}.{low}
www A 10.2.{high}.{low}
www A 10.3.{high}.{low}
www A 10.4.{high}.{low}
"""
COREFILE = """check.test:{port} {{
    bind 127.0.0.1
    file {folder}/db-{n}
{more}
}}
{extra}
"""


def until(what: Callable[[], Any], patience_s: float = PATIENCE_S, why: str = "waited in vain") -> Any:
    """Wait for something to be true; returns it."""
    deadline = time.monotonic() + patience_s
    while not (found := what()):
        assert time.monotonic() < deadline, why
        time.sleep(0.01)
    return found


class Server:
    """A shardns process. Configure it, `start` it, `close` it (or use it as a context).

    `before` is Python that runs in its master first: the way to a failure that no configuration can cause.
    `first` puts it and its load before everything else on the machine, where the test may: neighbours disturb less.
    """

    def __init__(
        self,
        folder: Path,
        *,
        workers: int = 2,
        environ: Mapping[str, str] | None = None,
        before: str = "",
        first: bool = False,
    ) -> None:
        self.folder = folder
        self.first = first
        self.program = list(FIRST) if first else []
        self.program += [str(SHARDNS)] if not before else [sys.executable, "-c", LAUNCHER.format(before)]
        self.port = free_port()
        self.workers = workers
        self.corefile = folder / "Corefile"
        self.runtime = folder / "run"
        self.runtime.mkdir(exist_ok=True)
        self.environ = {**os.environ, "RUNTIME_DIRECTORY": str(self.runtime), **(environ or {})}
        self.printed: list[tuple[float, str]] = []
        self.popen: subprocess.Popen[bytes]
        self._seen: set[int] = set()
        self._reader: threading.Thread | None = None

    # Configurations -------------------------------------------------------------------------------------------------

    def tagged(self, n: int, more: str = "", extra: str = "") -> str:
        """Return a configuration with a zone that tells `n`; `more` directives, `extra` server blocks."""
        text = ZONE_TEXT.format(n=n, high=n >> 8, low=n & 255)
        (self.folder / f"db-{n}").write_text(text)
        return COREFILE.format(port=self.port, folder=self.folder, n=n, more=more, extra=extra)

    def configure(self, text: str) -> None:
        """Replace the Corefile as an editor does."""
        fresh = self.folder / "Corefile.new"
        fresh.write_text(text)
        fresh.replace(self.corefile)

    # Its life -------------------------------------------------------------------------------------------------------

    def start(self, *flags: str, patience_s: float = PATIENCE_S) -> Server:
        """Start it and wait until it serves."""
        if not self.corefile.exists():
            self.configure(self.tagged(1))
        self.popen = subprocess.Popen(
            [*self.program, "-conf", str(self.corefile), "--workers", str(self.workers), *flags],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self.environ,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        until(lambda: "CoreDNS-" in self.log or self.popen.poll() is not None, patience_s)
        assert self.popen.poll() is None, self.log
        return self

    def _read(self) -> None:
        assert self.popen.stdout is not None
        for line in self.popen.stdout:
            self.printed.append((time.monotonic(), line.decode(errors="replace").rstrip("\n")))

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End it; what does not go by itself is killed."""
        if not hasattr(self, "popen"):
            return
        known = {pid: _born(pid) for pid in tree(self.popen.pid)[1:]} if self.popen.poll() is None else {}
        if self.popen.poll() is None:
            self.popen.terminate()
            try:
                self.popen.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()
        for pid, born in known.items():
            if born and _born(pid) == born:
                os.kill(pid, signal.SIGKILL)
        if self._reader is not None:
            self._reader.join(PATIENCE_S)
            assert self.popen.stdout is not None
            self.popen.stdout.close()

    # Commands and signals -------------------------------------------------------------------------------------------

    def signal(self, number: signal.Signals) -> float:
        """Send the master a signal; returns when."""
        now = time.monotonic()
        self.popen.send_signal(number)
        return now

    def reload(self, *flags: str) -> subprocess.CompletedProcess[str]:
        """Run `shardns reload` and wait for its outcome."""
        return self.command("reload", *flags)

    def command(self, name: str, *flags: str) -> subprocess.CompletedProcess[str]:
        """Run a subcommand against this server."""
        line = [str(SHARDNS), name, "-conf", str(self.corefile), *flags]
        return subprocess.run(line, env=self.environ, capture_output=True, text=True, timeout=60, check=False)

    # What can be seen -----------------------------------------------------------------------------------------------

    @property
    def pid(self) -> int:
        """The master's."""
        return self.popen.pid

    @property
    def log(self) -> str:
        """What it printed so far, both streams."""
        return "".join(f"{line}\n" for _, line in list(self.printed))

    def count(self, line: str) -> int:
        """Return how often a line was printed."""
        return sum(1 for _, text in list(self.printed) if text == line)

    def wait_printed(self, line: str, times: int = 1) -> float:
        """Wait until a line was printed so often; returns when (the last time was read)."""
        until(lambda: self.count(line) >= times, why=f"not printed {times} times: {line}\n{self.log}")
        return [at for at, text in list(self.printed) if text == line][times - 1]

    def children(self) -> dict[str, int]:
        """Return the process ids of `keeper`, `worker 0`, …"""
        return kernel.titles(self.pid)

    def tree(self) -> list[int]:
        """Return all its process ids, the master's first."""
        return tree(self.pid)

    def descriptors(self) -> dict[str, Counter[str]]:
        """Return what each process has open, by title."""
        everybody = {"master": self.pid, **self.children()}
        return {title: kernel.descriptors(pid) for title, pid in everybody.items()}

    def bound(self) -> set[str]:
        """Return the addresses at which any of its processes listens: `udp 127.0.0.1:53`, …"""
        return {str(one) for one in kernel.bound(self.pid)}

    def ask(self, name: str = f"www.{ZONE}", qtype: str = "A", *, port: int = 0, tcp: bool = False) -> set[int]:
        """Ask once; returns the generations that the reply names, empty where none came."""
        query = dns.message.make_query(name, qtype)
        call = dns.query.tcp if tcp else dns.query.udp
        try:
            return tags(call(query, "127.0.0.1", timeout=1, port=port or self.port))
        except (dns.exception.DNSException, OSError):
            return set()

    # Load -----------------------------------------------------------------------------------------------------------

    def checking(self, **more: Any) -> AbstractContextManager[Findings]:
        """Have a checking client ask as long as the context lasts; see `load.checking`."""
        return checking(self.port, first=self.first, **more)

    def loading(self, seconds: float, **more: Any) -> AbstractContextManager[Load]:
        """Run dnsperf beside what happens in the context; see `load.Load`."""
        return loading(self.folder, self.port, seconds, first=self.first, **more)


def _born(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def taken_port(kind: socket.SocketKind = socket.SOCK_DGRAM) -> tuple[socket.socket, int]:
    """Occupy a port of 127.0.0.1 without SO_REUSEPORT; the caller closes it."""
    sock = socket.socket(type=kind)
    port = free_port()
    sock.bind(("127.0.0.1", port))
    if kind == socket.SOCK_STREAM:
        sock.listen()
    return sock, port
