"""The canonical form of RRsets, which is what signatures are made over (RFC 4034 §6.2, §6.3)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ..wire.codes import (
    AFSDB,
    CNAME,
    DNAME,
    KX,
    MB,
    MD,
    MF,
    MG,
    MINFO,
    MR,
    MX,
    NAPTR,
    NS,
    NXT,
    PTR,
    PX,
    RP,
    RT,
    SIG,
    SOA,
    SRV,
)  # fmt: skip
from ..wire.names import ROOT, within

# Types whose rdata holds names that are folded: octets before the names, and how many names follow. NSEC and RRSIG are
# not among them (RFC 6840 §5.1).
_NAMES: Final = {
    **dict.fromkeys((NS, MD, MF, CNAME, MB, MG, MR, PTR, DNAME, NXT), (0, 1)),
    **dict.fromkeys((SOA, MINFO, RP), (0, 2)),
    **dict.fromkeys((MX, AFSDB, RT, KX), (2, 1)),
    PX: (2, 2), SRV: (6, 1), SIG: (18, 1), NAPTR: (4, 1),
}  # fmt: skip
_STRINGS: Final = 3  # character strings of NAPTR between its numbers and its name


def canonical(rtype: int, rdata: bytes) -> bytes:
    """Return rdata in canonical form."""
    shape = _NAMES.get(rtype)
    if shape is None or rdata.islower():
        return rdata
    at, names = shape
    if rtype == NAPTR:
        for _ in range(_STRINGS):
            at += 1 + rdata[at]
    end = at
    for _ in range(names):
        while rdata[end]:
            end += 1 + rdata[end]
        end += 1
    return rdata[:at] + rdata[at:end].lower() + rdata[end:]


def rrset_octets(owner: bytes, rtype: int, rclass: int, ttl: int, rdatas: Iterable[bytes]) -> bytes:
    """Return the records of an RRset in canonical form and order, each only once."""
    head = owner.lower() + rtype.to_bytes(2, "big") + rclass.to_bytes(2, "big") + ttl.to_bytes(4, "big")
    ordered = sorted({canonical(rtype, rdata) for rdata in rdatas})
    return b"".join([head + len(rdata).to_bytes(2, "big") + rdata for rdata in ordered])


def label_count(owner: bytes) -> int:
    """Count labels as an RRSIG does: without the root and without a leading `*` (RFC 4034 §3.1.3)."""
    at = found = 0
    while owner[at]:
        found += 1
        at += 1 + owner[at]
    return found - owner.startswith(b"\1*")


def closest(name: bytes, zones: Iterable[bytes]) -> bytes | None:
    """Return the longest of some zones that contains a name, None where none does."""
    found = [zone for zone in zones if zone == ROOT or within(name, zone)]
    return max(found, key=len) if found else None
