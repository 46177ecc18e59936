"""erratic: the schedule, the answers, and one counter for all workers."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import pytest

from shardns.plugins.erratic.erratic import Erratic
from shardns.plugins.erratic.options import Options, Schedule
from shardns.worker.reply import DROP, Reply, ServFail
from shardns.worker.shared import Cells
from tests.plugins.small import built, lines, message, options, refusal, site
from tests.worker.fakes import query

A, AAAA, MX, AXFR, HINFO = 1, 28, 15, 252, 13


def outcomes(text: str, *qtypes: int) -> list[str]:
    """Name what happens to a row of queries."""
    plugin = built(Options, text)
    return [outcome(plugin, qtype) for qtype in qtypes]


def outcome(plugin: Any, qtype: int) -> str:
    try:
        result = plugin.answer(query("example.org.", qtype))
    except ServFail:
        return "servfail"
    if inspect.iscoroutine(result):
        result.close()
        return "late"
    if result is DROP:
        return "drop"
    assert isinstance(result, Reply)
    return "tc" if result.tc else "ok"


def test_every_second_query_is_dropped_by_default_and_other_types_fail() -> None:
    assert outcomes("erratic", A, A, AAAA, HINFO) == ["drop", "ok", "drop", "servfail"]


def test_truncation_looks_at_bits_not_at_remainders() -> None:
    assert outcomes("erratic {\n truncate 2\n}", *[A] * 8) == ["tc", "tc", "ok", "ok"] * 2
    five = outcomes("erratic {\n truncate 5\n}", *[A] * 12)
    assert [n for n, found in enumerate(five) if found == "tc"] == [0, 2, 8, 10]


def test_a_dropped_query_is_not_delayed() -> None:
    assert outcomes("erratic {\n drop 2\n delay 1\n}", A, A, A) == ["drop", "late", "drop"]


def test_a_delayed_answer_comes() -> None:
    plugin = built(Options, "erratic {\n delay 1 1ms\n}")
    reply = asyncio.run(plugin.answer(query("example.org.", AAAA)))
    assert reply.answer[0].rdatas == (bytes.fromhex("20010db8000000000000000000000053"),)


def test_a_delayed_query_of_another_type_fails_late() -> None:
    plugin = built(Options, "erratic {\n delay 1 1ms\n}")
    with pytest.raises(ServFail):
        asyncio.run(plugin.answer(query("example.org.", MX)))


def test_answers_are_fixed_and_keep_the_case_of_the_question() -> None:
    asked = query("Some.Name.test.", A)
    reply = message(asked, built(Options, "erratic {\n drop 0\n}").answer(asked))
    assert lines(reply.answer) == ["Some.Name.test. 0 IN A 192.0.2.53"]
    assert reply.flags & 0x0400


def test_large_answers_fit_a_plain_datagram() -> None:
    asked = query("example.org.", A)
    reply = built(Options, "erratic {\n drop 0\n large\n}").answer(asked)
    assert len(message(asked, reply).answer) == 30
    from shardns.worker.wire.write import write

    wire = write(asked, reply)
    assert wire is not None and len(wire) + 2 < 512
    assert wire.count(b"\xc0\x0c\x00\x01") == 30


def test_the_transfer_is_small_and_ends_unless_truncated() -> None:
    asked = query("example.org.", AXFR)
    whole = lines(message(asked, built(Options, "erratic {\n drop 0\n truncate 0\n}").answer(asked)).answer)
    assert whole[0] == ("example.org. 0 IN SOA sns.dns.icann.org. noc.dns.icann.org. 2018050825 7200 3600 1209600 3600")
    assert whole[1:5] == [
        "example.org. 0 IN NS b.example.org.",
        "example.org. 0 IN NS a.example.org.",
        "a.example.org. 0 IN AAAA 2001:bd8::53",
        "b.example.org. 0 IN AAAA 2001:500::54",
    ]
    assert whole[5] == whole[0]
    cut = built(Options, "erratic {\n truncate 1\n}").answer(asked)
    assert len(cut.answer) == 4 and not cut.tc


def test_all_workers_count_on_one_counter() -> None:
    memory = bytearray(4096)
    workers = [built(Options, "erratic", site(Cells(memory, 2, slot))) for slot in range(2)]
    assert [outcome(workers[n % 2], A) for n in range(4)] == ["drop", "ok", "drop", "ok"]


def test_it_is_ready_after_three_or_four_queries_only() -> None:
    memory = bytearray(4096)
    worker: Erratic = built(Options, "erratic", site(Cells(memory, 1, 0)))
    keeper: Erratic = built(Options, "erratic", site(Cells(memory, 1, -1)))
    found = []
    for _ in range(6):
        found.append(keeper.is_ready())
        outcome(worker, A)
    assert found == [False, False, False, True, True, False]


@pytest.mark.parametrize(
    ("block", "schedule"),
    [
        ("", Schedule(2, 0, 0, 0.1, False)),
        ("drop", Schedule(2, 0, 0, 0.1, False)),
        ("drop 2\ndelay 3 1ms", Schedule(2, 0, 3, 0.001, False)),
        ("truncate 2\ndelay 3 1ms", Schedule(0, 2, 3, 0.001, False)),
        ("drop 3\ndelay", Schedule(3, 0, 2, 0.1, False)),
        ("drop 3\ntruncate", Schedule(3, 2, 0, 0.1, False)),
        ("drop\ndelay", Schedule(0, 0, 2, 0.1, False)),
        ("drop 4\ndrop", Schedule(4, 0, 0, 0.1, False)),
        ("drop 0\ndelay 0\nlarge", Schedule(0, 0, 0, 0.1, True)),
        ("delay 1\ndelay 5 2s", Schedule(0, 0, 5, 2.0, False)),
    ],
)
def test_a_block_gives_a_schedule(block: str, schedule: Schedule) -> None:
    text = "erratic {\n" + block + "\n}" if block else "erratic"
    assert options(Options, text).schedule == schedule


def test_arguments_of_the_directive_are_ignored() -> None:
    assert options(Options, "erratic . {\n drop 3\n}").schedule.drop == 3


@pytest.mark.parametrize(
    ("block", "complaint"),
    [
        ("drop -1", 'illegal amount value given "-1"'),
        ("delay -1", 'illegal amount value given "-1"'),
        ("delay 15.a", 'strconv.ParseInt: parsing "15.a": invalid syntax'),
        ("truncate 15.a", 'strconv.ParseInt: parsing "15.a": invalid syntax'),
        ("delay 3 bla", 'time: invalid duration "bla"'),
        ("delay 1 2s 4", "Wrong argument count or unexpected line ending after '4'"),
        ("drop 1 2", "Wrong argument count or unexpected line ending after '2'"),
        ("something-else", "unknown property 'something-else'"),
        ("large more", "unknown property 'more'"),
    ],
)
def test_a_wrong_block_is_refused(block: str, complaint: str) -> None:
    assert refusal(Options, "erratic {\n" + block + "\n}").endswith(complaint)
