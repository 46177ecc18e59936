"""The whole Ferret set, text to answer, in this process: what BIND, NSD, Knot and PowerDNS all say of a small zone."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dns.rdata
import dns.rdataclass
import pytest
from dns.rdatatype import RdataType

from shardns.worker.reply import Reply
from shardns.worker.store.alias import resolve
from shardns.worker.store.found import Found
from shardns.worker.store.lookup import find
from shardns.worker.store.reader import Zone
from shardns.worker.wire.codes import TYPE_CODE, Rcode, type_text
from shardns.worker.wire.names import from_text, to_text, within
from shardns.worker.wire.records import Section
from shardns.worker.zone.load import load
from shardns.worker.zone.sources import Sources

from .serving import Stores

CASES = Path(__file__).parents[2] / "ferret" / "cases.jsonl.gz"


class Text(Sources):
    """A zone file that is only a string."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._files["zone"] = text.encode() + b"\n"


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Stores]:
    made = Stores(tmp_path)
    yield made
    made.close()


def answer(zone: Zone, name: bytes, qtype: int, hops: int = 0) -> Found:
    """Answer from a server that has this zone alone."""
    found = find(zone, name, qtype, False, hops)
    chase = found.chase
    if chase is None:
        return found
    if not within(chase.target, zone.origin):
        return resolve(chase, Reply(Rcode.REFUSED))
    inner = answer(zone, chase.target, chase.qtype, hops + 1)
    return resolve(chase, Reply(inner.rcode, 0, inner.answer))


def rows(section: Section) -> list[str]:
    """Return the records as the cases write them."""
    found = []
    for rrset in section:
        for rdata in rrset.rdatas:
            text = dns.rdata.from_wire(dns.rdataclass.IN, RdataType.make(rrset.rtype), rdata, 0, len(rdata)).to_text()
            found.append(f"{to_text(rrset.owner)} {rrset.ttl} IN {type_text(rrset.rtype)} {text}".lower())
    return sorted(found)


def wrong(case: dict[str, Any], found: Found) -> list[str]:
    """Return the parts in which an answer differs."""
    problems = [] if Rcode(found.rcode).name == case["rcode"] else ["rcode"]
    if found.aa != ("AA" in case["flags"]):
        problems.append("aa")
    for part in ("answer", "authority", "additional"):
        if rows(getattr(found, part)) != sorted(" ".join(line.split()).lower() for line in case[part]):
            problems.append(part)
    return problems


def test_every_case_is_answered_as_four_servers_agree(stores: Stores) -> None:
    with gzip.open(CASES, "rt") as stream:
        cases = [json.loads(line) for line in stream]
    table = stores.store.zones("ferret")
    failed = []
    for case in cases:
        origin = from_text(next(line.split()[0] for line in case["zone"].splitlines() if " SOA " in line)).lower()
        for _ in load(stores.staging, Text(case["zone"]), "zone", origin, "ferret"):
            pass
        stores.store.begin()
        problems = wrong(case, answer(table[origin], from_text(case["name"]).lower(), TYPE_CODE[case["type"]]))
        stores.store.end()
        if problems:
            failed.append((case["id"], case["name"], case["type"], problems))
    assert len(cases) == 5010
    assert failed == []
