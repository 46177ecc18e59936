"""A new version of a stored zone from the old one and differences, and a stored zone as a new base on disk."""

from __future__ import annotations

from collections.abc import Iterator

from ..store.publish import ZoneWriter
from ..store.reader import Store, Zone
from ..store.walk import Records, ZoneGone, apex_of, walk
from .copy import Change, Draft, put
from .journal import record_end
from .transfer import TransferError


def records_of(zone: Zone) -> Iterator[list[Records] | None]:
    """Yield the records of a zone slice by slice, None behind each: then the snapshot is closed."""
    yield [(rrset.wire, rrset.count) for rrset in apex_of(zone)]
    try:
        for names in walk(zone):
            yield names
            zone.store.end()
            yield None
    except ZoneGone:
        raise TransferError("the zone went away") from None
    finally:
        zone.store.end()


def rebuild(zone: Zone, writer: ZoneWriter, change: Change) -> Iterator[None]:
    """Hand the new version's records to a writer; raises TransferError where the differences do not fit."""
    for names in records_of(zone):
        if names is None:
            yield
            continue
        for wire, _ in names:
            at = 0
            while at < len(wire):
                end = record_end(wire, at)
                record = wire[at:end]
                if not change.takes(record):
                    put(writer, record)
                at = end
    change.finish(writer)


def save(zone: Zone, draft: Draft) -> Iterator[None]:
    """Write a stored zone to disk."""
    for names in records_of(zone):
        if names is None:
            yield
            continue
        for wire, _ in names:
            draft.add(wire)


def stored(store: Store, owner: str, origin: bytes) -> Zone | None:
    """Return the zone that a publisher serves now."""
    table = store.zones(owner)
    store.begin()
    zone = table.get(origin)
    store.end()
    return zone
