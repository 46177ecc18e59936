"""TO arguments → upstream addresses: IP literals, resolv.conf files and host names, in the order written."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shardns.config.errors import Refuse
from shardns.config.golang import quote
from shardns.config.tokens import Token
from shardns.config.values import is_ip
from shardns.config.zones import TRANSPORTS, is_name, split_transport

MAX_TARGETS: Final = 15
SPOKEN: Final = ("dns", "tls", "https")
Lookup = Callable[[str], Sequence[str]]  # host name → addresses; raises OSError with the reference's text


class To(str):
    """One TO argument; `at` is where it stands."""

    at: Token | None = None


@dataclass(frozen=True, order=True)
class Target:
    """One upstream address. `server_name` is the name in its certificate where `%NAME` gave one."""

    host: str
    port: int
    transport: str = "dns"
    server_name: str = ""

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """The address as it may be written in a Corefile."""
        return str(self) if self.transport == "dns" else f"{self.transport}://{self}"


def resolve(tos: Sequence[To], lookup: Lookup, server_name: str = "") -> tuple[Target, ...]:
    """Return the upstreams, the first of each IP and port. Raises Refuse with the reference's text."""
    for to in tos:
        if to.startswith("https://") and "/" in to[8:]:
            text = "paths are not allowed in HTTPS upstream addresses (the /dns-query path is used by default): "
            raise Refuse(text + to, at=to.at)
    found: dict[tuple[str, int], Target] = {}
    yielding = 0
    for to in tos:
        targets = _targets(to, lookup)
        yielding += bool(targets)
        for target in targets:
            if target.transport not in SPOKEN:
                text = f"'{target.transport}' is not supported as a destination protocol in forward: {target.url}"
                raise Refuse(text, at=to.at, hint="expected one of: dns://, tls://, https://")
            if target.transport == "tls" and target.server_name and server_name:
                raise Refuse(
                    f"both forward ('{server_name}') and proxy level ('{target.server_name}') TLS servernames are set "
                    f"for upstream proxy '{target.url}'",
                    at=to.at,
                )
            found.setdefault((target.host, target.port), target)
    if not found:
        raise Refuse("no valid upstream addresses found", at=tos[0].at if tos else None)
    if yielding > MAX_TARGETS:
        raise Refuse(f"more than {MAX_TARGETS} TOs configured: {yielding}", at=tos[-1].at)
    return tuple(found.values())


def _targets(to: To, lookup: Lookup) -> list[Target]:
    """Return what one argument stands for; nothing for a file without nameservers."""
    transport, rest = split_transport(to)
    if not rest:
        raise Refuse(f"invalid address: {quote(to)}", at=to.at)
    if transport == "unix":
        raise Refuse(f"'unix' is not supported as a destination protocol in forward: {to}", at=to.at)
    address, server_name = split_name(rest)
    host, port = _split(address)
    if is_ip(host):
        return [Target(host, _port(port, transport, to), transport, server_name)]
    servers = nameservers(_path(rest, port))
    if servers is not None:
        return [target for server in servers for target in _nameserver(server, lookup, to)]
    if transport not in SPOKEN or not host or not is_name(host):
        raise Refuse(f"not an IP address, file, or valid domain: {quote(to)}", at=to.at)
    return [Target(ip, _port(port, transport, to), transport, server_name) for ip in _looked_up(host, lookup, to)]


def files(tos: Iterable[str]) -> tuple[str, ...]:
    """Return the files among the arguments, by absolute name."""
    found = []
    for to in tos:
        _, rest = split_transport(to)
        host, port = _split(split_name(rest)[0])
        path = _path(rest, port)
        if rest and not is_ip(host) and nameservers(path) is not None:
            found.append(str(path.absolute()))
    return tuple(dict.fromkeys(found))


def _path(rest: str, port: str | None) -> Path:
    return Path(rest if port is not None else rest.strip("[]"))


def _nameserver(server: str, lookup: Lookup, to: To) -> list[Target]:
    host = server.partition("%")[0]
    return [Target(ip, TRANSPORTS["dns"]) for ip in ([host] if is_ip(host) else _looked_up(host, lookup, to))]


def _looked_up(host: str, lookup: Lookup, to: To) -> Sequence[str]:
    try:
        return lookup(host)
    except OSError as error:
        raise Refuse(f"failed to resolve {quote(host)}: {error}", at=to.at) from None


def split_name(address: str) -> tuple[str, str]:
    """Cut `%NAME` out of `IP%NAME:PORT` or `[IP%NAME]:PORT`."""
    head, percent, name = address.rpartition("%")
    if not percent:
        return address, ""
    if head.startswith("["):
        head += "]"
    name, colon, port = name.rpartition(":") if ":" in name else (name, "", "")
    return head + colon + port, name.removesuffix("]")


def _split(address: str) -> tuple[str, str | None]:
    """Return host and port; an address whose colons do not fit `HOST:PORT` is all host."""
    host, colon, port = address.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or (":" in host and not bracketed) or port.endswith("]"):
        return address.strip("[]"), None
    return (host[1:-1] if bracketed else host), port


def _port(text: str | None, transport: str, to: To) -> int:
    """Return a port given by number or service name, the transport's own where none is given."""
    if text is None:
        return TRANSPORTS[transport]
    try:
        port = int(text) if text.isascii() and text.isdecimal() else socket.getservbyname(text)
    except OSError:
        port = -1
    if not 0 <= port <= 65535:
        raise Refuse(f"invalid port: {quote(text)}", at=to.at)
    return port


def nameservers(path: Path) -> list[str] | None:
    """Return the nameservers of a resolv.conf, None where there is no such file to read."""
    try:
        text = path.read_text(errors="replace")
    except IsADirectoryError:
        return []
    except (OSError, ValueError):
        return None
    rows = [line.split() for line in text.splitlines()]
    return [row[1] for row in rows if len(row) > 1 and row[0] == "nameserver"]
