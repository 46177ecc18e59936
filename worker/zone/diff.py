"""What has changed between two stored versions of a zone, for its journal.

Both are in canonical order, so they are read side by side; names whose stored value is the same are skipped unread.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from ..log import PluginLog
from ..store import layout
from ..store.hashed import label
from ..store.nodes import Node, name_of
from ..store.publish import Staging
from ..wire.codes import SOA
from ..wire.names import to_text
from .journal import Delta, Journal
from .slices import in_slices
from .state import made

SLICE_NODES: Final = 5_000
MAX_RECORDS: Final = 200_000  # of a difference; past that the whole zone is the better answer
Records = list[bytes]


def number_of(staging: Staging, origin: bytes, owner: str) -> int | None:
    """Return the id under which a publisher's zone is found now."""
    with staging.environment.begin() as txn:
        value = txn.get(layout.table_prefix(staging.generation, owner) + origin)
    return None if value is None else layout.read_entry(value)[0]


async def record(
    staging: Staging, journal: Journal, owner: str, origin: bytes, before: int | None, log: PluginLog
) -> None:
    """Note in a zone's journal what has changed since it was found under the id `before`."""
    after = number_of(staging, origin, owner)
    if before is None or after is None or before == after:
        return
    try:
        made(journal.path.parent)
        delta = await in_slices(difference(staging.environment, origin, before, after))
        if delta is None:
            journal.clear()
        else:
            journal.append(delta)
    except OSError as error:
        log.warning(f"Failed to write the journal of zone {to_text(origin)}: {error}")


def difference(environment: Any, origin: bytes, before: int, after: int) -> Iterator[Delta | None]:
    """Yield None between slices of work, then the difference; nothing where the two cannot be a step of a journal."""
    with environment.begin() as txn:
        metas = [txn.get(layout.meta_key(number)) for number in (before, after)]
    if None in metas:
        return
    old, new = (_records(b"", layout.Meta.decode(meta).apex) for meta in metas)
    old_soa, new_soa = _soa(old), _soa(new)
    if old_soa is None or new_soa is None or _serial(old_soa) == _serial(new_soa):
        return
    removed, added = _apart(old, new)
    removed, added = ([r for r in records if r not in (old_soa, new_soa)] for records in (removed, added))
    for ours, theirs in _changed(environment, origin, before, after):
        gone, fresh = _apart(ours, theirs)
        removed += gone
        added += fresh
        if len(removed) + len(added) > MAX_RECORDS:
            return
        yield None
    yield Delta(_serial(old_soa), _serial(new_soa), (old_soa, *removed), (new_soa, *added))


def _changed(environment: Any, origin: bytes, before: int, after: int) -> Iterator[tuple[Records, Records]]:
    """Yield the records of all names that differ, a slice at a time."""
    old, new = _Nodes(environment, before), _Nodes(environment, after)
    while old.more() | new.more():
        gone: Records = []
        fresh: Records = []
        # Up to the smaller of the two ends both slices are complete.
        until = min(part.until() for part in (old, new))
        ours, theirs = old.take(until), new.take(until)
        for key in ours.keys() | theirs.keys():
            mine, other = ours.get(key), theirs.get(key)
            if mine != other:
                name = label(key[1:]) + origin if key.startswith(b"\1") else name_of(key)
                gone += _records(name, mine)
                fresh += _records(name, other)
        yield gone, fresh


class _Nodes:
    """The nodes of one zone, read slice by slice."""

    def __init__(self, environment: Any, number: int) -> None:
        self.environment = environment
        self.prefix = layout.node_prefix(number)
        self.at: bytes | None = self.prefix
        self.held: dict[bytes, bytes] = {}

    def more(self) -> bool:
        """Read the next slice where nothing is held; tell whether anything is."""
        if not self.held and self.at is not None:
            with self.environment.begin() as txn:
                cursor = txn.cursor()
                found = cursor.set_range(self.at)
                while found and cursor.key().startswith(self.prefix) and len(self.held) < SLICE_NODES:
                    self.held[cursor.key()[len(self.prefix) :]] = cursor.value()
                    found = cursor.next()
                self.at = cursor.key() if found and cursor.key().startswith(self.prefix) else None
        return bool(self.held)

    def until(self) -> bytes:
        """Return the key that everything held stands before."""
        return self.at[len(self.prefix) :] if self.at is not None else b"\xff" * 512

    def take(self, until: bytes) -> dict[bytes, bytes]:
        """Return what is held before a key."""
        taken = {key: value for key, value in self.held.items() if key < until}
        self.held = {key: value for key, value in self.held.items() if key >= until}
        return taken


def _records(name: bytes, value: bytes | None) -> Records:
    if not value:
        return []
    sections = Node(name, value).sets.values()
    return [single.wire for section in sections for rrset in section for single in rrset.singles()]


def _apart(old: Records, new: Records) -> tuple[Records, Records]:
    """Return what only the first has and what only the second has."""
    before, behind = set(old), set(new)
    return [r for r in old if r not in behind], [r for r in new if r not in before]


def _soa(records: Records) -> bytes | None:
    return next((record for record in records if _rtype(record) == SOA), None)


def _rtype(record: bytes) -> int:
    at = 0
    while record[at]:
        at += record[at] + 1
    return (record[at + 1] << 8) | record[at + 2]


def _serial(soa: bytes) -> int:
    return int.from_bytes(soa[-20:-16], "big")
