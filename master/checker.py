"""The checker: a short-lived child that reads, parses and validates, and returns the model or all problems by pipe.

It is bounded in time, CPU and memory, opens no socket and changes nothing; the master never sees operator text.
"""

from __future__ import annotations

import os
import pickle
import resource
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from shardns.config.errors import ConfigError
from shardns.config.keys import MAX_PORT
from shardns.config.load import load
from shardns.config.model import Model, listeners
from shardns.config.schema import Schema
from shardns.config.source import Source, find
from shardns.worker.priority import PREPARING, Priority

from .where import Where, endpoint

CPU_S = 60
WALL_S = 120.0
EXTRA_BYTES = 4 << 30  # address space beyond what the master has: a large inline configuration fits
# Built. Nothing listens on `unix://` keys, as in the reference.
TRANSPORTS = frozenset(("dns", "tls", "https", "grpc", "quic", "https3", "unix"))
VIA_FLAG = "loading Caddyfile via flag: "


@dataclass(frozen=True)
class Job:
    """What to check. `piped` is the text that was read from standard input at start, if it was.

    `running` says what a reload runs on: "" at start, else "file" or "built-in". One that is not `urgent` gives way to
    those that serve.
    """

    conf: str = ""
    port: int = 53
    piped: str | None = None
    running: str = ""
    urgent: bool = False


@dataclass(frozen=True)
class Report:
    """What came out: a model, or `text` (the reference's) with `detail` (every problem with its place)."""

    model: Model | None = None
    listeners: int = 0
    endpoints: tuple[Where | str, ...] = ()  # or the error text
    piped: str | None = None
    text: str = ""
    detail: str = ""
    unread: bool = False
    warnings: tuple[str, ...] = field(default=())


class Registry(Mapping[str, "type[Schema] | None"]):
    """Directive → options, imported only where a configuration uses it."""

    def __init__(self) -> None:
        from shardns.plugins import order

        self.order = order()

    def __getitem__(self, name: str) -> type[Schema] | None:
        from shardns.plugins import schema

        if name not in self.order:
            raise KeyError(name)
        return schema(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.order)

    def __len__(self) -> int:
        return len(self.order)


def check(job: Job) -> Report:
    """Read and judge a configuration."""
    try:
        source = _read(job)
    except ConfigError as error:
        text = error.text
        if job.running:
            text = f"loading updated Caddyfile: {text.removeprefix(VIA_FLAG)}"
        return Report(text=text, detail=text, unread=True)
    if source.built_in and job.running == "built-in":
        return Report(text="no Caddyfile loader with which to reload Caddyfile", unread=True)
    registry = Registry()
    try:
        model = load(source, registry, registry.order, port=job.port, transports=TRANSPORTS)
    except ConfigError as error:
        return Report(text=error.text, detail=str(error))
    endpoints = tuple(resolved(one.address) for one in model.endpoints)
    piped = source.text if source.file == "/dev/stdin" else None
    warnings = tuple(text.removeprefix("[WARNING] ") for text in model.warnings)  # the log puts its own in front
    return Report(model, len(listeners(model)), endpoints, piped, warnings=warnings)


def _read(job: Job) -> Source:
    if job.piped is not None:
        return Source("/dev/stdin", job.piped)
    return find(job.conf, job.port)


def resolved(address: str) -> Where | str:
    """Return where an endpoint listens, or why nowhere; the port is looked at first, as in the reference."""
    host, _, port = address.rpartition(":")
    port = port or "0"
    if port.isascii() and port.isdigit():
        if int(port) > MAX_PORT:
            return f"listen tcp: address {port}: invalid port"
    else:
        try:
            port = str(socket.getservbyname(port, "tcp"))
        except OSError:
            return f"listen tcp: lookup tcp/{port}: unknown port"
    try:
        return endpoint(f"{host}:{port}")
    except (OSError, ValueError):
        return f"listen tcp: lookup {host}: no such host"


def run(job: Job, pipe: int) -> None:
    """Be the checker: write the report into the pipe."""
    _limit()
    if not job.urgent:
        Priority().give_way(PREPARING)
    report = check(job)
    data = pickle.dumps(report, protocol=5)
    while data:
        data = data[os.write(pipe, data) :]


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    with open("/proc/self/statm", "rb") as file:
        pages = int(file.read().split()[0])
    most = pages * resource.getpagesize() + EXTRA_BYTES
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    if hard in (resource.RLIM_INFINITY, -1) or hard > most:
        resource.setrlimit(resource.RLIMIT_AS, (most, hard))


def received(data: bytes, ended: str) -> Report:
    """Return the report that a checker sent, or one that says how it failed to."""
    try:
        report = pickle.loads(data)
    except (pickle.UnpicklingError, EOFError, AttributeError, ImportError, IndexError):
        report = None
    if not isinstance(report, Report):
        return Report(text=f"the configuration could not be checked: {ended}")
    return report
