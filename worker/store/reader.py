"""Reading the store: what a worker holds of it.

1. A read transaction lives for one burst: `begin` before the first look-up, `end` behind the last; nobody keeps one
   over a wait, or the file could not shrink.
2. `begin` reads the sequence before and behind taking its snapshot: no publication is missed, and no zone id is used
   that the snapshot may have lost to a sweep.
3. A zone id is immutable, so what was decoded of it may be kept as long as the handle lives.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ..wire.codes import NS, SOA
from ..wire.names import key
from ..wire.records import EMPTY, Section
from . import layout
from .environment import Sequence
from .nodes import Node

HOT_NODES: Final = 16_384  # of all zones of a worker; about 0.8 KiB each, a large one counts once more a KiB
MAX_KEY_BYTES: Final = 511  # LMDB's
MAX_PROOFS: Final = 16_384  # proofs, and denials made of them, of all zones of a worker; 0.6 to 2 KiB each

Table = dict[bytes, "Zone"]


class Store:
    """The zones environment as one worker reads it, for its generation."""

    def __init__(self, environment: Any, sequence: Sequence, generation: int) -> None:
        self.environment = environment
        self.sequence = sequence
        self.generation = generation
        self.open = False
        self.snapshot: Any = None
        self.hot = 0
        self.proofs = 0
        self.seen_once: set[int] = set()
        self.spans_once: set[int] = set()
        self._cursor: Any = None
        self.version = 0  # how often the tables were read anew
        self._seen = -1
        self._tables: dict[str, Table] = {}
        self.on_stale: Callable[[Zone], None] = lambda zone: None

    def begin(self) -> None:
        """Open the snapshot of a burst; new zones appear in the tables here. Harmless when it is open already."""
        if self.open:
            return
        before = self.sequence.value
        self.snapshot = self.environment.begin()
        self.open = True
        # Published between the two readings: the snapshot may or may not have it, so resolve now and once more later.
        if before != self._seen or self.sequence.value != before:
            self._resolve()
            self._seen = before

    def end(self) -> None:
        """Close the snapshot of a burst."""
        if self.open:
            if self._cursor is not None:
                self._cursor.close()
                self._cursor = None
            self.snapshot.abort()
            self.snapshot = None
            self.open = False

    def close(self) -> None:
        """Let go of the environment."""
        self.end()

    @property
    def txn(self) -> Any:
        """The burst's snapshot; opened by whoever comes first, also behind a wait."""
        if not self.open:
            self.begin()
        return self.snapshot

    @property
    def cursor(self) -> Any:
        """The burst's cursor."""
        cursor = self._cursor
        if cursor is None:
            cursor = self._cursor = self.txn.cursor()
        return cursor

    def zones(self, owner: str) -> Table:
        """Return the live table of what a publisher has published: origin → zone, kept up to date by `begin`."""
        table = self._tables.get(owner)
        if table is None:
            table = self._tables[owner] = {}
            if self.open:
                table.update(self._read_table(owner, table))
            else:
                self._seen = -1
        return table

    def _resolve(self) -> None:
        self.version += 1
        for owner, table in self._tables.items():
            fresh = self._read_table(owner, table)
            for origin, zone in table.items():
                if fresh.get(origin) is not zone:
                    zone.stale = True
                    self.on_stale(zone)
            table.clear()
            table.update(fresh)

    def _read_table(self, owner: str, known: Table) -> Table:
        prefix = layout.table_prefix(self.generation, owner)
        cursor = self.cursor
        found: Table = {}
        more = cursor.set_range(prefix)
        entries = []
        while more and cursor.key().startswith(prefix):
            entries.append(cursor.item())
            more = cursor.next()
        for table_key, value in entries:
            origin = table_key[len(prefix) :]
            number, state = layout.read_entry(value)
            zone = known.get(origin)
            if zone is None or zone.number != number or zone.state != state:
                meta = self.txn.get(layout.meta_key(number))
                if meta is None:
                    continue
                zone = Zone(self, origin, number, state, layout.Meta.decode(meta))
            found[origin] = zone
        return found

    def forget_hot(self) -> None:
        """Drop all decoded nodes."""
        for table in self._tables.values():
            for zone in table.values():
                zone.hot.clear()
        self.hot = 0

    def count_proof(self) -> None:
        """Make room for one more proof or denial."""
        if self.proofs >= MAX_PROOFS:
            self.proofs = 0
            for table in self._tables.values():
                for zone in table.values():
                    zone.proofs.clear()
                    zone.denied.clear()
                    zone.around.clear()
        self.proofs += 1


