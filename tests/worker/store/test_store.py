"""The store: publishing, reading, generations, digests, sweeping, walking."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from shardns.worker.store.nodes import Node, name_of, pack
from shardns.worker.store.publish import Staging
from shardns.worker.store.purge import purge
from shardns.worker.store.reader import Store
from shardns.worker.store.walk import apex_of, walk
from shardns.worker.wire.codes import MX, NS, SOA, SRV, TXT, A
from shardns.worker.wire.names import from_text, key, to_text
from shardns.worker.wire.packed import unpack

from .serving import Stores

ORIGIN = from_text("example.org.")
SOA_RDATA = from_text("ns.example.org.") * 2 + bytes(19) + b"\1"


def add(staging: Staging, *records: tuple[str, int, bytes], digest: bytes = b"", owner: str = "file/0") -> int:
    """Publish a zone of these records, below a SOA; returns its id."""
    with staging.zone(ORIGIN, owner, digest) as zone:
        zone.add(ORIGIN, SOA, 60, [SOA_RDATA])
        for name, rtype, rdata in records:
            zone.add(from_text(name, ORIGIN), rtype, 60, [rdata])
    return zone.number


def sweep(stores: Stores, *live: int) -> None:
    """Delete what these generations do not need."""
    for _ in purge(stores.environment, live):
        pass


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Stores]:
    made = Stores(tmp_path)
    yield made
    made.close()


def rdatas(store: Store, name: str, rtype: int = A, owner: str = "file/0") -> list[bytes] | None:
    """Return what a worker reads; None where there is no such zone."""
    store.begin()
    try:
        zone = store.zones(owner).get(ORIGIN)
        if zone is None:
            return None
        node = zone.node(from_text(name, ORIGIN))
        return [] if node is None else [r for rrset in node.get(rtype) for r in rrset.rdatas]
    finally:
        store.end()


def test_records_of_a_name_keep_the_order_of_the_file_whatever_order_they_came_in(stores: Stores) -> None:
    add(stores.staging, ("b", A, b"2222"), ("a", A, b"1111"), ("b", TXT, b"\1x"), ("b", A, b"0000"))
    assert rdatas(stores.store, "b") == [b"2222", b"0000"]
    assert rdatas(stores.store, "b", TXT) == [b"\1x"]


def test_a_new_zone_appears_at_the_next_burst_and_the_old_handle_is_stale(stores: Stores) -> None:
    add(stores.staging, ("a", A, b"1111"))
    stores.store.begin()
    before = stores.store.zones("file/0")[ORIGIN]
    add(stores.staging, ("a", A, b"2222"))
    node = before.node(from_text("a", ORIGIN))
    assert node is not None and node.get(A)[0].rdatas == (b"1111",)
    assert not before.stale
    stores.store.end()
    assert rdatas(stores.store, "a") == [b"2222"]
    assert before.stale


def test_generations_and_publishers_do_not_see_each_other(stores: Stores) -> None:
    add(stores.staging, ("a", A, b"1111"))
    other = Staging(stores.environment, stores.sequence, 2)
    add(other, ("a", A, b"2222"))
    add(stores.staging, ("a", A, b"3333"), owner="hosts/0")
    assert rdatas(stores.store, "a") == [b"1111"]
    assert rdatas(Store(stores.environment, stores.sequence, 2), "a") == [b"2222"]
    assert rdatas(stores.store, "a", owner="hosts/0") == [b"3333"]


def test_a_known_digest_is_published_without_writing_also_by_another_process(stores: Stores) -> None:
    number = add(stores.staging, ("a", A, b"1111"), digest=b"d" * 32)
    fresh = Staging(stores.environment, stores.sequence, 5)
    assert fresh.reuse(ORIGIN, "file/0", b"e" * 32) is None
    assert fresh.reuse(ORIGIN, "file/0", b"d" * 32) is not None
    reader = Store(stores.environment, stores.sequence, 5)
    assert rdatas(reader, "a") == [b"1111"]
    reader.begin()
    assert reader.zones("file/0")[ORIGIN].number == number
    reader.end()


def test_a_load_that_fails_publishes_nothing(stores: Stores) -> None:
    with pytest.raises(RuntimeError), stores.staging.zone(ORIGIN, "file/0") as zone:
        zone.add(ORIGIN, SOA, 60, [SOA_RDATA])
        raise RuntimeError
    assert rdatas(stores.store, "a") is None


def test_a_withdrawn_zone_is_gone(stores: Stores) -> None:
    add(stores.staging, ("a", A, b"1111"))
    assert rdatas(stores.store, "a") == [b"1111"]
    stores.staging.withdraw(ORIGIN, "file/0")
    assert rdatas(stores.store, "a") is None


def test_a_sweep_keeps_what_live_generations_point_to_and_what_they_write(stores: Stores) -> None:
    add(stores.staging, ("a", A, b"1111"), digest=b"1" * 32)
    add(stores.staging, ("a", A, b"2222"), digest=b"2" * 32)
    add(Staging(stores.environment, stores.sequence, 9), ("a", A, b"3333"), digest=b"3" * 32)
    writing = stores.staging.zone(from_text("other."), "file/0")
    writing.add(from_text("other."), SOA, 60, [SOA_RDATA])
    writing.add(from_text("a.other."), A, 60, [b"4444"])
    slices = writing.write()
    next(slices)
    sweep(stores, 1)
    for _ in slices:
        pass
    assert rdatas(stores.store, "a") == [b"2222"]
    assert [stores.staging.reuse(ORIGIN, "x", d * 32) is not None for d in (b"1", b"2", b"3")] == [False, True, False]
    stores.store.begin()
    assert stores.store.zones("file/0")[from_text("other.")].node(from_text("a.other.")) is not None
    stores.store.end()
    entries = stores.environment.stat()["entries"]
    sweep(stores)
    assert stores.environment.stat()["entries"] < entries


def test_a_snapshot_outlives_a_sweep(stores: Stores) -> None:
    add(stores.staging, ("a", A, b"1111"))
    stores.store.begin()
    zone = stores.store.zones("file/0")[ORIGIN]
    sweep(stores)
    assert zone.node(from_text("a", ORIGIN)) is not None
    stores.store.end()


def test_a_walk_visits_every_record_in_canonical_order(stores: Stores) -> None:
    names = [f"n{i}" for i in range(450)] + ["b.a", "a", "*.a", "Z.a", r"\001.a", r"\000.a"]
    add(stores.staging, *[(name, A, b"1111") for name in names], ("@", NS, b"\0"))
    stores.store.begin()
    zone = stores.store.zones("file/0")[ORIGIN]
    stores.store.end()
    slices = list(walk(zone))
    stores.store.end()
    owners = [rrset.owner for part in slices for wire, _ in part for rrset in unpack(wire)]
    assert len(slices) > 1
    assert owners == sorted(owners, key=lambda owner: [label.lower() for label in reversed(_labels(owner))])
    assert len(owners) == len(names)
    assert [rrset.rtype for rrset in apex_of(zone)] == [SOA, NS]


def _labels(name: bytes) -> list[bytes]:
    found = []
    while name[0]:
        found.append(name[1 : 1 + name[0]])
        name = name[1 + name[0] :]
    return found


@pytest.mark.parametrize("name", ["a.", ".", r"\000.b.", r"\000\001\002.\001\000.", r"\001\001\000\000.a.", "*.x."])
def test_a_key_gives_its_name_back(name: str) -> None:
    assert to_text(name_of(key(from_text(name)))) == to_text(from_text(name))


def test_a_node_keeps_ttls_classes_and_the_spelling_of_owners() -> None:
    def record(rtype: int, ttl: int, rdata: bytes, rclass: int = 1) -> bytes:
        head = rtype.to_bytes(2, "big") + rclass.to_bytes(2, "big") + ttl.to_bytes(4, "big")
        return head + len(rdata).to_bytes(2, "big") + rdata

    name, upper = from_text("a.b."), from_text("A.b.")
    records = [(name, record(A, 1, b"1111")), (upper, record(SRV, 2, b"x")), (name, record(A, 1, b"2222")),
               (name, record(A, 3, b"3333")), (name, record(MX, 4, b"m", 3))]  # fmt: skip
    node = Node(name, pack(name, records))
    assert [(r.owner, r.ttl, r.rdatas) for r in node.get(A)] == [(name, 1, (b"1111", b"2222")), (name, 3, (b"3333",))]
    assert node.get(A).wire == b"".join(name + record for owner, record in records if record[1] == A)
    assert (node.get(A).count, node.get(SRV)[0].owner, node.get(MX)[0].rclass) == (3, upper, 3)
    assert Node(name, pack(name, records[:1])).get(A).wire == name + records[0][1]


def test_a_generation_inherits_a_zone_that_it_cannot_load(tmp_path: Path) -> None:
    stores = Stores(tmp_path)
    add(stores.staging, ("a", A, b"1111"), owner="file/0")
    stores.close()
    later = Stores(tmp_path, generation=3)
    assert not later.staging.inherit(ORIGIN, "secondary/0") and not later.staging.inherit(from_text("org."), "file/0")
    assert later.staging.inherit(ORIGIN, "file/2")  # the block has moved
    assert rdatas(later.store, "a", owner="file/2") == [b"1111"]
    later.close()


def test_a_zone_that_two_blocks_have_is_inherited_by_the_same_block_only(tmp_path: Path) -> None:
    stores = Stores(tmp_path)
    add(stores.staging, ("a", A, b"1111"), owner="file/0")
    add(stores.staging, ("a", A, b"2222"), owner="file/1")
    stores.close()
    later = Stores(tmp_path, generation=2)
    assert not later.staging.inherit(ORIGIN, "file/2")
    assert later.staging.inherit(ORIGIN, "file/1")
    assert rdatas(later.store, "a", owner="file/1") == [b"2222"]
    later.close()
