"""Zones as text: all records in canonical order, one a line, and what differs between two zones.

dnspython, which writes the rdata, is loaded when the first record is written.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..wire.codes import SOA, type_text
from ..wire.names import key, to_text
from .contents import Contents, RRsetKey
from .located import Record
from .rules import rises


def rows(zone: Contents) -> Iterator[str]:
    """Write a zone: absolute names, one record a line, none twice; it reads back as the same zone."""
    for records in zone.rrsets().values():
        yield from dict.fromkeys(row(one) for one in records)


def row(record: Record) -> str:
    """Write a record."""
    text = rdata_text(record.rtype, record.rdata)
    return f"{to_text(record.owner)}\t{record.ttl}\tIN\t{type_text(record.rtype)}\t{text}"


def rdata_text(rtype: int, rdata: bytes) -> str:
    """Write rdata in its type's form, or in the generic one (RFC 3597 §5)."""
    import dns.exception
    import dns.rdata
    import dns.rdataclass
    import dns.rdatatype

    kind = dns.rdatatype.RdataType.make(rtype)
    try:
        return dns.rdata.from_wire(dns.rdataclass.IN, kind, rdata, 0, len(rdata)).to_text()
    except (dns.exception.DNSException, ValueError):
        return rf"\# {len(rdata)} {rdata.hex()}".rstrip()


def difference(old: Contents, new: Contents) -> Iterator[str]:
    """Write the records that only one of two zones has, RRset by RRset: `-` the old one's, `+` the new one's."""
    before, now = old.rrsets(), new.rrsets()
    for which in sorted(before.keys() | now.keys(), key=_order):
        gone, fresh = ({(one.ttl, one.rdata): one for one in side.get(which, ())} for side in (before, now))
        yield from (f"- {row(one)}" for said, one in gone.items() if said not in fresh)
        yield from (f"+ {row(one)}" for said, one in fresh.items() if said not in gone)


def _order(which: RRsetKey) -> tuple[bytes, bool, int, int]:
    owner, rtype, covers = which
    return key(owner), rtype != SOA, rtype, covers


def serials(old: Contents, new: Contents) -> str:
    """Describe the step of the serial."""
    before, now = old.serial, new.serial
    if before is None or now is None or before == now:
        return f"serial {before} -> {now}"
    return f"serial {before} -> {now} ({'increased' if rises(before, now) else 'decreased'})"
