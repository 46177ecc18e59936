"""Catalog zones (RFC 9432): reading them, and what a server does about their members.

The texts of errors are the reference's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from shardns.config.golang import quote
from shardns.worker.wire.codes import NS, PTR, SOA, TXT, class_text, type_text
from shardns.worker.wire.message import Record
from shardns.worker.wire.names import labels, to_text
from shardns.worker.zone.transfer import TransferError

VERSION: Final = "2"
_ZONES: Final = b"\5zones"
Listed = tuple[bytes, int, bytes]  # owner (lower case), type, rdata


class CatalogError(TransferError):
    """A zone that is no catalog: it changes nothing."""


@dataclass(frozen=True, slots=True)
class Member:
    """A zone that a catalog lists; `owner_to_be` is the catalog that it may move to (the `coo` property)."""

    ident: bytes
    zone: bytes
    groups: tuple[str, ...] = ()
    owner_to_be: bytes | None = None


@dataclass(frozen=True, slots=True)
class Catalog:
    """A catalog as it was last read, members in the order of their IDs."""

    origin: bytes
    members: tuple[Member, ...]

    def member(self, zone: bytes) -> Member | None:
        """Return the entry of a zone."""
        return next((member for member in self.members if member.zone == zone), None)


def parse(origin: bytes, records: Iterable[Listed]) -> Catalog:
    """Read a catalog; raises CatalogError."""
    entries = _Entries(origin)
    for owner, rtype, rdata in records:
        entries.take(owner, rtype, rdata)
    text = to_text(origin)
    if SOA not in entries.apex:
        raise CatalogError(f"catalog zone {text} has no SOA record")
    if NS not in entries.apex:
        raise CatalogError(f"catalog zone {text} has no NS record")
    if len(entries.versions) != 1:
        raise CatalogError(f"catalog zone {text} must have exactly one version TXT record")
    if entries.versions[0] != VERSION:
        raise CatalogError(f"catalog zone {text} has unsupported version {quote(entries.versions[0])}")
    return Catalog(origin, tuple(entries.members()))


def foreign_record(origin: bytes, record: Record) -> CatalogError:
    """Return why a catalog with a record of another class than IN is none."""
    from shardns.worker.zone.listing import rdata_text  # seldom needed, and it takes dnspython along

    owner, rtype, rclass, ttl, rdata = record
    kind = f"{class_text(rclass)}\t{type_text(rtype)}\t{rdata_text(rtype, rdata)}"
    text = f"{to_text(owner.lower())}\t{ttl}\t{kind}"
    return CatalogError(f"catalog zone {to_text(origin)} contains non-IN record {text}")


class _Entries:
    """What the records of a catalog say, by member ID (one label, in wire form)."""

    def __init__(self, origin: bytes) -> None:
        self.origin = origin
        self.zones = _ZONES + origin
        self.apex: set[int] = set()
        self.versions: list[str] = []
        self.zone_of: dict[bytes, list[bytes]] = {}
        self.groups: dict[bytes, list[str]] = {}
        self.owners: dict[bytes, list[bytes]] = {}

    def take(self, owner: bytes, rtype: int, rdata: bytes) -> None:
        """Sort one record in; what has no meaning here is ignored (RFC 9432 §4.4)."""
        if owner == self.origin:
            self.apex.add(rtype)
        elif rtype == TXT and owner == b"\7version" + self.origin:
            self.versions.append(_text(rdata))
        elif rtype in (TXT, PTR) and owner.endswith(self.zones):
            front = list(labels(owner[: len(owner) - len(self.zones)] + b"\0"))
            if len(front) == 1 and rtype == PTR:
                self.zone_of.setdefault(front[0], []).append(rdata.lower())
            elif len(front) == 2 and front[0] == b"group" and rtype == TXT:
                self.groups.setdefault(front[1], []).append(_text(rdata))
            elif len(front) == 2 and front[0] == b"coo" and rtype == PTR:
                self.owners.setdefault(front[1], []).append(rdata.lower())

    def members(self) -> Iterable[Member]:
        """Yield the members in the order of their IDs; raises CatalogError."""
        seen: dict[bytes, bytes] = {}
        for ident, zones in sorted(self.zone_of.items()):
            name = _label(ident)
            if len(zones) != 1:
                where = f"{name}.{to_text(self.zones)}"
                raise CatalogError(f"catalog member {where} must have exactly one PTR record")
            zone = zones[0]
            if zone in seen:
                both = f"{_label(seen[zone])} and {name}"
                raise CatalogError(f"catalog member zone {to_text(zone)} is listed by both {both}")
            seen[zone] = ident
            owners = self.owners.get(ident, [])
            if len(owners) > 1:
                raise CatalogError(f"catalog member {name} has more than one coo PTR record")
            groups = tuple(sorted(self.groups.get(ident, ())))
            yield Member(ident, zone, groups, owners[0] if owners else None)


def _text(rdata: bytes) -> str:
    """Join the strings of a TXT record."""
    return b"".join(_strings(rdata)).decode("latin-1")


def _strings(rdata: bytes) -> Iterable[bytes]:
    at = 0
    while at < len(rdata):
        yield rdata[at + 1 : at + 1 + rdata[at]]
        at += 1 + rdata[at]


def _label(ident: bytes) -> str:
    return to_text(bytes((len(ident),)) + ident + b"\0").rstrip(".")
