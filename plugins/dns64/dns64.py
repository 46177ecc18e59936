"""Makes AAAA records of A records for names that have none (RFC 6147, RFC 6052)."""

from __future__ import annotations

import ipaddress
from typing import Final

from shardns.worker import metrics
from shardns.worker.classify import Kind, classify
from shardns.worker.metrics import Counter
from shardns.worker.plugin import Layer, Steps
from shardns.worker.query import Query
from shardns.worker.reply import Drop, Reply, ServFail
from shardns.worker.wire.codes import AAAA, IN, SOA, TC, A
from shardns.worker.wire.records import RRset, section

from .options import Options

PREFIX: Final = "64:ff9b::/96"  # RFC 6052 §2.1
TTL_S: Final = 600  # RFC 6147 §5.1.7: where the denial of AAAA has no SOA record
translated = Counter("dns64_requests_translated_total", "Counter of DNS requests translated by dns64.", ("server",))


class Dns64(Layer[tuple[Options, ...]]):
    """What is made up here is above every cache: the cache keeps the A records and the denial."""

    directive = "dns64"
    repeatable = True

    def prepare(self) -> None:
        """Bring the lines together."""
        options = self.options
        given = [text for line in options for text in (line.inline, line.prefix) if text is not None]
        self.prefix = ipaddress.IPv6Network((given or [PREFIX])[-1])
        self.translate_all = any(line.translate_all for line in options)
        self.allow_ipv4 = any(line.allow_ipv4 for line in options)

    def around(self, query: Query) -> Steps:
        """Ask for what is wanted; where there is none, ask for A and translate."""
        if not self.intercepts(query):
            yield (yield query)
            return
        outcome = yield query
        if not isinstance(outcome, Reply) or not self.lacks(query, outcome):
            yield outcome
            return
        found = self.site.lookup(query, query.name, A)
        if not isinstance(found, (Reply, Drop)):
            found = yield found
        if not isinstance(found, Reply):
            raise ServFail
        request = query.request
        request.end = request.until  # a TTL here is the lesser of two: it does not simply count down
        cell = translated.cell(request.listener.label)
        metrics.values[cell] += 1
        request.series.append(cell)
        yield self.synthesised(query, outcome, found)

    def intercepts(self, query: Query) -> bool:
        """Tell whether the query is one for AAAA of a client that gets made-up ones."""
        if query.qtype != AAAA or query.qclass != IN:
            return False
        request = query.request
        family = request.family if request._peer is None else request._peer.family
        return self.allow_ipv4 or family == 2

    def lacks(self, query: Query, reply: Reply) -> bool:
        """Tell whether the answer leaves something to be made up: RFC 6147 §5.1.1, §5.1.2."""
        if reply.edns is not None and reply.edns.do:
            query.once()  # what kind of answer it is depends on the time: signatures in it may run out
        if classify(query, reply) is Kind.NXDOMAIN:
            return False
        return self.translate_all or all(rrset.rtype != AAAA for rrset in reply.answer)

    def synthesised(self, query: Query, denial: Reply, found: Reply) -> Reply:
        """Return the answer to an A query as one to the AAAA query."""
        soa_ttls = [rrset.ttl for rrset in denial.authority if rrset.rtype == SOA]
        ceiling = soa_ttls[-1] if soa_ttls else TTL_S
        answer = section(self.mapped(rrset, ceiling) if rrset.rtype == A else rrset for rrset in found.answer)
        return query.reply(
            answer=answer,
            authority=found.authority,
            additional=found.additional,
            flags=found.flags & TC,
            edns=found.edns,
        )

    def mapped(self, rrset: RRset, ceiling: int) -> RRset:
        """Return A records as AAAA records."""
        rdatas = tuple(embed(self.prefix, rdata) for rdata in rrset.rdatas)
        return RRset(rrset.owner, AAAA, min(rrset.ttl, ceiling), rdatas, rrset.rclass)


def embed(prefix: ipaddress.IPv6Network, address: bytes) -> bytes:
    """Put an IPv4 address behind a prefix (RFC 6052 §2.2): octet 8 stays zero where the address reaches it."""
    size = prefix.prefixlen // 8
    head = prefix.network_address.packed[:size]
    before = address[: max(8 - size, 0)]
    gap = b"\0" if size <= 8 else b""
    out = head + before + gap + address[len(before) :]
    return out.ljust(16, b"\0")


PLUGIN = Dns64
