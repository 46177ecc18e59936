"""All records of a zone by name: what its rules and its listings ask.

1. Only records of class IN within the zone are in `names`; the others are `outside`.
2. A *cut* is a name below the apex with NS records that no other cut and no DNAME hides.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Final

from ..wire.codes import AAAA, CNAME, DNAME, IN, NS, RRSIG, SOA, A
from ..wire.names import key, parent, within
from .located import Record

RRsetKey = tuple[bytes, int, int]  # owner, type, type covered by an RRSIG
_ADDRESSES: Final = frozenset((A, AAAA))
_SERIAL: Final = slice(-20, -16)  # in the rdata of a SOA record


class Target(Enum):
    """What a zone knows of a name that a record points to."""

    ADDRESS = "has an address"
    ALIAS = "is a CNAME"
    ABSENT = "has no address"
    ELSEWHERE = "belongs to another zone"


class Contents:
    """A zone's records in file order, by name and type."""

    def __init__(self, origin: bytes, records: Iterable[Record]) -> None:
        self.origin = origin
        self.names: dict[bytes, dict[int, list[Record]]] = {}
        self.outside: list[Record] = []
        for record in records:
            if record.rclass == IN and within(record.owner, origin):
                self.names.setdefault(record.owner, {}).setdefault(record.rtype, []).append(record)
            else:
                self.outside.append(record)
        self.dnames = frozenset(name for name, types in self.names.items() if DNAME in types)
        delegating = frozenset(name for name, types in self.names.items() if NS in types and name != origin)
        self.cuts: frozenset[bytes] = frozenset(
            name for name in delegating if not any(up in delegating or up in self.dnames for up in self.above(name))
        )
        self.existing = {up for name in self.names for up in self.above(name)} | set(self.names)

    @property
    def records(self) -> Iterator[Record]:
        """All records within the zone."""
        return (one for types in self.names.values() for records in types.values() for one in records)

    @property
    def soa(self) -> Record | None:
        """The SOA record at the apex."""
        return next(iter(self.names.get(self.origin, {}).get(SOA, ())), None)

    @property
    def serial(self) -> int | None:
        """The zone's serial."""
        soa = self.soa
        return None if soa is None else int.from_bytes(soa.rdata[_SERIAL], "big")

    def above(self, name: bytes) -> Iterator[bytes]:
        """Yield the names above a name, up to the apex."""
        while name != self.origin:
            name = parent(name)
            yield name

    def cut_above(self, name: bytes) -> bytes | None:
        """Return the cut strictly above a name."""
        return next((up for up in self.above(name) if up in self.cuts), None)

    def dname_above(self, name: bytes) -> bytes | None:
        """Return the lowest DNAME strictly above a name."""
        return next((up for up in self.above(name) if up in self.dnames), None)

    def has_address(self, name: bytes) -> bool:
        """Tell whether address records stand at the name itself, glue or not."""
        return not _ADDRESSES.isdisjoint(self.names.get(name, ()))

    def target(self, name: bytes) -> Target:
        """Tell what a look-up of a name's addresses meets."""
        if not within(name, self.origin) or name in self.cuts or self.cut_above(name) is not None:
            return Target.ELSEWHERE
        if self.dname_above(name) is not None:
            return Target.ALIAS
        found = name
        if name not in self.existing:
            # RFC 4592 §3.3.1: the wildcard below the closest encloser answers.
            found = b"\1*" + next((up for up in self.above(name) if up in self.existing), self.origin)
        if self.has_address(found):
            return Target.ADDRESS
        return Target.ALIAS if CNAME in self.names.get(found, ()) else Target.ABSENT

    def rrsets(self) -> dict[RRsetKey, list[Record]]:
        """Return all RRsets: names in canonical order (RFC 4034 §6.1), at each the SOA first, then by type."""
        found: dict[RRsetKey, list[Record]] = {}
        for name in sorted(self.names, key=key):
            records = [one for several in self.names[name].values() for one in several]
            for one in sorted(records, key=lambda one: (one.rtype != SOA, one.rtype, covered(one), one.rdata)):
                found.setdefault((name, one.rtype, covered(one)), []).append(one)
        return found


def covered(record: Record) -> int:
    """Return the type that an RRSIG record covers; 0 for others."""
    return int.from_bytes(record.rdata[:2], "big") if record.rtype == RRSIG else 0
