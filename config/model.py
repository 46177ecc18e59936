"""The checked configuration: frozen, picklable, comparable; zones are lower-case wire form.

1. Two models are equal if they mean the same: places, warnings, the file's name and the digest do not count.
2. `listeners` is a pure function of the model and gives the same order everywhere; master and workers name a listener
   by its place in it.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .errors import Place
from .names import to_text

WILDCARD = ""  # the listen host of a block without `bind`: dual stack


class Key(NamedTuple):
    """One name in front of a block."""

    transport: str
    zone: bytes
    port: int

    def __str__(self) -> str:
        return f"{self.transport}://{to_text(self.zone)}:{self.port}"


class Endpoint(NamedTuple):
    """An HTTP address that a directive serves in the keeper. `required`: the start fails where it cannot be bound.

    Otherwise that is logged, with `complaint` in front of the reason, or the plugin's name where there is none.
    """

    plugin: str
    address: str
    required: bool = True
    complaint: str = ""


@dataclass(frozen=True)
class Timeouts:
    """Limits of stream transports in seconds, None where the block says nothing."""

    read: float | None = None
    write: float | None = None
    idle: float | None = None
    maxtcpqueries: int | None = None

    def over(self, other: Timeouts) -> Timeouts:
        """Return these limits, with the other's where these say nothing."""
        return Timeouts(
            other.read if self.read is None else self.read,
            other.write if self.write is None else self.write,
            other.idle if self.idle is None else self.idle,
            other.maxtcpqueries if self.maxtcpqueries is None else self.maxtcpqueries,
        )


UNLIMITED = Timeouts()


@dataclass(frozen=True)
class Encryption:
    """What the encrypted listeners of a block prove themselves with: files, or the domains of an ACME account.

    `client_auth` is one of `nocert`, `request`, `require`, `verify_if_given` and `require_and_verify`. `stamp` is a
    digest of the files' contents when they were checked: it changes with them, the model does not. `acme` are the
    options of an ACME stanza, None where the certificate comes from files.
    """

    certificate: str = ""
    key: str = ""
    ca: str = ""
    client_auth: str = "nocert"
    keylog: str = ""
    acme: Any = None
    stamp: str = field(default="", compare=False)


@dataclass(frozen=True)
class Directive:
    """One directive of a block with all its lines: the plugin's options, or a tuple of them (`repeat="each"`)."""

    name: str
    options: Any
    place: Place | None = field(default=None, compare=False)


@dataclass(frozen=True)
class ServerBlock:
    """A server block; `directives` stand in the order of the chain, `filters` are the names of its views.

    `by_name`: UDP queries are spread over the workers by their names, not by their clients.
    """

    index: int
    keys: tuple[Key, ...]
    directives: tuple[Directive, ...] = ()
    hosts: tuple[str, ...] = (WILDCARD,)
    root: str = ""
    debug: bool = False
    stacktrace: bool = False
    timeouts: Timeouts = UNLIMITED
    sockets: int = 0
    by_name: bool = False
    filters: tuple[str, ...] = ()
    encryption: Encryption | None = None
    place: Place | None = field(default=None, compare=False)

    @property
    def zones(self) -> tuple[bytes, ...]:
        """The names of the keys."""
        return tuple(key.zone for key in self.keys)

    def directive(self, name: str) -> Directive | None:
        """Return a directive by name."""
        return next((found for found in self.directives if found.name == name), None)


@dataclass(frozen=True)
class Model:
    """A whole configuration. `digest` is what the `reload` plugin compares and prints (core §6.2).

    `looked_up`: its file was not named, and one that is missing means the built-in configuration.
    """

    file: str = field(compare=False)
    blocks: tuple[ServerBlock, ...]
    endpoints: tuple[Endpoint, ...] = ()
    workers: int = 0
    settings: tuple[tuple[str, Any], ...] = ()
    warnings: tuple[str, ...] = field(default=(), compare=False)
    digest: str = field(default="", compare=False)
    built_in: bool = field(default=False, compare=False)
    looked_up: bool = field(default=False, compare=False)


@dataclass(frozen=True)
class Listening:
    """One listening address and who is served on it. `zones` are (zone, block index) in the order of the file.

    `sockets` is the number of socket pairs asked for, 0 where nobody asks; `by_name` tells whether some block wants
    each name to have one home; `label` is the `server` metrics label.
    """

    transport: str
    host: str
    port: int
    zones: tuple[tuple[bytes, int], ...]
    sockets: int = 0
    by_name: bool = False
    timeouts: Timeouts = UNLIMITED
    debug: bool = False
    stacktrace: bool = False
    encryption: Encryption | None = None
    blocks: tuple[int, ...] = ()

    @property
    def label(self) -> str:
        """`dns://:53`, `dns://127.0.0.1:53`, `dns://[::1]:53`."""
        return f"{self.transport}://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


def listeners(model: Model) -> tuple[Listening, ...]:
    """Group the keys of all blocks by transport, host and port, in the order in which the file first names them.

    Hosts are compared as addresses, however they are written.
    """
    groups: dict[tuple[str, str, int], list[tuple[bytes, ServerBlock]]] = {}
    for block in model.blocks:
        for key in block.keys:
            for host in dict.fromkeys(map(canonical, block.hosts)):
                groups.setdefault((key.transport, host, key.port), []).append((key.zone, block))
    return tuple(_listening(*where, served) for where, served in groups.items() if where[0] != "unix")


def canonical(host: str) -> str:
    """Return the shortest spelling of an address (RFC 5952), an IPv4 one where it is mapped; the wildcard as it is."""
    if not host:
        return WILDCARD
    address = ipaddress.ip_address(host)
    return str(getattr(address, "ipv4_mapped", None) or address)


def _listening(transport: str, host: str, port: int, served: list[tuple[bytes, ServerBlock]]) -> Listening:
    timeouts = UNLIMITED
    for _, block in served:
        timeouts = block.timeouts.over(timeouts)  # the last block that sets a limit wins
    return Listening(
        transport, host, port,
        zones=tuple((zone, block.index) for zone, block in served),
        sockets=served[0][1].sockets,  # the first block decides, as in the reference
        by_name=any(block.by_name for _, block in served),
        timeouts=timeouts,
        debug=any(block.debug for _, block in served),
        stacktrace=served[-1][1].stacktrace,
        encryption=next((block.encryption for _, block in reversed(served) if block.encryption), None),
        blocks=tuple(dict.fromkeys(block.index for _, block in served)),
    )  # fmt: skip
