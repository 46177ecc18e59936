"""Queries for the system tests: a checking client that knows generations, and dnsperf for the load."""

from __future__ import annotations

import pickle
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dns.message
import dns.rcode
import dns.rdatatype

from .client import Sample

ROOT = Path(__file__).parents[2]
ZONE = "check.test"
FIRST = ("nice", "-n", "-10")  # goes on with a warning where it may not
_TAG = re.compile(r"-g(\d+)\.")


def tags(reply: dns.message.Message) -> set[int]:
    """Return the generations that a reply names in any of its records."""
    found = set()
    for section in (reply.answer, reply.authority, reply.additional):
        for rrset in section:
            for text in (f"{rrset.name.to_text()} {rdata.to_text()}" for rdata in rrset):
                found |= {int(tag) for tag in _TAG.findall(text)}
                if rrset.rdtype == dns.rdatatype.A:
                    high, low = text.split()[1].split(".")[2:]
                    found.add(int(high) << 8 | int(low))
    return found


@dataclass(frozen=True)
class Replied:
    """One reply to the checking client. `generation` is -1 where it names none or several, or is no success."""

    sent: float
    received: float
    generation: int


@dataclass(frozen=True)
class Findings:
    """What a checking client saw."""

    replies: list[Replied]
    lost: list[float]  # when they were sent

    def first(self, generation: int, since: float) -> float:
        """Return how long after a time the first reply of a generation came (s)."""
        return min(one.received for one in self.replies if one.generation == generation) - since


@contextmanager
def checking(
    port: int,
    *,
    rate: float = 1000,
    sockets: int = 16,
    name: str = ZONE,
    qtype: str = "MX",
    first: bool = False,
) -> Iterator[Findings]:
    """Ask as long as the context lasts; the findings are filled in at its end."""
    line = [
        *(FIRST if first else ()),
        sys.executable,
        "-m",
        "tests.system.client",
        str(port),
        str(rate),
        str(sockets),
        name,
        qtype,
    ]
    findings = Findings([], [])
    popen = subprocess.Popen(line, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert popen.stdin is not None and popen.stdout is not None
    try:
        yield findings
        popen.stdin.close()
        samples: list[Sample] = pickle.loads(popen.stdout.read())
        _judge(samples, findings)
    finally:
        popen.kill()
        popen.wait()
        popen.stdin.close()
        popen.stdout.close()


def _judge(samples: list[Sample], findings: Findings) -> None:
    known: dict[bytes, int] = {b"": -1}
    for sent, received, reply in samples:
        if not received:
            findings.lost.append(sent)
            continue
        if reply not in known:
            message = dns.message.from_wire(bytes(2) + reply)
            found = tags(message) if message.rcode() == dns.rcode.NOERROR else set()
            known[reply] = found.pop() if len(found) == 1 else -1
        findings.replies.append(Replied(sent, received, known[reply]))


@dataclass(frozen=True)
class Outcome:
    """What dnsperf counted."""

    sent: int
    lost: int
    qps: float
    rcodes: str
    text: str


class Load:
    """A running dnsperf. It keeps its rate through pauses of the server: many queries may be outstanding."""

    def __init__(
        self,
        folder: Path,
        port: int,
        seconds: float,
        *,
        rate: int = 20_000,
        names: list[str] | None = None,
        tcp: bool = False,
        timeout_s: float = 5,
        first: bool = False,
    ) -> None:
        queries = folder / f"queries-{time.monotonic_ns()}"
        queries.write_text("\n".join(names or [f"www.{ZONE} A", f"{ZONE} MX", f"nx.{ZONE} A"]) + "\n")
        line = ["dnsperf", "-s", "127.0.0.1", "-p", str(port), "-d", str(queries), "-l", str(seconds)]
        line += ["-Q", str(rate), "-q", str(max(100, rate)), "-c", "20", "-T", "1", "-b", "4096"]
        line += ["-t", str(timeout_s), "-m", "tcp" if tcp else "udp"]
        line += ["-O", "suppress=timeout,unexpected"]  # else a line for each, and a full pipe stops it
        line = [*FIRST, *line] if first else line
        self.popen = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self._outcome: Outcome | None = None

    def running(self) -> bool:
        """Tell whether it still asks."""
        return self.popen.poll() is None

    def outcome(self) -> Outcome:
        """Wait for its end; returns what it counted."""
        if self._outcome is None:
            self._outcome = _counted(self.popen.communicate(timeout=300)[0])
        return self._outcome

    def stop(self) -> None:
        """Have it ask no more, wait for what is under way, and count."""
        self.popen.send_signal(signal.SIGINT)

    def close(self) -> None:
        """End it early."""
        if self.popen.poll() is None:
            self.popen.kill()
        self.popen.wait()
        if self.popen.stdout is not None:
            self.popen.stdout.close()


def _counted(text: str) -> Outcome:
    def number(label: str) -> float:
        found = re.search(rf"{label}:\s+([\d.]+)", text)
        assert found, text
        return float(found[1])

    rcodes = re.search(r"Response codes:\s+(.*)", text)
    sent, lost, qps = (number(f"Queries {word}") for word in ("sent", "lost", "per second"))
    return Outcome(int(sent), int(lost), qps, rcodes[1] if rcodes else "", text)


@contextmanager
def loading(folder: Path, port: int, seconds: float, **more: Any) -> Iterator[Load]:
    """Run dnsperf beside what happens in the context; it ends with the context, `outcome()` stays."""
    running = Load(folder, port, seconds, **more)
    try:
        yield running
        running.outcome()
    finally:
        running.close()


def has_dnsperf() -> bool:
    """Tell whether the load generator is installed."""
    return shutil.which("dnsperf") is not None
