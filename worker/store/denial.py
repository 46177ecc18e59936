"""Proofs that something does not exist, for clients that set DO: NSEC (RFC 4035 §3.1.3) and NSEC3 (RFC 5155 §7.2).

1. A proof is a list of sections, each one NSEC or NSEC3 record and its signatures; a zone keeps the sections it has
   read by their store key, and the answers made of them.
2. A zone with NSEC records is answered from as the reference does, and completed wherever that leaves a proof open
   that nobody relies on. What it is known to leave out is there in zones with `PROOFS` (and in all NSEC3 zones): for
   NXDOMAIN below empty non-terminals, wildcard NODATA, wildcard aliases, insecure referrals, denials behind aliases.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from ..wire.codes import DNAME, NS, NSEC, NSEC3, RRSIG
from ..wire.names import key, within
from ..wire.packed import packed
from ..wire.records import EMPTY, RRset, Section
from . import hashed
from .found import EMPTY_NAME, NXDOMAIN, Found
from .layout import HASHED, PROOFS
from .lineage import lineage
from .nodes import MANY, Node, name_of, pick, picked
from .reader import Zone

STAR: Final = b"\1*"
COMPLETE: Final = PROOFS | HASHED  # zones that leave nothing open
_MAX_STEPS: Final = 16  # names without NSEC passed over, where no zone cut explains them
Proof = list[Section]


class Around(NamedTuple):
    """What the denials of all names below one closest encloser have in common, by the octets of the authority section.

    `parts` are its proofs; `spans` says that the record that covers the missing name stands between the two halves.
    """

    front: bytes
    back: bytes
    records: int
    parts: tuple[bytes, ...]
    spans: bool


def missing(zone: Zone, name: bytes, at: bytes) -> Found:
    """Deny a name without records, `at` being its store key, or the records of an empty non-terminal."""
    # Hot: random names. Those that the same records deny share one answer, which is found by where the first of these
    # stands and by the closest encloser: one search for NSEC (RFC 4035 §3.1.3.2), two and a hash for NSEC3.
    before, behind = zone.neighbours(at)
    hashes = zone.flags & HASHED
    if behind.startswith(at + b"\0") or name == zone.origin:
        return zone.denied.get((at, name)) or _empty(zone, name, at, before)
    encloser, closer = _enclosers(zone, name, at, before, behind)
    if hashes:
        before = hashed.span(zone, closer)
    mark = (before, encloser)
    found: Found | None = zone.denied.get(mark)
    if found is None:
        around: Around = zone.around.get(encloser) or _around(zone, encloser)
        wire, count = b"", 0
        if around.spans:
            wire, count = hashed.octets(zone, before) if hashes else _octets(zone, before)
            if wire in around.parts:
                wire, count = b"", 0
        authority = packed(around.front + wire + around.back, around.records + count)
        found = Found(NXDOMAIN, EMPTY, authority)
        if zone.seen_span(before):
            _kept(zone, found, mark)
    return found


def _empty(zone: Zone, name: bytes, at: bytes, before: bytes) -> Found:
    """Say that a name has no records; kept by its key, since names below it are kept by where their proof stands."""
    authority = joined(zone.soa_signed, of_records(zone, name, before))
    return _kept(zone, Found(EMPTY_NAME, EMPTY, authority), (at, name))


def _kept(zone: Zone, found: Found, mark: tuple[bytes, bytes]) -> Found:
    zone.store.count_proof()
    zone.denied[mark] = found.share()
    return found


def _around(zone: Zone, encloser: bytes) -> Around:
    front, back = hashed.around(zone, encloser) if zone.flags & HASHED else ([EMPTY], _no_wildcards(zone, encloser))
    parts = hashed.distinct([*front, *back])
    behind = [part for part in parts if part not in front]
    count = zone.soa_signed.count + sum([part.count for part in parts])
    wires = [b"".join([part.wire for part in half]) for half in (front, behind)]
    zone.store.count_proof()
    around = zone.around[encloser] = Around(
        zone.soa_signed.wire + wires[0], wires[1], count, tuple([part.wire for part in parts]), len(front) == 1
    )
    return around


def _enclosers(zone: Zone, name: bytes, at: bytes, before: bytes, behind: bytes) -> tuple[bytes, bytes]:
    """Return the closest encloser of a missing name, and the next closer name (RFC 5155 §1.3).

    What lies between a name's canonical neighbours is empty, so an ancestor exists if a neighbour is it or below it.
    """
    closer, encloser = name, name[1 + name[0] :]
    while len(encloser) > zone.size:
        at = at[: at.rindex(b"\0")]
        below = at + b"\0"
        if before == at or before.startswith(below) or behind.startswith(below):
            break
        closer, encloser = encloser, encloser[1 + encloser[0] :]
    return encloser, closer


def _no_wildcards(zone: Zone, encloser: bytes) -> Proof:
    """Prove that no wildcard stands for what is missing; the reference looks at the closest ancestor with records."""
    known = encloser
    while len(known) > zone.size and zone.node(known) is None:
        known = known[1 + known[0] :]
    found = [] if zone.node(known) is None else [_covering(zone, STAR + known)]
    if encloser != known and zone.flags & PROOFS:
        found.append(_covering(zone, STAR + encloser))
    return found


def of_records(zone: Zone, name: bytes, before: bytes) -> Proof:
    """Prove that an empty non-terminal has no records (RFC 4035 §3.1.3.1, RFC 5155 §7.2.3)."""
    return hashed.of_type(zone, name) if zone.flags & HASHED else hashed.distinct([_section(zone, before)])


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


def joined(front: Section, proof: Proof) -> Section:
    """Return a section that ends with a proof."""
    if not proof:
        return front
    wire = front.wire + b"".join([section.wire for section in proof])
    return packed(wire, front.count + sum([section.count for section in proof]))


def _covering(zone: Zone, name: bytes) -> Section:
    """Return the NSEC record at a name or canonically before it, with its signatures."""
    cursor = zone.store.cursor
    wanted = zone.prefix + key(name)
    if not cursor.set_range(wanted):
        if not cursor.last():
            return EMPTY
    elif cursor.key() != wanted and not cursor.prev():
        return EMPTY
    return _section(zone, cursor.key())


def _section(zone: Zone, at: bytes) -> Section:
    """Return the NSEC record at a store key, or the last one before it, with its signatures."""
    found = zone.proofs.get(at)
    if found is None:
        found = _nsec_before(zone, at, zone.store.txn.get(at, b""))
        zone.store.count_proof()
        zone.proofs[at] = found
    return found


def _octets(zone: Zone, at: bytes) -> tuple[bytes, int]:
    """Return the octets of what `_section` returns, and how many records they are; it is not remembered."""
    value = zone.store.txn.get(at, b"")
    if value.startswith(MANY) and at.startswith(zone.prefix):
        found = picked(name_of(at[len(zone.prefix) :]), value, NSEC)
        if found[1]:
            return found
    section = _section(zone, at)
    return section.wire, section.count


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
