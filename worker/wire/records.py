"""RRsets in wire form: what the store holds, plugins hand on and the writer concatenates.

1. An RRset is immutable. Its rdatas hold no compression pointers.
2. `section` order is the order on the wire. An RRset here is a run of neighbouring records with one owner, type,
   class and TTL, so any message can be represented without changing the order of its records.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

_HEAD = struct.Struct("!HHI")
_FIXED = struct.Struct("!HHIH")


class RRset:
    """Records of one owner, type, class and TTL (s); owner and rdatas are uncompressed wire form."""

    __slots__ = ("_wire", "owner", "rclass", "rdatas", "rtype", "ttl")

    def __init__(
        self, owner: bytes, rtype: int, ttl: int, rdatas: tuple[bytes, ...], rclass: int = 1, wire: bytes | None = None
    ) -> None:
        self.owner = owner
        self.rtype = rtype
        self.rclass = rclass
        self.ttl = ttl
        self.rdatas = rdatas
        self._wire = wire

    @property
    def wire(self) -> bytes:
        """All records, uncompressed, as they stand in a message."""
        wire = self._wire
        if wire is None:
            head = self.owner + _HEAD.pack(self.rtype, self.rclass, self.ttl)
            wire = self._wire = b"".join([head + len(r).to_bytes(2, "big") + r for r in self.rdatas])
        return wire

    @property
    def count(self) -> int:
        """The number of records."""
        return len(self.rdatas)

    def replace(
        self,
        *,
        owner: bytes | None = None,
        ttl: int | None = None,
        rdatas: tuple[bytes, ...] | None = None,
    ) -> RRset:
        """Return a copy with another owner, TTL or rdatas."""
        return RRset(
            self.owner if owner is None else owner,
            self.rtype,
            self.ttl if ttl is None else ttl,
            self.rdatas if rdatas is None else rdatas,
            self.rclass,
        )

    def singles(self) -> list[RRset]:
        """Return one RRset a record, in order."""
        return [RRset(self.owner, self.rtype, self.ttl, (r,), self.rclass) for r in self.rdatas]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RRset):
            return NotImplemented
        return (self.owner, self.rtype, self.rclass, self.ttl, self.rdatas) == (
            other.owner, other.rtype, other.rclass, other.ttl, other.rdatas,
        )  # fmt: skip

    def __hash__(self) -> int:
        return hash((self.owner, self.rtype, self.rclass, self.ttl, self.rdatas))

    def __repr__(self) -> str:
        return f"RRset({self.owner!r}, {self.rtype}, ttl={self.ttl}, {self.rdatas!r})"


class Section(tuple[RRset, ...]):
    """A message section; remembers its uncompressed wire form, so a shared section is encoded once."""

    _wire: bytes | None = None
    _count: int = -1

    @property
    def wire(self) -> bytes:
        """All records of the section, uncompressed."""
        wire = self._wire
        if wire is None:
            wire = self._wire = b"".join([rrset.wire for rrset in self])
        return wire

    @property
    def count(self) -> int:  # type: ignore[override]  # records, as the header counts them; nobody searches a section
        """The number of records."""
        count = self._count
        if count < 0:
            count = self._count = sum([rrset.count for rrset in self])
        return count


EMPTY = Section()


def section(rrsets: Iterable[RRset]) -> Section:
    """Build a section; returns the shared empty one for nothing."""
    return Section(rrsets) or EMPTY
