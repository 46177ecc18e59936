"""Following aliases: CNAME chains inside a zone, out of it, and back (RFC 1034 §3.6.2, RFC 6604)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ..reply import Drop, Reply
from ..wire.codes import CNAME, DNAME, DS, NS, SOA, Rcode
from ..wire.names import within
from ..wire.records import EMPTY, RRset, Section, section
from . import layout
from .additional import additional, glue
from .denial import COMPLETE, Proof, behind_alias, joined, of_ds, of_type
from .found import CHASE, NODATA, NXDOMAIN, POSITIVE, REFERRAL, SERVFAIL, Found
from .lineage import lineage
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
    proof: Proof


def follow(
    zone: Zone,
    records: list[RRset],
    target: bytes,
    qtype: int,
    signed: bool,
    *,
    wildcard: bytes | None = None,
    apex_dname: bool = False,
    proof: Proof | None = None,
) -> Found:
    """Continue an answer that begins with `records` at the alias's target; `proof` goes into the authority section."""
    steps = 0
    proof = proof or []
    while True:
        target = target.lower()
        node = zone.node(target)
        if (cut := _cut(zone, target, qtype, node)) is not None:
            authority, extra = referral(zone, cut, signed)
            return Found(REFERRAL, Section(records), joined(authority, proof), extra, wildcard=wildcard)
        if node is None or qtype == NS or (qtype == SOA and target == zone.origin):
            chase = Chase(zone, target, qtype, signed, tuple(records), wildcard, apex_dname, proof)
            return Found(CHASE, Section(records), wildcard=wildcard, chase=chase)
        if steps == MAX_STEPS:
            break
        aliases = node.get(CNAME)
        if not aliases:
            if signed and qtype not in node.sets and zone.flags & COMPLETE:
                denial = joined(zone.soa_signed, proof + of_type(zone, node))
                return Found(POSITIVE, Section(records), denial, additional(zone, records, signed), wildcard=wildcard)
            records += node.get(qtype, signed)
            break
        records += node.get(CNAME, signed)
        target = aliases[0].rdatas[0]
        steps += 1
    authority = joined(zone.ns_signed, proof) if signed else zone.ns
    return Found(POSITIVE, Section(records), authority, additional(zone, records, signed), wildcard=wildcard)


def referral(zone: Zone, cut: Node, signed: bool) -> tuple[Section, Section]:
    """Return the authority and additional sections of a referral (RFC 4035 §3.1.4)."""
    servers = cut.get(NS)
    extra = glue(zone, servers, signed)
    if not signed:
        return servers, extra
    if DS in cut.sets:
        return Section(servers + cut.get(DS, True)), extra
    return joined(servers, of_ds(zone, cut)), extra


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
    if signed and isinstance(outcome, Reply):
        more = joined(section(behind_alias(zone, outcome.authority)), chase.proof)
        authority = Section(authority + tuple(rrset for rrset in more if rrset not in authority))
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
