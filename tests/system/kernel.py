"""What the kernel says about a tree of processes: its members, descriptors, addresses and dropped packets."""

from __future__ import annotations

import os
import socket
import struct
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.bench.process import tree

LISTEN = "0A"  # linux/include/net/tcp_states.h: TCP_LISTEN


@dataclass(frozen=True)
class Endpoint:
    """A bound internet socket."""

    kind: str  # "udp", "tcp" (listening) or "connection"
    host: str
    port: int
    drops: int = 0

    def __str__(self) -> str:
        return f"{self.kind} {self.host}:{self.port}"


def titles(root: int) -> dict[str, int]:
    """Return the children of a master by title: `keeper`, `worker 0`, `checker`.

    Of several with one title (a reload is under way) the youngest counts.
    """
    found = {}
    for pid in sorted(tree(root)[1:]):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:  # it has ended meanwhile
            continue
        if words[0].startswith(b"shardns: "):
            found[words[0].decode().removeprefix("shardns: ")] = pid
    return found


def links(pid: int) -> dict[int, str]:
    """Return what the descriptors of a process are, as /proc/PID/fd has it; empty where it has ended."""
    found = {}
    try:
        names = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return {}
    for name in names:
        try:
            found[int(name)] = os.readlink(f"/proc/{pid}/fd/{name}")
        except OSError:
            continue
    return found


def descriptors(pid: int) -> Counter[str]:
    """Count a process's descriptors by what they are: `udp HOST:PORT`, `tcp …`, `unix`, `pipe`, or a path."""
    known = {f"socket:[{inode}]": str(one) for inode, one in endpoints().items()}
    found: Counter[str] = Counter()
    for link in links(pid).values():
        if link.startswith("socket:"):
            found[known.get(link, "unix")] += 1
        elif link.startswith("pipe:"):
            found["pipe"] += 1
        else:
            found[link] += 1
    return found


def bound(root: int) -> set[Endpoint]:
    """Return the addresses at which a tree of processes listens (connections left out, drops as 0)."""
    mine = {link for pid in tree(root) for link in links(pid).values()}
    return {
        Endpoint(one.kind, one.host, one.port)
        for inode, one in endpoints().items()
        if f"socket:[{inode}]" in mine and one.kind != "connection"
    }


def drops(port: int) -> int:
    """Return how many datagrams were dropped at the sockets of a port since they were bound."""
    return sum(one.drops for one in endpoints().values() if one.kind == "udp" and one.port == port)


def endpoints() -> dict[int, Endpoint]:
    """Return all internet sockets of the machine by inode."""
    found = {}
    for kind in ("udp", "udp6", "tcp", "tcp6"):
        for line in Path(f"/proc/net/{kind}").read_text().splitlines()[1:]:
            words = line.split()
            host, _, port = words[1].partition(":")
            name = kind.removesuffix("6")
            if name == "tcp" and words[3] != LISTEN:
                name = "connection"
            lost = int(words[12]) if name == "udp" else 0
            found[int(words[9])] = Endpoint(name, _host(host), int(port, 16), lost)
    return found


def _host(text: str) -> str:
    words = [struct.pack("=I", int(text[at : at + 8], 16)) for at in range(0, len(text), 8)]
    return socket.inet_ntop(socket.AF_INET6 if len(words) > 1 else socket.AF_INET, b"".join(words))
