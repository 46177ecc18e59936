"""Starts and stops the processes of a run, and sends the load."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from . import process
from .servers import Command

SERVER_CORE = 0
LOAD_CORE = 1
ALL_CORES = "0-1023"  # taskset leaves out what is not there
START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 10.0


class NoAnswer(Exception):
    """A server that ended or stayed silent."""


@dataclass(frozen=True)
class Load:
    """How dnsperf asks."""

    seconds: float
    clients: int
    outstanding: int
    transport: str = "udp"
    once: bool = False  # stop at the end of the file instead of starting over
    dnssec: bool = False  # set DO


@dataclass(frozen=True)
class Sample:
    """One run against one server."""

    qps: float
    cpu_us: float
    lost: int
    memory_mib: float


@dataclass
class Running:
    """A started server. `port` is the one of plain DNS, `asked` the one that gets the load."""

    name: str
    port: int
    popen: subprocess.Popen[bytes]
    log: Path
    asked: int = 0

    @property
    def pid(self) -> int:
        """The root of its process tree."""
        return self.popen.pid


def free_port() -> int:
    """Return a loopback port that is free for UDP and TCP."""
    for _ in range(100):
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            port: int = tcp.getsockname()[1]
            try:
                udp.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise NoAnswer("no free port")


@contextmanager
def serving(name: str, command: Command, folder: Path, port: int, cores: str) -> Iterator[Running]:
    """Start a server, pinned to some cores, and end its whole process group afterwards. It may not answer yet."""
    log = folder / "log"
    words = ["taskset", "-c", cores, *command.words]
    with log.open("ab") as out:
        popen = subprocess.Popen(
            words,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, **command.environment},
            start_new_session=True,
        )
    try:
        yield Running(name, port, popen, log)
    finally:
        stop(popen)


def stop(popen: subprocess.Popen[bytes]) -> None:
    """End a server with SIGTERM, then whatever is left of its process group."""
    if popen.poll() is None:
        popen.terminate()
        try:
            popen.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            pass
    try:
        os.killpg(popen.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    popen.wait()


def question(name: str) -> bytes:
    """Return a query for an address, as it is sent."""
    labels = b"".join(bytes((len(label),)) + label.encode() for label in name.split("."))
    return bytes.fromhex("4242 0100 0001 0000 0000 0000") + labels + bytes.fromhex("00 0001 0001")


def wait_for_answer(server: Running, name: str, timeout_s: float = START_TIMEOUT_S) -> float:
    """Ask until an address comes back; return how long that took in seconds."""
    began = time.monotonic()
    wire = question(name)
    while time.monotonic() - began < timeout_s:
        if server.popen.poll() is not None:
            raise NoAnswer(f"{server.name} ended:\n{server.log.read_text(errors='replace')[-2000:]}")
        with socket.socket(type=socket.SOCK_DGRAM) as udp:
            udp.settimeout(0.1)
            try:
                udp.connect(("127.0.0.1", server.port))
                udp.send(wire)
                reply = udp.recv(4096)
            except OSError:
                time.sleep(0.01)
                continue
        if reply[3] & 15 == 0 and reply[6:8] != b"\0\0":
            return time.monotonic() - began
        time.sleep(0.01)
    raise NoAnswer(f"{server.name} did not answer in {timeout_s:.0f} s")


def write_questions(path: Path, lines: Iterable[str]) -> Path:
    """Write a file that dnsperf reads."""
    with path.open("w") as out:
        out.writelines(lines)
    return path


def measure(server: Running, questions: Path, load: Load) -> Sample:
    """Send the questions for some seconds; count answers, losses and the server's CPU time."""
    before = process.cpu_s(server.pid)
    asks = asks_over_quic if load.transport == "doq" else asks_by_dnsperf
    done = subprocess.run(
        ["taskset", "-c", str(LOAD_CORE), *asks(server.asked or server.port, questions, load)],
        capture_output=True,
        text=True,
        timeout=load.seconds + 60,
        check=True,
    )
    cpu = process.cpu_s(server.pid) - before
    memory = process.memory_mib(server.pid)
    completed = int(_figure(done.stdout, r"Queries completed:\s+(\d+)"))
    qps = _figure(done.stdout, r"Queries per second:\s+([\d.]+)")
    lost = int(_figure(done.stdout, r"Queries lost:\s+(\d+)"))
    return Sample(qps, cpu * 1e6 / max(1, completed), lost, memory)


def asks_by_dnsperf(port: int, questions: Path, load: Load) -> list[str]:
    """Return the command line that asks with dnsperf."""
    words = ["dnsperf", "-s", "127.0.0.1", "-p", str(port), "-d", str(questions), "-m", load.transport]
    words += ["-l", f"{load.seconds:g}", "-c", str(load.clients), "-q", str(load.outstanding), "-T", "1", "-t", "2"]
    words += ["-n", "1"] if load.once else []
    words += ["-D"] if load.dnssec else []
    return words


def asks_over_quic(port: int, questions: Path, load: Load) -> list[str]:
    """Return the command line that asks over QUIC."""
    figures = (str(port), str(questions), f"{load.seconds:g}", str(load.clients), str(load.outstanding))
    return [sys.executable, "-m", "tests.bench.doq", *figures]


def _figure(text: str, pattern: str) -> float:
    found = re.search(pattern, text)
    return float(found[1]) if found else 0.0


def missing_tools() -> list[str]:
    """Return the programs without which nothing can be measured."""
    return [tool for tool in ("dnsperf", "taskset") if shutil.which(tool) is None]
