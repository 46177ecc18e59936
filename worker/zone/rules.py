"""What a zone must not say though each of its lines is right: each rule is a function from contents to findings.

A finding that follows from something missing is `absence`: where lines could not be read it may be their fault.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from ..wire.codes import (
    AAAA,
    CNAME,
    DNAME,
    DS,
    IN,
    MX,
    NS,
    NSEC,
    NSEC3,
    NSEC3PARAM,
    RRSIG,
    SOA,
    SRV,
    A,
    class_text,
    type_text,
)
from ..wire.names import ROOT, to_text, within
from .contents import Contents, Target
from .located import Record

KEY: Final = 25
_BESIDE_CNAME: Final = frozenset((CNAME, RRSIG, NSEC, KEY))  # RFC 2181 §10.1, RFC 4034 §3 and §4
_AT_CUT: Final = frozenset((NS, DS, NSEC, RRSIG))  # RFC 4035 §2.6
_ADDRESSES: Final = frozenset((A, AAAA))
_HASHED: Final = frozenset((NSEC3, RRSIG))


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, and the record that shows it; a warning leaves the zone good."""

    text: str
    record: Record | None = None
    warning: bool = False
    absence: bool = False
    hint: str = ""


def outside(zone: Contents) -> Iterator[Finding]:
    """Records of other zones and classes."""
    for one in zone.outside:
        if one.rclass != IN:
            yield Finding(f"record of class {class_text(one.rclass)} in a zone of class IN", one)
        else:
            yield Finding(f"{to_text(one.owner)} is out of zone {to_text(zone.origin)}", one)


def apex(zone: Contents) -> Iterator[Finding]:
    """SOA and NS records at the apex (RFC 1035 §5.2)."""
    at = zone.names.get(zone.origin, {})
    origin = to_text(zone.origin)
    if SOA not in at:
        yield Finding(f"{origin} has no SOA record", absence=True)
    if NS not in at:
        yield Finding(f"{origin} has no NS record", zone.soa, absence=True)
    for second in at.get(SOA, ())[1:]:
        yield Finding(f"{origin} has more than one SOA record", second)
    for name, types in zone.names.items():
        if SOA in types and name != zone.origin:
            yield Finding(f"SOA record below the apex of {origin}: {to_text(name)}", types[SOA][0])
    if DS in at:
        yield Finding(f"DS record at the apex: it belongs to the parent of {origin}", at[DS][0])


def aliases(zone: Contents) -> Iterator[Finding]:
    """CNAME alone at its name, and once (RFC 2181 §10.1); one DNAME a name (RFC 6672 §2.4)."""
    for name, types in zone.names.items():
        for rtype in (CNAME, DNAME):
            targets = {one.rdata: one for one in types.get(rtype, ())}
            if len(targets) > 1:
                kind = type_text(rtype)
                yield Finding(f"{to_text(name)} has more than one {kind} record", [*targets.values()][1])
        others = [several[0] for rtype, several in types.items() if rtype not in _BESIDE_CNAME]
        if CNAME in types and others:
            kinds = ", ".join(sorted(type_text(one.rtype) for one in others))
            yield Finding(
                f"{to_text(name)} has CNAME and other data ({kinds})", max(others[0], types[CNAME][0], key=_at)
            )


def _at(record: Record) -> int:
    return record.line


def rrsets(zone: Contents) -> Iterator[Finding]:
    """One TTL an RRset (RFC 2181 §5.2), and no record twice (§5)."""
    for (name, rtype, _), records in zone.rrsets().items():
        ordered = sorted(records, key=_at)
        other = next((one for one in ordered if one.ttl != ordered[0].ttl), None)
        if other is not None:
            text = f"RRset {to_text(name)} {type_text(rtype)} has different TTLs ({ordered[0].ttl} and {other.ttl})"
            yield Finding(text, other, warning=True)
        first = {one.rdata: one for one in reversed(ordered)}
        twice = next((one for one in ordered if one is not first[one.rdata]), None)
        if twice is not None:
            yield Finding(f"duplicate record: {to_text(name)} {type_text(rtype)}", twice, warning=True)


def servers(zone: Contents) -> Iterator[Finding]:
    """Name servers: no CNAME (RFC 2181 §10.3), and an address for each in this zone or below its own cut."""
    for name in (zone.origin, *sorted(zone.cuts)):
        for one in zone.names.get(name, {}).get(NS, ()):
            finding = _server(zone, name, one)
            if finding is not None:
                yield finding


