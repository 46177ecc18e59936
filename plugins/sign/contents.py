"""The zone file to be signed, as names and their sets of records."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from shardns.worker.store.nodes import name_of
from shardns.worker.wire.codes import DNAME, DNSKEY, NS, NSEC, NSEC3, NSEC3PARAM, RRSIG, SOA
from shardns.worker.wire.names import key, to_text, within
from shardns.worker.zone.errors import ZoneTextError, quoted
from shardns.worker.zone.sources import Sources
from shardns.worker.zone.text import Reader

CDS: Final = 59
CDNSKEY: Final = 60
# What signing makes itself; all but NSEC are what the reference leaves out, an old chain would only be wrong.
MADE: Final = frozenset((DNSKEY, RRSIG, CDS, CDNSKEY, NSEC))
_HASHED: Final = (NSEC3, NSEC3PARAM)
_END: Final = b"\0\0"


class NotSignable(Exception):
    """A zone file that cannot be signed; its text is the reference's."""


@dataclass(slots=True)
class Records:
    """A set of records. All get the TTL (s) of the first one (RFC 2181 §5.2)."""

    ttl: int
    rclass: int
    rdatas: list[bytes] = field(default_factory=list)


Names = dict[bytes, dict[int, Records]]


class Contents:
    """A sink for the zone text reader: `names` by owner, then by type. The SOA record may have any owner."""

    def __init__(self, origin: bytes) -> None:
        self.origin = origin
        self.entries: list[bytes] = []
        self.count = 0
        self.names: Names = {}
        self.soa: Records | None = None

    def add_record(self, owner: bytes, record: bytes) -> None:
        """Take one record."""
        name = owner.lower()
        rtype = int.from_bytes(record[:2], "big")
        if rtype in _HASHED:
            text = f"NSEC3 zone is not supported, dropping RR: {to_text(name)} for zone: {to_text(self.origin)}"
            raise NotSignable(text)
        ttl, rclass = int.from_bytes(record[4:8], "big"), int.from_bytes(record[2:4], "big")
        if rtype == SOA:
            self.soa = Records(ttl, rclass, [record[10:]])
        elif rtype not in MADE and within(name, self.origin):
            found = self.names.setdefault(name, {}).setdefault(rtype, Records(ttl, rclass))
            if record[10:] not in found.rdatas[-1:]:
                found.rdatas.append(record[10:])

    def take_entries(self) -> None:
        """Take the records that the reader left in the form of the store."""
        for entry in self.entries:
            at = entry.index(_END)
            self.add_record(name_of(entry[:at]), entry[at + 6 :])
        self.entries.clear()

    def authoritative(self) -> list[bytes]:
        """Return the names that are neither glue nor hidden by a DNAME, in canonical order; the apex comes first."""
        found = [self.origin]
        hiding: bytes | None = None
        for name in sorted(self.names.keys() - {self.origin}, key=key):
            if hiding is not None and within(name, hiding):
                continue
            found.append(name)
            sets = self.names[name]
            hiding = name if NS in sets or DNAME in sets else None
        return found

    def others(self) -> Iterator[bytes]:
        """Yield the names that are not authoritative."""
        signed = set(self.authoritative())
        yield from (name for name in sorted(self.names, key=key) if name not in signed)


def read(path: str, origin: bytes) -> Iterator[Contents | None]:
    """Read a zone file: yields None between slices of work, then the contents. Raises NotSignable and OSError."""
    contents = Contents(origin)
    try:
        for _ in Reader(Sources(), path, origin, contents).read():
            contents.take_entries()
            yield None
    except ZoneTextError as error:
        raise NotSignable(str(error)) from None
    contents.take_entries()
    if contents.soa is None:
        raise NotSignable(f"file {quoted(path.encode())} has no SOA record")
    yield contents
