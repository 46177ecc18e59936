"""Publishing zones: what a service in the keeper writes to.

1. A zone is written under a fresh id that nobody reads, in transactions of at most 10,000 nodes: the writer lock is
   shared by all publishers, and a long transaction stalls them.
2. Publishing is one small transaction that points (generation, publisher, origin) to the id, then one bump of the
   sequence. Generations resolve through their own table, so what is staged cannot be seen by another one.
3. A zone whose digest is known is not written again: the id is used once more, also after a restart of the process.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from types import TracebackType
from typing import Any, Final

from ..wire.codes import NS, NSEC3PARAM, RRSIG, SOA
from ..wire.names import key
from . import layout
from .chain import BrokenChain, chain_nodes
from .environment import Sequence
from .nodes import Stored, name_of, pack
from .sorting import Pairs, nodes_of

SLICE_NODES: Final = 10_000
PREFIX_BYTES: Final = len(layout.node_prefix(0))
Slices = Iterator[None]


class Staging:
    """One generation's way to publish. `generation` is the number that its workers resolve zones by."""

    def __init__(self, environment: Any, sequence: Sequence, generation: int) -> None:
        self.environment = environment
        self.sequence = sequence
        self.generation = generation

    def zone(self, origin: bytes, owner: str, digest: bytes = b"") -> ZoneWriter:
        """Begin a zone. `owner` names who publishes it (directive and block); `digest` is of all that it is made of."""
        with self.environment.begin(write=True) as txn:
            number = 1 + layout.zone_id(txn.get(layout.COUNTER, layout.id_value(0)))
            txn.put(layout.COUNTER, layout.id_value(number))
            txn.put(layout.staged_key(number), layout.generation_value(self.generation))
        return ZoneWriter(self, number, origin, owner, digest)

    def reuse(self, origin: bytes, owner: str, digest: bytes) -> layout.Meta | None:
        """Publish the stored zone of that digest, and return what is known of it; None where there is none."""
        with self.environment.begin(write=True) as txn:
            number = txn.get(layout.DIGEST + digest)
            meta = txn.get(layout.META + number) if number is not None else None
            if meta is None:
                return None
            self._point(txn, origin, owner, layout.zone_id(number), 0)
        self.sequence.bump()
        return layout.Meta.decode(meta)

    def inherit(self, origin: bytes, owner: str) -> bool:
        """Go on with what is published of a zone, or was by the generation before; False where there is nothing.

        Block numbers may have changed since: where a generation has the zone once, the one publisher of the same
        directive counts, too.
        """
        with self.environment.begin(write=True) as txn:
            found = self._newest(txn, origin, owner)
            if found is None:
                return False
            self._point(txn, origin, owner, *layout.read_entry(found))
        self.sequence.bump()
        return True

    def _newest(self, txn: Any, origin: bytes, owner: str) -> bytes | None:
        directive = owner.partition("/")[0].encode() + b"/"
        for generation in range(self.generation, -1, -1):
            prefix = layout.table_prefix(generation)
            split = ((*key[len(prefix) :].partition(b"\0"), value) for key, value in _under(txn, prefix))
            by_owner = {who: value for who, _, zone, value in split if zone == origin and who.startswith(directive)}
            if owner.encode() in by_owner:
                return by_owner[owner.encode()]
            if by_owner:
                return by_owner.popitem()[1] if len(by_owner) == 1 else None
        return None

    def withdraw(self, origin: bytes, owner: str) -> None:
        """Take a zone out of the table."""
        with self.environment.begin(write=True) as txn:
            txn.delete(self._key(origin, owner))
        self.sequence.bump()

    def expire(self, origin: bytes, owner: str, expired: bool = True) -> None:
        """Say that a zone's data may not be used any more, or again."""
        with self.environment.begin(write=True) as txn:
            value = txn.get(self._key(origin, owner))
            if value is None:
                return
            number, state = layout.read_entry(value)
            state = state & ~layout.EXPIRED | (layout.EXPIRED if expired else 0)
            self._point(txn, origin, owner, number, state)
        self.sequence.bump()

    def _key(self, origin: bytes, owner: str) -> bytes:
        return layout.table_prefix(self.generation, owner) + origin

    def _point(self, txn: Any, origin: bytes, owner: str, number: int, state: int) -> None:
        txn.put(self._key(origin, owner), layout.entry(number, state))


