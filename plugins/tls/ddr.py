"""Discovery of designated resolvers (RFC 9462): which encrypted ways in there are, for clients that came in clear text.

1. The records are made from the listeners of the configuration, so they match what is open.
2. `resolver.arpa` is served by ourselves as a whole (RFC 9462 §6.4, RFC 6303): nothing of it goes to an upstream.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv6Address, ip_address
from typing import Final

from shardns.config.model import WILDCARD, Listening
from shardns.worker.query import Query
from shardns.worker.reply import Reply
from shardns.worker.wire.codes import SOA, SVCB, Rcode
from shardns.worker.wire.names import from_text
from shardns.worker.wire.records import RRset, Section

RESOLVER: Final = from_text("resolver.arpa.")
ASKED: Final = from_text("_dns.resolver.arpa.")
PATH: Final = b"/dns-query{?dns}"  # RFC 9461 §5
TTL_S: Final = 300
ALPN: Final = {"tls": b"dot", "quic": b"doq", "https": b"h2", "https3": b"h3"}
HTTP: Final = ("https", "https3")
_NEGATIVE: Final = Section(  # RFC 6303 §3
    [RRset(RESOLVER, SOA, 10800, (RESOLVER + from_text("nobody.invalid.") + bytes.fromhex(
        "00000001 00000e10 000004b0 00093a80 00002a30"
    ),))]
)  # fmt: skip


class Designations:
    """The records of a resolver. `name` is the one that its certificate is good for, in wire form."""

    def __init__(self, name: bytes, all_of: Iterable[Listening]) -> None:
        self.rdatas = tuple(_rdatas(name, all_of))
        self.empty = {ASKED, RESOLVER}

    def reply(self, query: Query) -> Reply:
        """Return the answer to what is asked about `resolver.arpa`."""
        if query.name == ASKED and query.qtype == SVCB and self.rdatas:
            return query.reply(answer=Section([RRset(query.owner, SVCB, TTL_S, self.rdatas)]), aa=True)
        rcode = Rcode.NOERROR if query.name in self.empty else Rcode.NXDOMAIN
        return query.reply(rcode, authority=_NEGATIVE, aa=True)


def _rdatas(name: bytes, all_of: Iterable[Listening]) -> Iterable[bytes]:
    """Yield the rdata of one record a protocol and port, the one that the file names first being preferred."""
    groups: dict[tuple[bool, str, int], list[Listening]] = {}
    for listening in all_of:
        if listening.transport in ALPN and listening.encryption is not None:
            http = listening.transport in HTTP
            groups.setdefault((http, "" if http else listening.transport, listening.port), []).append(listening)
    for priority, ((http, _, port), found) in enumerate(groups.items(), 1):
        protocols = dict.fromkeys(ALPN[listening.transport] for listening in found)
        hosts = list(dict.fromkeys(listening.host for listening in found))
        yield priority.to_bytes(2, "big") + name + b"".join(_parameters(list(protocols), port, hosts, http))


def _parameters(protocols: list[bytes], port: int, hosts: list[str], http: bool) -> Iterable[bytes]:
    yield _parameter(1, b"".join(bytes((len(protocol),)) + protocol for protocol in protocols))
    yield _parameter(3, port.to_bytes(2, "big"))
    if WILDCARD not in hosts:  # a hint for a client that cannot resolve the name yet
        addresses = [ip_address(host.partition("%")[0]) for host in hosts]
        for key, wide in ((4, False), (6, True)):
            hints = [address.packed for address in addresses if isinstance(address, IPv6Address) is wide]
            if hints:
                yield _parameter(key, b"".join(hints))
    if http:
        yield _parameter(7, PATH)


def _parameter(key: int, value: bytes) -> bytes:
    return key.to_bytes(2, "big") + len(value).to_bytes(2, "big") + value
