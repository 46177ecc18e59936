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
DOQ = """example.org:@port quic://example.org:@encrypted {
    tls @certificate @key
    file @zone
}
"""
GRPC = """example.org:@port grpc://example.org:@encrypted {
    tls @certificate @key
    file @zone
}
"""
DOH = """example.org:@port https://example.org:@encrypted {
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
LIVE = """example.org:@port {
    dnssec {
        key file @signer
    }
    file @zone
}
"""
ZONES = """.:@port {
    file @zone example.org
    file @small zones
}
"""
RULES = """example.org:@port {
    acl {
        rules
        allow
    }
    file @zone
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
    """One measurement. `fresh`: the questions are new in every round and none is asked twice in one.

    `chain` is how the zone is signed, `nsec` or `nsec3`, or `live` for on the fly: then clients set DO. `base` is the
    row that the cost is compared with.
    """

    name: str
    what: str
    corefile: str
    questions: Callable[[int, int], Iterator[str]]
    peers: tuple[str, ...] = ()
    transport: str = "udp"
    fresh: bool = False
    upstream: bool = False
    chain: str = ""
    base: str = ""

    @property
    def encrypted(self) -> bool:
        """Tell whether the servers need a certificate."""
        return self.transport not in ("udp", "tcp")


def zones(count: int) -> str:
    """Return a Corefile with so many zones of one small file."""
    return ZONES.replace("zones", " ".join(f"z{number}.{data.SMALL}" for number in range(count)))


def rules(count: int) -> str:
    """Return a Corefile with so many rules about other networks."""
    lines = [f"block net 10.{number >> 8}.{number & 255}.0/25" for number in range(count)]
    return RULES.replace("rules", "\n        ".join(lines))


ALL = ("knot", "nsd", "unbound")
SIGNERS = ("knot", "nsd")  # unbound does not prove what it serves from an auth-zone
ROWS = {
    row.name: row
    for row in (
        Row("auth", "file, 10,000 names asked again and again", FILE, data.same, ALL),
        Row("random", "the same names in ever new letter case", FILE, data.mixed, ALL, fresh=True),
        Row("nx", "names that do not exist, never repeated", FILE, data.absent, ALL, fresh=True),
        Row("tcp", "pipelined", FILE, data.same, ALL, transport="tcp"),
        Row("dot", "DNS over TLS, pipelined", DOT, data.same, ("unbound",), transport="dot"),
        Row(
            "doh",
            "DNS over HTTPS, HTTP/2 by GET, 16 under way on a connection",
            DOH,
            data.same,
            ("unbound",),
            transport="doh",
        ),
        Row("doq", "DNS over QUIC, many streams", DOQ, data.same, transport="doq"),
        Row("grpc", "DNS over gRPC, one name, 16 calls under way on a connection", GRPC, data.same, transport="grpc"),
        Row("cached", "cache + forward, hits", CACHE, data.same, ("unbound",), upstream=True, base="auth"),
        Row("miss", "cache + forward, never a hit", CACHE, data.fresh, ("unbound",), fresh=True, upstream=True),
        Row(
            "stack",
            "errors, prometheus, loadbalance, cache, forward; hits; Unbound: as in cached",
            STACK,
            data.same,
            ("unbound",),
            upstream=True,
            base="auth",
        ),
        Row("log", "errors, log, file", LOG, data.same, base="auth"),
        Row("signed", "auth from a zone signed before, with DO", FILE, data.same, SIGNERS, chain="nsec", base="auth"),
        Row("signed-random", "random from it", FILE, data.mixed, SIGNERS, fresh=True, chain="nsec", base="random"),
        Row("signed-nx", "nx from it, NSEC", FILE, data.absent, SIGNERS, fresh=True, chain="nsec", base="nx"),
        Row("signed-nx3", "nx from one with NSEC3", FILE, data.absent, SIGNERS, fresh=True, chain="nsec3", base="nx"),
        Row("live", "auth, signed on the fly", LIVE, data.same, chain="live", base="auth"),
        Row("live-new", "every answer a new signature", LIVE, data.fresh, fresh=True, chain="live", base="nx"),
        Row("zone", "missing names of one zone", zones(1), data.one_zone, fresh=True),
        Row("zones", "of 2,000 zones", zones(data.ZONES), data.all_zones, fresh=True, base="zone"),
        Row("rule", "nx, one acl rule", rules(1), data.absent, fresh=True),
        Row("rules", "20,000 acl rules", rules(20_000), data.absent, fresh=True, base="rule"),
    )
}
