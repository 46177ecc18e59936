"""The additional section: addresses of the names that an answer or a referral mentions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ..wire.codes import AAAA, HTTPS, MX, NS, SRV, SVCB, A
from ..wire.names import within
from ..wire.records import EMPTY, RRset, Section, section
from .reader import Zone

# Where the target's name begins in the rdata.
_TARGETS: Final = {MX: 2, SRV: 6, SVCB: 2, HTTPS: 2}
_SIGNED: Final = 1 << 16


def additional(zone: Zone, answer: Iterable[RRset], signed: bool) -> Section:
    """Return the addresses of the targets of MX, SRV, SVCB and HTTPS records that the zone itself holds."""
    targets: dict[bytes, None] = {}
    for rrset in answer:
        at = _TARGETS.get(rrset.rtype)
        if at is not None:
            for rdata in rrset.rdatas:
                targets.setdefault(target_name(rdata, at).lower())
    if not targets:
        return EMPTY
    return _addresses(zone, [target for target in targets if within(target, zone.origin)], signed)


def glue(zone: Zone, cut: Iterable[RRset], signed: bool) -> Section:
    """Return the addresses of name servers at or below the owner of their NS records (RFC 1034 §4.2.1)."""
    targets = [
        target
        for rrset in cut
        if rrset.rtype == NS
        for rdata in rrset.rdatas
        if within(target := rdata.lower(), rrset.owner)
    ]
    return _addresses(zone, targets, signed)


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
