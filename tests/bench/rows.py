"""The rows of the table: which servers take part, how they are configured, what they are asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from . import data

FILE = """example.org:@port {
    file @zone
}
"""
DOT = """example.org:@port tls://example.org:@encrypted {
    tls @certificate @key
    file @zone
}
"""
LOG = """example.org:@port {
    errors
    log
    file @zone
}
"""
CACHE = """.:@port {
    cache
    forward . @upstream
}
"""
STACK = """.:@port {
    errors
    prometheus 127.0.0.1:0
    loadbalance
    cache
    forward . @upstream
}
"""


@dataclass(frozen=True)
class Row:
    """One measurement. `fresh`: the questions are new in every round and none is asked twice in one."""

    name: str
    what: str
    corefile: str
    questions: Callable[[int, int], Iterator[str]]
    peers: tuple[str, ...] = ()
    transport: str = "udp"
    fresh: bool = False
    upstream: bool = False

    @property
    def encrypted(self) -> bool:
        """Tell whether the servers need a certificate."""
        return self.transport not in ("udp", "tcp")


ALL = ("knot", "nsd", "unbound")
ROWS = {
    row.name: row
    for row in (
        Row("auth", "file, 10,000 names asked again and again", FILE, data.same, ALL),
        Row("random", "the same names in ever new letter case", FILE, data.mixed, ALL, fresh=True),
        Row("nx", "names that do not exist, never repeated", FILE, data.absent, ALL, fresh=True),
        Row("tcp", "pipelined", FILE, data.same, ALL, transport="tcp"),
        Row("dot", "DNS over TLS, pipelined", DOT, data.same, ("unbound",), transport="dot"),
        Row("cached", "cache + forward, hits", CACHE, data.same, ("unbound",), upstream=True),
        Row("miss", "cache + forward, never a hit", CACHE, data.fresh, ("unbound",), fresh=True, upstream=True),
        Row("stack", "errors, prometheus, loadbalance, cache, forward; hits", STACK, data.same, upstream=True),
        Row("log", "errors, log, file", LOG, data.same),
    )
}
