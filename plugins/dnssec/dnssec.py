"""Signs answers on the fly, for clients that set DO; denials become NSEC records made for the question.

1. Keys are read once in every process, before it serves; only then is `cryptography` imported.
2. A signed reply may be repeated until its first signature has to be made anew.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from math import inf
from typing import ClassVar, NamedTuple

from shardns.worker.classify import Kind, classify
from shardns.worker.metrics import Counter, Gauge
from shardns.worker.plugin import Layer, Steps
from shardns.worker.query import Query
from shardns.worker.reply import Reply
from shardns.worker.wire.codes import AXFR, DNSKEY, DS, IXFR, NSEC, OPT, RRSIG, SOA, Rcode
from shardns.worker.wire.records import RRset, Section
from shardns.worker.zone.canonical import closest
from shardns.worker.zone.keys import KeyPair

from .lies import denial
from .load import load_keys
from .options import Options
from .signatures import ORIGINAL_TTL_S, Signatures

MAX_AUTHORITIES = 256  # authority sections that are kept with their signatures; mostly one a zone
entries = Gauge("dnssec_cache_entries", "The number of elements in the dnssec cache.", ("server", "type"), merge="sum")
hits = Counter("dnssec_cache_hits_total", "The count of cache hits.", ("server",))
misses = Counter("dnssec_cache_misses_total", "The count of cache misses.", ("server",))


class Signed(NamedTuple):
    """A section with its signatures, of so many sets, and until when (s since 1970) it may be used."""

    section: Section
    until: float
    sets: int


class Dnssec(Layer[Options]):
    """The signing layer of a server block."""

    directive = "dnssec"
    repeatable = True
    mutable: ClassVar[dict[str, str]] = {"authorities": "worker"}

    def prepare(self) -> None:
        """Read the keys and share the work among them."""
        self.zones = self.options.zones
        self.keys = load_keys(self.options.key, self.zones)
        entry_points = [key for key in self.keys if key.is_zone_key and key.is_entry_point]
        zone_keys = [key for key in self.keys if key.is_zone_key and not key.is_entry_point]
        split = bool(entry_points and zone_keys)
        self.entry_points = entry_points if split else self.keys
        self.zone_keys = zone_keys if split else self.keys
        self.signatures = Signatures(self.options.cache_capacity, time.time)
        self.authorities: dict[bytes, Signed] = {}

    def around(self, query: Query) -> Steps:
        """Answer for the keys, sign what comes from below."""
        zone = closest(query.name, self.zones)
        if zone is None:
            yield (yield query)
            return
        if query.qtype == DNSKEY and query.name == zone:
            yield self._published(query, zone)
            return
        reply = yield query
        # RFC 5936 §2.2: a transfer is the zone as it is, and ends with its SOA record.
        if query.do and isinstance(reply, Reply) and query.qtype not in (AXFR, IXFR):
            reply = Signing(self, query, zone).reply(reply)
        yield reply

    def _published(self, query: Query, zone: bytes) -> Reply:
        sets: dict[int, tuple[bytes, ...]] = {}
        for key in self.keys:
            sets[key.ttl] = (*sets.get(key.ttl, ()), key.rdata)
        records = [RRset(zone, DNSKEY, ttl, rdatas) for ttl, rdatas in sets.items()]
        if query.do and records:
            signing = Signing(self, query, zone)
            whole = RRset(zone, DNSKEY, records[0].ttl, tuple(key.rdata for key in self.keys))
            records += signing.by(self.entry_points, zone, whole, ORIGINAL_TTL_S)
            signing.count()
        return query.reply(answer=Section(records), aa=True)


class Signing:
    """The signing of one reply."""

    def __init__(self, plugin: Dnssec, query: Query, zone: bytes) -> None:
        self.plugin = plugin
        self.query = query
        self.zone = zone
        self.until: float | None = None  # s since 1970

    def reply(self, reply: Reply) -> Reply:
        """Return the reply with signatures."""
        kind = classify(self.query, reply)
        if kind is Kind.DELEGATION:
            signed = self._delegation(reply)
        elif kind in (Kind.NXDOMAIN, Kind.NODATA):
            signed = self._denial(reply)
        else:
            signed = reply.replace(
                answer=self._section(reply.answer),
                authority=self._authority(reply.authority),
                additional=self._section(reply.additional),
            )
        self.count()
        return signed

    def _delegation(self, reply: Reply) -> Reply:
        ttl = reply.authority[0].ttl
        ds = [rrset for rrset in reply.authority if rrset.rtype == DS]
        more: list[RRset] = []
        if ds:
            more += self.by(self.plugin.zone_keys, self.zone, _joined(ds), ttl)
        else:
            more += self._nsec(ttl, delegation=True)
        return reply.replace(authority=Section([*reply.authority, *more]))

    def _denial(self, reply: Reply) -> Reply:
        authority = reply.authority
        if authority.count != 1 or authority[0].rtype != SOA:
            return reply  # signed below, or nothing that could be signed
        soa = authority[0]
        signature = self.by(self.plugin.zone_keys, self.zone, soa, soa.ttl)
        records = [soa, *signature, *self._nsec(soa.ttl, delegation=False)]
        if self.query.qtype == NSEC:
            return reply.replace(rcode=Rcode.NOERROR, answer=_last_two(records), authority=Section())
        return reply.replace(rcode=Rcode.NOERROR, authority=Section(records))

    def _nsec(self, ttl: int, delegation: bool) -> list[RRset]:
        nsec = denial(self.query.owner, self.zone, self.query.qtype, ttl, delegation)
        return [*self.by(self.plugin.zone_keys, self.zone, nsec, ttl), nsec]

    def _section(self, section: Section) -> Section:
        """Return a section with the signatures of its sets behind them."""
        groups: dict[tuple[bytes, int], list[RRset]] = {}
        for rrset in section:
            if rrset.rtype not in (RRSIG, OPT):
                groups.setdefault((rrset.owner, rrset.rtype), []).append(rrset)
        more: list[RRset] = []
        for group in groups.values():
            zone = closest(group[0].owner.lower(), self.plugin.zones)
            if zone is not None:
                more += self.by(self.plugin.zone_keys, zone, _joined(group), group[0].ttl)
        return Section([*section, *more]) if more else section

    def _authority(self, section: Section) -> Section:
        """Return an authority section as `_section` does; most answers have the NS records of the zone, signed once."""
        if not section:
            return section
        authorities, signatures = self.plugin.authorities, self.plugin.signatures
        known = authorities.get(section.wire)
        if known is not None and known.until > time.time():
            signatures.hits += known.sets
        else:
            outer, self.until = self.until, None
            before = signatures.hits + signatures.misses
            signed = self._section(section)
            sets = signatures.hits + signatures.misses - before
            known = Signed(signed, inf if self.until is None else self.until, sets)
            self.until = outer
            if len(authorities) >= MAX_AUTHORITIES:
                authorities.clear()
            authorities[section.wire] = known
        if self.until is None or known.until < self.until:
            self.until = known.until
        return known.section

    def by(self, keys: Sequence[KeyPair], zone: bytes, rrset: RRset, ttl: int) -> list[RRset]:
        """Return the signatures of a set as a list of at most one RRset."""
        made, until = self.plugin.signatures.sign(keys, zone, rrset, ttl)
        if self.until is None or until < self.until:
            self.until = until
        return [] if made is None else [made]

    def count(self) -> None:
        """Count hits and misses, for repetitions too, and say how long the reply may be repeated."""
        signatures = self.plugin.signatures
        request = self.query.request
        server = request.listener.label
        found, made = signatures.hits, signatures.misses
        signatures.hits = signatures.misses = 0
        entries.set(len(signatures.kept), server, "signature")
        if found:
            hits.inc(server, by=found)
        if made:
            misses.inc(server, by=made)
        request.series += [hits.cell(server)] * (found + made)
        if self.until is not None and self.until < inf:
            until = time.monotonic() + self.until - time.time()
            request.hold(until, until)


def _joined(group: Sequence[RRset]) -> RRset:
    first = group[0]
    if len(group) == 1:
        return first
    return RRset(first.owner, first.rtype, first.ttl, tuple(_rdatas(group)), first.rclass)


def _rdatas(group: Iterable[RRset]) -> Iterable[bytes]:
    return (rdata for rrset in group for rdata in rrset.rdatas)


def _last_two(records: list[RRset]) -> Section:
    """Of several signatures only the last goes along with the NSEC, as the reference has it."""
    return Section([single for rrset in records for single in rrset.singles()][-2:])


PLUGIN = Dnssec
__all__ = ["PLUGIN", "Dnssec", "Options"]
