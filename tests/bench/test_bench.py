"""The bench's own parts: the same questions in every run, and figures read from the right place."""

from __future__ import annotations

import itertools
import os
import time
from pathlib import Path

import pytest

from tests.bench import data, process, rows, servers
from tests.bench.__main__ import ratio
from tests.bench.run import Sample, question
from tests.certify import example


def test_names_and_questions_are_the_same_in_every_run() -> None:
    assert data.names() == data.names()
    assert len(set(data.names())) == data.NAMES
    assert list(data.mixed(50, 1)) == list(data.mixed(50, 1)) != list(data.mixed(50, 2))


def test_questions_that_must_not_repeat_do_not() -> None:
    for make in (data.absent, data.fresh, data.one_zone, data.all_zones):
        both = [*make(1000, 1), *make(1000, 2)]
        assert len(set(both)) == 2000


def test_mixed_case_asks_for_names_of_the_zone() -> None:
    known = {f"{name}.{data.ORIGIN}" for name in data.names()}
    asked = [line.split()[0] for line in data.mixed(200, 3)]
    assert all(name.lower() in known for name in asked)
    assert len(set(asked)) == 200


def test_the_big_zone_has_as_many_records_as_asked_for(tmp_path: Path) -> None:
    data.write_big_zone(tmp_path / "db", 60_001)
    records = [line for line in (tmp_path / "db").read_text().splitlines() if line.startswith("host")]
    assert len(records) == 60_001
    assert records[-1] == f"host0060000 IN A {data.address(60_000)}"


def test_cpu_time_of_the_own_tree_grows() -> None:
    before = process.cpu_s(os.getpid())
    until = time.process_time() + 0.05
    while time.process_time() < until:
        pass
    assert process.cpu_s(os.getpid()) > before


def test_memory_of_the_own_tree_is_plausible() -> None:
    assert process.memory_mib(os.getpid()) > 1
    assert process.memory_mib(2**22) == 0


@pytest.mark.parametrize("name", servers.PEERS)
def test_peers_are_configured_for_one_core(name: str, tmp_path: Path) -> None:
    command = servers.PEERS[name](servers.Setup(tmp_path, 5301, tmp_path / "db"))
    text = Path(command.words[-1]).read_text()
    assert "5301" in text and str(tmp_path / "db") in text


def test_every_row_has_a_corefile_with_its_placeholders_filled(tmp_path: Path) -> None:
    for row, upstream in itertools.product(rows.ROWS.values(), (5399,)):
        setup = servers.Setup(tmp_path, 5301, tmp_path / "db", upstream=upstream, encrypted=5302, pair=example())
        command = servers.shardns(setup, row.corefile)
        assert command.words[-1] == "1"
        assert "@" not in (tmp_path / "Corefile").read_text()


def test_ratios_are_taken_round_by_round() -> None:
    def samples(*costs: float) -> list[Sample]:
        return [Sample(1, cost, 0, 0) for cost in costs]

    assert ratio(samples(10, 20, 90), samples(5, 10, 30)) == 2.0


def test_the_probe_is_a_plain_question() -> None:
    assert (
        question("ns1.example.org").hex()
        == "42420100000100000000000003" + "6e7331" + "07" + b"example".hex() + "036f7267" + "0000010001"
    )
