"""TO arguments → upstream addresses: IP literals, files like resolv.conf and Unix sockets, in the order written."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shardns.config.errors import Refuse
from shardns.config.golang import quote
from shardns.config.tokens import Token
from shardns.config.values import is_ip
from shardns.config.zones import TRANSPORTS, split_transport

MAX_TARGETS: Final = 15
SPOKEN: Final = ("dns", "grpc")


class To(str):
    """One TO argument; `at` is where it stands."""

    at: Token | None = None

    @classmethod
    def of(cls, word: Token) -> To:
        """Return the argument that a word is."""
        to = cls(word.text)
        to.at = word
        return to


@dataclass(frozen=True)
class Target:
    """One upstream. `text` is how metrics name it; `path` that of a Unix socket; `spoken` whether we can ask it."""

    text: str
    host: str = ""
    port: int = 0
    path: str = ""
    spoken: bool = True


def resolve(tos: Sequence[To]) -> tuple[Target, ...]:
    """Return the upstreams of all arguments. Raises Refuse with the reference's text."""
    found = [target for to in tos for target in _targets(to)]
    if not found:
        raise Refuse("no nameservers found", located=False, at=tos[0].at if tos else None)
    if len(found) > MAX_TARGETS:
        raise Refuse(f"more than {MAX_TARGETS} TOs configured: {len(found)}", located=False, at=tos[-1].at)
    return tuple(found)


def _targets(to: To) -> list[Target]:
    transport, rest = split_transport(to)
    if not rest:
        raise Refuse(f"invalid address: {quote(to)}", located=False, at=to.at)
    if transport == "unix":
        return [Target(str(to), path=rest)]
    host, port = _split(rest)
    if not is_ip(host.partition("%")[0]):
        return _nameservers(rest, to)
    spoken = transport in SPOKEN
    if port is None:
        text = _joined(host, TRANSPORTS[transport])
        text = text if transport == "dns" else f"{transport}://{text}"
        return [Target(text, host, TRANSPORTS[transport], spoken=spoken)]
    if not (port.isascii() and port.isdecimal()) or int(port) > 65535:
        return [Target(str(to), host, spoken=False)]  # accepted, and of no use, as in the reference
    return [Target(str(to), host, int(port), spoken=spoken)]


def _split(address: str) -> tuple[str, str | None]:
    """Return host and port; an address whose colons do not fit `HOST:PORT` is all host."""
    host, colon, port = address.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        return host[1:-1], port
    return (address, None) if not colon or ":" in host else (host, port)


def _joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _nameservers(name: str, to: To) -> list[Target]:
    """Return the nameservers of a file."""
    try:
        lines = Path(name).read_text(errors="replace").splitlines()
    except (OSError, ValueError) as error:
        why = os.strerror(error.errno).lower() if isinstance(error, OSError) and error.errno else str(error)
        why = f"{'read' if isinstance(error, IsADirectoryError) else 'open'} {name}: {why}"
        if isinstance(error, FileNotFoundError):
            why = f"failed to open file {quote(name)}: {quote(why)}"
        text = f"not an IP address or file {quote(name)}: {why}"
        raise Refuse(text, located=False, at=to.at, hint="expected IP, IP:PORT, a file or unix:///PATH") from None
    rows = [line.split() for line in lines]
    hosts = [row[1].partition("%")[0] for row in rows if len(row) > 1 and row[0] == "nameserver"]
    return [Target(_joined(host, TRANSPORTS["dns"]), host, TRANSPORTS["dns"]) for host in hosts]