def _server(zone: Contents, name: bytes, one: Record) -> Finding | None:
    target = one.rdata
    text = f"NS of {to_text(name)}: {to_text(target)}"
    if not within(target, zone.origin):
        return None
    if name in zone.cuts and within(target, name):
        if zone.has_address(target):
            return None
        hint = "resolvers cannot reach a name server below the cut without an A or AAAA record here"
        return Finding(f"{text} has no glue", one, absence=True, hint=hint)
    match zone.target(target):
        case Target.ALIAS:
            return Finding(f"{text} is an alias (CNAME or DNAME)", one)
        case Target.ABSENT:
            return Finding(f"{text} has no address", one, absence=True)
        case Target.ELSEWHERE if not zone.has_address(target):
            return Finding(f"{text} lies below another cut and has no glue", one, warning=True, absence=True)
    return None


def targets(zone: Contents) -> Iterator[Finding]:
    """Targets of MX and SRV records: no CNAME (RFC 2181 §10.3, RFC 2782), and an address if they are in the zone."""
    for one in zone.records:
        start = {MX: 2, SRV: 6}.get(one.rtype)
        if start is None or one.rdata[start:] == ROOT:
            continue
        target = one.rdata[start:].lower()
        found = zone.target(target)
        text = f"{type_text(one.rtype)} of {to_text(one.owner)}: {to_text(target)}"
        if found is Target.ALIAS:
            yield Finding(f"{text} is an alias (CNAME or DNAME)", one, warning=True)
        elif found is Target.ABSENT:
            yield Finding(f"{text} has no address", one, warning=True, absence=True)


def hidden(zone: Contents) -> Iterator[Finding]:
    """What a zone cut or a DNAME hides (RFC 2136 §7.18, RFC 6672 §2.4); glue may stand."""
    glued = {one.rdata for one in zone.records if one.rtype == NS}
    for name, types in zone.names.items():
        cut, dname = zone.cut_above(name), zone.dname_above(name)
        glue = _ADDRESSES if name in glued else frozenset()
        if cut is not None:
            if not types.keys() <= glue:
                one = next(several[0] for rtype, several in types.items() if rtype not in glue)
                text = f"{to_text(name)} {type_text(one.rtype)} is occluded by the zone cut {to_text(cut)}"
                yield Finding(text, one, warning=True)
        elif dname is not None:
            if not types.keys() <= _HASHED:
                one = next(iter(types.values()))[0]
                yield Finding(f"{to_text(name)} is occluded by the DNAME at {to_text(dname)}", one)
        elif name in zone.cuts and not types.keys() <= _AT_CUT | glue:
            one = next(several[0] for rtype, several in types.items() if rtype not in _AT_CUT | glue)
            text = f"{to_text(name)} {type_text(one.rtype)} is occluded: NS records make the name a zone cut"
            yield Finding(text, one, warning=True)


def signing(zone: Contents) -> Iterator[Finding]:
    """DS records where there is a delegation, and one kind of denial (RFC 5155 §7.1)."""
    for name, types in zone.names.items():
        if DS in types and NS not in types:
            yield Finding(f"DS without NS: {to_text(name)} is no delegation", types[DS][0], absence=True)
    kinds = {rtype: types[rtype][0] for types in zone.names.values() for rtype in (NSEC, NSEC3) if rtype in types}
    if len(kinds) == 2:
        yield Finding("NSEC and NSEC3 records in one zone", max(kinds.values(), key=_at))
    elif NSEC3 in kinds and NSEC3PARAM not in zone.names.get(zone.origin, {}):
        yield Finding("NSEC3 records without an NSEC3PARAM record at the apex", kinds[NSEC3], absence=True)


RULES: Final[tuple[Callable[[Contents], Iterator[Finding]], ...]] = (
    apex, outside, aliases, servers, targets, hidden, signing, rrsets,
)  # fmt: skip


def step(old: Contents, new: Contents) -> Iterator[Finding]:
    """A changed zone whose serial did not rise (RFC 1982 §3.2): secondaries would not fetch it."""
    before, now = old.serial, new.serial
    if before is None or now is None:
        return
    same = {one[:5] for one in old.records} == {one[:5] for one in new.records}
    if not same and not rises(before, now):
        text = f"serial did not increase: {before} before, {now} now, but the zone changed"
        yield Finding(text, new.soa, hint=f"{(before + 1) & 0xFFFFFFFF} is the next serial")


def rises(before: int, now: int) -> bool:
    """Tell whether a serial comes after another one in serial number arithmetic."""
    return 0 < (now - before) & 0xFFFFFFFF < 0x80000000