class Zone:
    """A published zone, as long as it stays the published one; then `stale` is set and what was made of it is void."""

    __slots__ = (
        "around", "bare", "chain", "denied", "expired", "flags", "hashes", "hot", "missing", "nodes", "ns", "ns_signed",
        "number", "origin", "own_key", "prefix", "proofs", "size", "soa", "soa_signed", "stale", "state", "store",
    )  # fmt: skip

    def __init__(self, store: Store, origin: bytes, number: int, state: int, meta: layout.Meta) -> None:
        self.store = store
        self.bare: dict[bytes, bool] = {}  # by parent name: nothing but plain names below it
        self.origin = origin
        self.number = number
        self.state = state
        self.expired = bool(state & layout.EXPIRED)
        self.stale = False
        self.flags = meta.flags
        self.nodes = meta.nodes
        self.prefix = layout.node_prefix(number)
        self.hashes = layout.hashed_prefix(number)
        self.own_key = self.prefix + key(origin)
        self.size = len(origin)
        self.hot: dict[bytes, Node] = {}
        self.missing: dict[int, Any] = {}  # what the look-up says of any name without records, by kind
        self.chain: Any = None  # how the NSEC3 records hash, once somebody asked
        self.proofs: dict[bytes, Section] = {}  # NSEC and NSEC3 records with their signatures, by store key
        self.around: dict[bytes, Any] = {}  # what denials have in common, by closest encloser
        self.denied: dict[tuple[bytes, bytes], Any] = {}  # what the look-up says with a proof, by where that stands
        apex = Node(b"", meta.apex) if meta.apex else None
        self.soa = apex.get(SOA) if apex else EMPTY
        self.ns = apex.get(NS) if apex else EMPTY
        self.soa_signed = apex.get(SOA, True) if apex else EMPTY
        self.ns_signed = apex.get(NS, True) if apex else EMPTY

    @property
    def repeats(self) -> int:
        """2 where one answer denies all names that have none below, 1 where it does so without proofs."""
        return 1 if self.flags & (layout.DENIALS | layout.HASHED) else 2

    @property
    def serial(self) -> int:
        """The SOA's serial; only for a zone that has one."""
        rdata = self.soa[0].rdatas[0]
        return int.from_bytes(rdata[-20:-16], "big")

    def key_of(self, name: bytes) -> bytes:
        """Return the key of a node."""
        size = name[0]
        if size + 1 + self.size == len(name):  # Hot: one label below the apex, the usual case
            label = name[1 : size + 1]
            if 0 not in label and 1 not in label and name.endswith(self.origin):
                return self.own_key + b"\0" + label
        return self.prefix + key(name)

    def node(self, name: bytes) -> Node | None:
        """Return the records of a name, None where there are none."""
        node = self.hot.get(name)
        if node is None:
            value = self.store.txn.get(self.key_of(name))
            if value is None:
                return None
            node = self.keep(name, value)
        return node

    def keep(self, name: bytes, value: bytes) -> Node:
        """Return a node, and remember it if it is not the first time."""
        node = Node(name, value)
        if self.seen(name):
            self.hold(node)
        return node

    def hold(self, node: Node) -> None:
        """Remember a node."""
        store = self.store
        if store.hot >= HOT_NODES:
            store.forget_hot()
        store.hot += 1 + (len(node.value) >> 10)
        self.hot[node.name] = node

    def seen(self, name: bytes) -> bool:
        """Tell whether a name was asked for before, and note that it was now."""
        return _noted(self.store.seen_once, hash(name) ^ self.number)

    def seen_span(self, at: bytes) -> bool:
        """Tell whether the record at a store key proved something before, and note that it does now."""
        return _noted(self.store.spans_once, hash(at))

    def has_below(self, name: bytes) -> bool:
        """Tell whether a name exists strictly below this one."""
        below = self.prefix + key(name) + b"\0"
        cursor = self.store.cursor
        return bool(cursor.set_range(below)) and cursor.key().startswith(below)

    def neighbours(self, at: bytes) -> tuple[bytes, bytes]:
        """Return the store keys before and behind one that is not there; either may be another zone's, or empty.

        The cursor is left at the one before.
        """
        cursor = self.store.cursor
        if cursor.set_range(at):
            behind = cursor.key()
            return cursor.key() if cursor.prev() else b"", behind
        return cursor.key() if cursor.last() else b"", b""


def _noted(seen: set[int], mark: int) -> bool:
    """What is asked once, by a scan or a flood, must not drive out what is asked again and again."""
    if mark in seen:
        return True
    if len(seen) >= HOT_NODES:
        seen.clear()
    seen.add(mark)
    return False
