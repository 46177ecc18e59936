"""The additional section: addresses of the names that an answer or a referral mentions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ..wire.codes import AAAA, HTTPS, MX, NS, SRV, SVCB, A
from ..wire.names import within
from ..wire.records import EMPTY, RRset, Section, section
from .layout import CUTS
from .reader import Zone

# Where the target's name begins in the rdata.
TARGETS: Final = {MX: 2, SRV: 6, SVCB: 2, HTTPS: 2}


def additional(zone: Zone, answer: Iterable[RRset], signed: bool) -> Section:
    """Return the addresses of the targets of MX, SRV, SVCB and HTTPS records that the zone itself holds."""
    targets: dict[bytes, None] = {}
    for rrset in answer:
        at = TARGETS.get(rrset.rtype)
        if at is not None:
            for rdata in rrset.rdatas:
                targets.setdefault(target_name(rdata, at).lower())
    if not targets:
        return EMPTY
    return _addresses(zone, [target for target in targets if within(target, zone.origin)], signed)


def glue(zone: Zone, servers: Iterable[RRset], signed: bool) -> Section:
    """Return the addresses of name servers at or below the owner of their NS records (RFC 1034 §4.2.1).

    Where that leaves a referral which cannot be followed, because every server's name lies below another cut of this
    zone, the addresses beside that cut are added (sibling glue, RFC 9471 §2.2).
    """
    pairs = [
        (rrset.owner, rdata.lower()) for rrset in servers if rrset.rtype == NS for rdata in rrset.rdatas
    ]  # fmt: skip
    targets = [target for owner, target in pairs if within(target, owner)]
    if not targets and zone.flags & CUTS and all(_below_cut(zone, target) for _, target in pairs):
        targets = [target for _, target in pairs]
    return _addresses(zone, targets, signed)


def _below_cut(zone: Zone, target: bytes) -> bool:
    if not within(target, zone.origin):
        return False
    name = target
    while len(name) > zone.size:
        node = zone.node(name)
        if node is not None and NS in node.sets:
            return True
        name = name[1 + name[0] :]
    return False


def target_name(rdata: bytes, at: int) -> bytes:
    """Return the uncompressed name at an offset."""
    end = at
    while rdata[end]:
        end += rdata[end] + 1
    return rdata[at : end + 1]


def _addresses(zone: Zone, targets: list[bytes], signed: bool) -> Section:
    found: list[RRset] = []
    for target in targets:
        node = zone.node(target)
        if node is not None:
            found += node.get(A, signed)
            found += node.get(AAAA, signed)
    return section(found)
