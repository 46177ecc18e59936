"""The Ferret cases (tests/ferret) with zones that were transferred: answers must not differ from those of a file."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import dns.exception
import dns.message
import dns.query
import dns.rcode
import pytest

from tests.ferret import ferret

from .conftest import Make
from .harness import Server, until

CASES = Path(ferret.__file__).with_name("cases.jsonl.gz")
BATCH = 250  # server blocks at a time, each on an address of its own
PATIENCE_S = 90.0
LIMIT_S = 1800

PRIMARY = "{origin}:{port} {{\n    bind {address}\n    file {zone}\n    transfer {{\n        to *\n    }}\n}}\n"
SECONDARY = (
    "{origin}:{port} {{\n    bind {address}\n    secondary {{\n        transfer from {address}:{other}\n    }}\n}}\n"
)

pytestmark = [pytest.mark.system, pytest.mark.timeout(LIMIT_S)]
Case = dict[str, Any]


def read_cases() -> list[Case]:
    """Return all cases."""
    with gzip.open(CASES, "rt") as stream:
        return [json.loads(line) for line in stream]


def failures(make: Make, cases: list[Case]) -> list[str]:
    """Serve the zones from one server, transfer them to another, and ask that one; returns what is wrong."""
    first, second = make(workers=1), make(workers=1)
    blocks: dict[Server, list[str]] = {first: [], second: []}
    for number, case in enumerate(cases):
        zone = first.folder / f"{number}.zone"
        zone.write_text(case["zone"] + "\n")
        case["address"] = address = f"127.1.{number // 250}.{number % 250 + 1}"
        more = {"origin": ferret.origin(case["zone"]), "address": address, "zone": zone}
        blocks[first].append(PRIMARY.format(port=first.port, **more))
        blocks[second].append(SECONDARY.format(port=second.port, other=first.port, **more))
    for server, lines in blocks.items():
        server.configure("".join(lines))
        server.start(patience_s=PATIENCE_S)
    try:
        waiting = list(cases)
        until(lambda: not waiting or _drop_served(waiting, second.port), PATIENCE_S, "zones were not transferred")
        return [text for case in cases if (text := _wrong(case, second.port))]
    finally:
        first.close()
        second.close()


def _drop_served(waiting: list[Case], port: int) -> bool:
    """Take the zones that are served off the end of a list; returns whether it is empty."""
    while waiting:
        query = dns.message.make_query(ferret.origin(waiting[-1]["zone"]), "SOA")
        try:
            if dns.query.udp(query, waiting[-1]["address"], 2.0, port).rcode() != dns.rcode.NOERROR:
                return False
        except dns.exception.Timeout:
            return False
        waiting.pop()
    return True


def _wrong(case: Case, port: int) -> str:
    query = dns.message.make_query(case["name"], case["type"], use_edns=False)
    query.flags = 0
    problems = ferret.compare(case, dns.query.udp(query, case["address"], 5.0, port))
    return f"{case['id']} {case['name']} {case['type']}: {problems}" if problems else ""


def test_the_first_cases_pass_through_a_transfer(make: Make) -> None:
    assert failures(make, read_cases()[:300]) == []


@pytest.mark.long
def test_every_case_passes_through_a_transfer(make: Make) -> None:
    cases = read_cases()
    wrong = [text for start in range(0, len(cases), BATCH) for text in failures(make, cases[start : start + BATCH])]
    assert len(cases) == 5010
    assert wrong == []