def _under(txn: Any, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the entries whose keys begin so."""
    cursor = txn.cursor()
    if cursor.set_range(prefix):
        for found, value in cursor:
            if not found.startswith(prefix):
                return
            yield bytes(found), bytes(value)


class ZoneWriter:
    """One zone being written. As a context manager it is published at the end of the block, or dropped on an error.

    `entries` is for loaders in a hurry: `key \0\0 sequence(4) type class TTL length rdata`, any order; the owner must
    be lower case and the records must not belong to the apex (SOA, its NS, their signatures).
    """

    def __init__(self, staging: Staging, number: int, origin: bytes, owner: str, digest: bytes) -> None:
        self.staging = staging
        self.number = number
        self.origin = origin
        self.owner = owner
        self.digest = digest
        self.entries: list[bytes] = []
        self.count = 0  # the next record's place in the order of the file
        self.soa: Stored | None = None
        self.flags = 0  # added to those that the records call for
        self.chains: list[bytes] = []  # NSEC3PARAM rdatas of the apex
        self._stem = key(origin) + b"\0"
        self._apex: list[Stored] = []
        self._soa_signatures: list[Stored] = []
        self._owners: dict[int, bytes] = {}

    def add(self, owner: bytes, rtype: int, ttl: int, rdatas: Iterable[bytes], rclass: int = 1) -> None:
        """Add records; the owner's letter case is kept in answers, rdatas are as they shall be sent."""
        for rdata in rdatas:
            head = rtype.to_bytes(2, "big") + rclass.to_bytes(2, "big") + ttl.to_bytes(4, "big")
            self.add_record(owner, head + len(rdata).to_bytes(2, "big") + rdata)

    def add_record(self, owner: bytes, record: bytes) -> None:
        """Add one record: owner, and type, class, TTL, length and rdata in wire form."""
        name = owner.lower()
        rtype = (record[0] << 8) | record[1]
        if rtype in (SOA, NS, RRSIG) and self._belongs_to_apex(name, rtype, record):
            if rtype == SOA:
                self.soa = (owner, record)
            elif rtype == RRSIG and record[10:12] == b"\0\x06":
                self._soa_signatures.append((owner, record))
            else:
                self._apex.append((owner, record))
            return
        if rtype == NSEC3PARAM and name == self.origin:
            self.chains.append(record[10:])
        if owner != name:
            self._owners[self.count] = owner
        self.entries.append(self._key_of(name) + b"\0\0" + self.count.to_bytes(4, "big") + record)
        self.count += 1

    def _key_of(self, name: bytes) -> bytes:
        size = name[0] + 1
        if name[size:] == self.origin:  # Hot: one label below the apex, the usual case
            label = name[1:size]
            if 0 not in label and 1 not in label:
                return self._stem + label
        return key(name)

    def _belongs_to_apex(self, name: bytes, rtype: int, record: bytes) -> bool:
        if rtype == RRSIG:
            covered = record[10:12]
            return covered == b"\0\x06" or (covered == b"\0\x02" and name == self.origin)
        return rtype == SOA or name == self.origin

    def write(self, strict: bool = False) -> Slices:
        """Write what was added and publish it, yielding between slices so that a caller may do other things.

        `strict` raises `BrokenChain` where NSEC3 or NSEC3PARAM records do not make a complete chain; without it such a
        zone is served without proofs.
        """
        environment = self.staging.environment
        prefix = layout.node_prefix(self.number)
        hashed: Pairs = []
        pending = nodes_of(self.entries, prefix, self._owners, key(self.origin).count(b"\0"), hashed)
        self.entries = []
        flags = self.flags
        nodes = 0
        for slice_flags, pairs in pending:
            if pairs:
                with environment.begin(write=True) as txn:
                    _put_sorted(txn, prefix, pairs)
            flags |= slice_flags
            nodes += len(pairs)
            yield
        if hashed or self.chains:
            flags |= yield from self._write_hashed(hashed, strict)
        self._publish(flags, nodes)

    def _write_hashed(self, nodes: Pairs, strict: bool) -> Generator[None, None, int]:
        """Write the NSEC3 records: those of the zone's chain by hash, all others as names that nobody looks for."""
        chosen, others = chain_nodes(self.number, self.origin, self.chains, nodes)
        if strict and not chosen:
            raise BrokenChain(self.origin if self.chains else name_of(nodes[0][0][PREFIX_BYTES:]))
        for some in (others, chosen):
            for at in range(0, len(some), SLICE_NODES):
                with self.staging.environment.begin(write=True) as txn:
                    _put_sorted(txn, layout.node_prefix(self.number), some[at : at + SLICE_NODES])
                yield
        return layout.HASHED if chosen else 0

    def publish(self) -> None:
        """Write and publish without a pause."""
        for _ in self.write():
            pass

    def _publish(self, flags: int, nodes: int) -> None:
        staging = self.staging
        number = layout.id_value(self.number)
        apex = ([self.soa] if self.soa else []) + self._apex + self._soa_signatures
        meta = layout.Meta(flags, self.digest, nodes, pack(b"", apex) if apex else b"")
        with staging.environment.begin(write=True) as txn:
            txn.put(layout.META + number, meta.encode())
            if self.digest:
                txn.put(layout.DIGEST + self.digest, number)
            txn.delete(layout.STAGED + number)
            staging._point(txn, self.origin, self.owner, self.number, 0)
        staging.sequence.bump()

    def discard(self) -> None:
        """Give the zone up; what was written is swept later."""
        self.entries = []
        with self.staging.environment.begin(write=True) as txn:
            txn.delete(layout.staged_key(self.number))

    def __enter__(self) -> ZoneWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None:
            self.publish()
        else:
            self.discard()


def _put_sorted(txn: Any, prefix: bytes, pairs: list[tuple[bytes, bytes]]) -> None:
    """Write sorted nodes; in append mode, which fills pages whole, unless another load took a higher id meanwhile."""
    cursor = txn.cursor()
    appending = not cursor.last() or cursor.key() < pairs[0][0]
    cursor.putmulti(pairs, append=appending)
    cursor.close()
