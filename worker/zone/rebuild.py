"""A new version of a stored zone from the old one and differences, and a stored zone as a new base on disk."""

from __future__ import annotations

from collections.abc import Iterator

from ..store.publish import ZoneWriter
from ..store.reader import Store, Zone
from ..store.walk import ZoneGone, apex_of, walk
from ..wire.records import RRset
from .copy import Change, Draft, put
from .transfer import TransferError


def records_of(zone: Zone) -> Iterator[list[RRset] | None]:
    """Yield the records of a zone slice by slice, None behind each: then the snapshot is closed."""
    yield apex_of(zone)
    try:
        for sections in walk(zone):
            yield [rrset for section in sections for rrset in section]
            zone.store.end()
            yield None
    except ZoneGone:
        raise TransferError("the zone went away") from None
    finally:
        zone.store.end()


def rebuild(zone: Zone, writer: ZoneWriter, change: Change) -> Iterator[None]:
    """Hand the new version's records to a writer; raises TransferError where the differences do not fit."""
    for rrsets in records_of(zone):
        if rrsets is None:
            yield
            continue
        for rrset in rrsets:
            for single in rrset.singles():
                record = single.wire
                if not change.takes(record):
                    put(writer, record)
    change.finish(writer)


def save(zone: Zone, draft: Draft) -> Iterator[None]:
    """Write a stored zone to disk."""
    for rrsets in records_of(zone):
        if rrsets is None:
            yield
            continue
        for rrset in rrsets:
            draft.add(rrset.wire)


def stored(store: Store, owner: str, origin: bytes) -> Zone | None:
    """Return the zone that a publisher serves now."""
    table = store.zones(owner)
    store.begin()
    zone = table.get(origin)
    store.end()
    return zone
