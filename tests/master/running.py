"""A running master with fake children (`fakes`), and what one can see of it from outside."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[2]
PATIENCE_S = 15.0
AS_SYSTEMD = """
import fcntl, os, sys
for at, fd in enumerate([fcntl.fcntl(fd, fcntl.F_DUPFD, 50) for fd in {fds}], 3):
    os.dup2(fd, at)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len({fds})), LISTEN_FDNAMES="dns")
os.execv(sys.argv[1], sys.argv[1:])
"""


def free_port() -> int:
    """Return a port that is free for TCP and UDP on 127.0.0.1."""
    while True:
        with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            try:
                udp.bind(tcp.getsockname())
            except OSError:
                continue
            return int(tcp.getsockname()[1])


def until(what: Callable[[], Any]) -> Any:
    """Wait for something to be true; returns it."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := what()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
    return found


class Server:
    """A master process. `words` configure its fakes; `@` stands for `listen=127.0.0.1:PORT`."""

    def __init__(
        self, folder: Path, words: str = "@", *, environ: dict[str, str] | None = None, handed_over: Sequence[int] = ()
    ) -> None:
        self.port = free_port()
        self.folder = folder
        self.configure(words)
        self.environ = {**os.environ, "XDG_RUNTIME_DIR": str(folder), **(environ or {})}
        line = [sys.executable, "-m", "tests.master.fakes", str(folder / "conf"), str(folder / "pid")]
        if handed_over:
            line = [sys.executable, "-c", AS_SYSTEMD.format(fds=list(handed_over)), *line]
        with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
            self.process = subprocess.Popen(
                line, stdout=out, stderr=err, cwd=ROOT, env=self.environ, pass_fds=handed_over
            )
        self.master = psutil.Process(self.process.pid)

    def serve(self) -> Server:
        """Wait until it serves."""
        until(lambda: "CoreDNS-" in self.out or self.process.poll() is not None)
        assert self.process.poll() is None, self.err
        return self

    def configure(self, words: str) -> None:
        """Change the configuration file."""
        (self.folder / "conf").write_text(words.replace("@", f"listen=127.0.0.1:{self.port}"))

    @property
    def out(self) -> str:
        """What it printed."""
        return (self.folder / "out").read_text()

    @property
    def err(self) -> str:
        """What it complained about."""
        return (self.folder / "err").read_text()

    def children(self) -> dict[str, int]:
        """Return the process ids of keeper and workers by title."""
        titles = {}
        for child in self.master.children():
            try:
                titles[child.cmdline()[0].removeprefix("shardns: ")] = child.pid
            except (psutil.Error, IndexError):
                continue
        return titles

    def ask(self, port: int = 0) -> str:
        """Send a datagram from a fresh port; returns the answer, empty where there is none."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(1)
            sock.connect(("127.0.0.1", port or self.port))
            try:
                sock.send(b"?")
                return sock.recv(100).decode()
            except OSError:
                return ""

    def call(self) -> str:
        """Connect; returns the greeting."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=2) as sock:
            return sock.recv(100).decode()

    def signal(self, number: signal.Signals) -> None:
        """Send the master a signal."""
        self.process.send_signal(number)

    def reload(self, *flags: str) -> subprocess.CompletedProcess[str]:
        """Run `shardns reload`."""
        return self.command("reload", *flags)

    def command(self, name: str, *flags: str) -> subprocess.CompletedProcess[str]:
        """Run a subcommand against this server."""
        code = "import sys; from shardns.master.cli import main; sys.exit(main())"
        line = [sys.executable, "-c", code, name, "-conf", str(self.folder / "conf"), *flags]
        return subprocess.run(line, env=self.environ, capture_output=True, text=True, timeout=PATIENCE_S, check=False)

    def wait(self) -> int:
        """Wait for its end; returns the exit status."""
        return self.process.wait(PATIENCE_S)

    def close(self) -> None:
        """Make sure that nothing is left."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
