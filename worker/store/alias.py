"""Following aliases: CNAME chains inside a zone, out of it, and back (RFC 1034 §3.6.2, RFC 6604)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ..reply import Drop, Reply
from ..wire.codes import CNAME, DNAME, DS, NS, SOA, Rcode
from ..wire.names import within
from ..wire.records import EMPTY, RRset, Section
from . import layout
from .additional import additional, glue
from .found import CHASE, NODATA, NXDOMAIN, POSITIVE, REFERRAL, SERVFAIL, Found
from .nodes import Node
from .reader import Zone

MAX_STEPS: Final = 9  # CNAMEs followed inside the zone behind the first


@dataclass(frozen=True, slots=True)
class Chase:
    """A name that the zone does not hold and the answer needs: ask the whole server for `target` / `qtype`."""

    zone: Zone
    target: bytes
    qtype: int
    signed: bool
    records: tuple[RRset, ...]
    wildcard: bytes | None
    apex_dname: bool


def lineage(name: bytes, size: int) -> list[bytes]:
    """Return the names from one label below a zone's apex down to this one; `size` is the length of the apex."""
    found = []
    while len(name) > size:
        found.append(name)
        name = name[1 + name[0] :]
    found.reverse()
    return found


def follow(
    zone: Zone,
    records: list[RRset],
    target: bytes,
    qtype: int,
    signed: bool,
    *,
    wildcard: bytes | None = None,
    apex_dname: bool = False,
) -> Found:
    """Continue an answer that begins with `records` at the alias's target."""
    steps = 0
    while True:
        target = target.lower()
        node = zone.node(target)
        if (cut := _cut(zone, target, qtype, node)) is not None:
            authority, extra = referral(zone, cut, signed)
            return Found(REFERRAL, Section(records), authority, extra, wildcard=wildcard)
        if node is None or qtype == NS or (qtype == SOA and target == zone.origin):
            chase = Chase(zone, target, qtype, signed, tuple(records), wildcard, apex_dname)
            return Found(CHASE, Section(records), wildcard=wildcard, chase=chase)
        if steps == MAX_STEPS:
            break
        aliases = node.get(CNAME)
        if not aliases:
            records += node.get(qtype, signed)
            break
        records += node.get(CNAME, signed)
        target = aliases[0].rdatas[0]
        steps += 1
    authority = zone.ns_signed if signed else zone.ns
    return Found(POSITIVE, Section(records), authority, additional(zone, records, signed), wildcard=wildcard)


def referral(zone: Zone, cut: Node, signed: bool) -> tuple[Section, Section]:
    """Return the authority and additional sections of a referral."""
    servers = cut.get(NS)
    return (Section(servers + cut.get(DS, True)) if signed else servers), glue(zone, servers, signed)


def _cut(zone: Zone, target: bytes, qtype: int, node: Node | None) -> Node | None:
    """Return the first zone cut between the apex and the target, if there is one."""
    if not zone.flags & layout.CUTS or not within(target, zone.origin):
        return None
    names = lineage(target, zone.size)
    for name in names[:-1]:
        above = zone.node(name)
        if above is not None and NS in above.sets:
            return above
    if node is not None and names and NS in node.sets and qtype != DS:
        return node
    return None


def resolve(chase: Chase, outcome: Reply | Drop | None) -> Found:
    """Complete an answer with what the server said of the target; None means that it could not be asked.

    Only the answer section of that reply is used (RFC 6604 §3 for the rcode).
    """
    zone, signed = chase.zone, chase.signed
    kind, got = _outcome(outcome)
    if kind != SERVFAIL and any(rrset.rtype == DNAME for rrset in got):
        # RFC 2181 §5: no duplicates; the second substitution by one DNAME brings it along again.
        got = Section([rrset for rrset in got if rrset.rtype != DNAME or rrset not in chase.records])
    records = Section(chase.records + got)
    if kind in (NXDOMAIN, NODATA):
        authority = zone.soa_signed if signed else zone.soa
    elif chase.qtype == NS or (chase.apex_dname and not got):
        authority = EMPTY
    else:
        authority = zone.ns_signed if signed else zone.ns
    return Found(kind, records, authority, additional(zone, records, signed), wildcard=chase.wildcard)


def _outcome(outcome: Reply | Drop | None) -> tuple[int, Section]:
    if outcome is None:
        return SERVFAIL, EMPTY
    if isinstance(outcome, Drop):
        return POSITIVE, EMPTY
    match outcome.rcode:
        case Rcode.NXDOMAIN:
            return NXDOMAIN, outcome.answer
        case Rcode.SERVFAIL:
            return SERVFAIL, outcome.answer
        case Rcode.NOERROR if not outcome.answer:
            return NODATA, EMPTY
    return POSITIVE, outcome.answer
