"""Proofs that something does not exist, for clients that set DO: NSEC (RFC 4035 §3.1.3) and NSEC3 (RFC 5155 §7.2).

1. A proof is a list of sections, each one NSEC or NSEC3 record and its signatures; a zone keeps the sections it has
   decoded by their store key, so a proof that comes again is the same objects and its answer can be shared.
2. A zone with NSEC records is answered from as the reference does, and completed wherever that leaves a proof open
   that nobody relies on. What it is known to leave out is there in zones with `PROOFS` (and in all NSEC3 zones): for
   NXDOMAIN below empty non-terminals, wildcard NODATA, wildcard aliases, insecure referrals, denials behind aliases.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ..wire.codes import DNAME, NS, NSEC, NSEC3, RRSIG
from ..wire.names import key, within
from ..wire.records import EMPTY, RRset, Section
from . import hashed
from .found import Found
from .layout import HASHED, PROOFS
from .lineage import lineage
from .nodes import Node, name_of, pick
from .reader import Zone

STAR: Final = b"\1*"
COMPLETE: Final = PROOFS | HASHED  # zones that leave nothing open
_MAX_STEPS: Final = 16  # names without NSEC passed over, where no zone cut explains them
Proof = list[Section]


def of_name(zone: Zone, name: bytes) -> Proof:
    """Prove that a name does not exist, and no wildcard that would stand for it (RFC 4035 §3.1.3.2)."""
    if zone.flags & HASHED:
        return hashed.of_name(zone, name)
    known, encloser = _enclosers(zone, name)
    return hashed.distinct([
        _covering(zone, name),
        EMPTY if known is None else _no_wildcard(zone, known),
        _no_wildcard(zone, encloser) if encloser != known and zone.flags & PROOFS else EMPTY,
    ])  # fmt: skip


def of_records(zone: Zone, name: bytes) -> Proof:
    """Prove that an empty non-terminal has no records (RFC 4035 §3.1.3.1, RFC 5155 §7.2.3)."""
    return hashed.of_type(zone, name) if zone.flags & HASHED else hashed.distinct([_covering(zone, name)])


def of_type(zone: Zone, node: Node) -> Proof:
    """Prove that a name has no records of some type."""
    return hashed.of_type(zone, node.name) if zone.flags & HASHED else hashed.distinct([node.get(NSEC, True)])


def of_closer(zone: Zone, name: bytes, wildcard: bytes) -> Proof:
    """Prove that nothing stands closer to a name than the wildcard that answers for it (RFC 4035 §3.1.3.3)."""
    return hashed.of_closer(zone, name, wildcard) if zone.flags & HASHED else hashed.distinct([_covering(zone, name)])


def of_type_at_wildcard(zone: Zone, name: bytes, star: Node | None, wildcard: bytes) -> Proof:
    """Prove that the wildcard that stands for a name has no such type; it may be an empty non-terminal itself."""
    if zone.flags & HASHED:
        return hashed.of_type_at_wildcard(zone, name, wildcard)
    if not zone.flags & PROOFS:
        return [] if star is None else of_type(zone, star)
    own = _covering(zone, wildcard) if star is None else star.get(NSEC, True)
    return hashed.distinct([own, _covering(zone, name)])


def of_ds(zone: Zone, cut: Node) -> Proof:
    """Prove that a delegation is not signed (RFC 4035 §3.1.4.1, RFC 5155 §7.2.7)."""
    if not zone.flags & COMPLETE:
        return []
    return of_type(zone, cut)


def behind_alias(zone: Zone, authority: Iterable[RRset]) -> list[RRset]:
    """Return the proofs of this zone from the answer to an alias's target."""
    if not zone.flags & COMPLETE:
        return []
    origin = zone.origin
    return [rrset for rrset in authority if _is_proof(rrset) and within(rrset.owner.lower(), origin)]


def _is_proof(rrset: RRset) -> bool:
    if rrset.rtype == RRSIG:
        return rrset.rdatas[0][:2] in (b"\0\x2f", b"\0\x32")
    return rrset.rtype in (NSEC, NSEC3)


def denied(zone: Zone, kind: int, proof: Proof) -> Found:
    """Return the answer that denies, with the SOA record in front; the same for the same proof."""
    mark = (kind, *map(id, proof))
    found: Found | None = zone.denied.get(mark)
    if found is None:
        zone.store.count_proof()
        found = zone.denied[mark] = Found(kind, EMPTY, joined(zone.soa_signed, proof)).share()
        found.proof = proof  # as long as it lives, its identity is nobody else's
    return found


def joined(front: Iterable[RRset], proof: Proof) -> Section:
    """Return a section that ends with a proof."""
    records = list(front)
    for section in proof:
        records += section
    return Section(records)


def _enclosers(zone: Zone, name: bytes) -> tuple[bytes | None, bytes]:
    """Return the closest ancestor with records, as the reference sees it, and the closest one that exists."""
    known = zone.origin if zone.node(zone.origin) is not None else None
    closest = zone.origin
    for above in lineage(name, zone.size)[:-1]:
        if zone.node(above) is not None:
            known = closest = above
        elif zone.has_below(above):
            closest = above
        else:
            break
    return known, closest


def _no_wildcard(zone: Zone, encloser: bytes) -> Section:
    star = STAR + encloser
    found = zone.proofs.get(star)  # by its name: no store key begins like one
    if found is None:
        found = zone.proofs[star] = _covering(zone, star)
        zone.store.count_proof()
    return found


def _covering(zone: Zone, name: bytes) -> Section:
    """Return the NSEC record at a name or canonically before it, with its signatures."""
    cursor = zone.store.cursor
    wanted = zone.prefix + key(name)
    if not cursor.set_range(wanted):
        if not cursor.last():
            return EMPTY
    elif cursor.key() != wanted and not cursor.prev():
        return EMPTY
    at: bytes = cursor.key()
    found = zone.proofs.get(at)
    if found is None:
        found = _nsec_before(zone, at, cursor.value())
        zone.store.count_proof()
        zone.proofs[at] = found
    return found


def _nsec_before(zone: Zone, at: bytes, value: bytes) -> Section:
    """Return the NSEC of a node, or of the name that hides it, or of a name before it."""
    cursor = zone.store.cursor
    for _ in range(_MAX_STEPS):
        if not at.startswith(zone.prefix):
            return EMPTY
        name = name_of(at[len(zone.prefix) :])
        found = pick(name, value, NSEC)
        if found:
            return found
        # Glue and what a DNAME hides have no NSEC (RFC 4035 §2.3): the name above them has.
        above = _hiding(zone, name)
        if above is not None:
            return above.get(NSEC, True)
        if not cursor.set_range(at) or not cursor.prev():
            return EMPTY
        at, value = cursor.item()
    return EMPTY


def _hiding(zone: Zone, name: bytes) -> Node | None:
    for above in lineage(name, zone.size)[:-1]:
        node = zone.node(above)
        if node is not None and (NS in node.sets or DNAME in node.sets):
            return node
    return None
