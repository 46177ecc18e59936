"""header: flags of queries and replies."""

from __future__ import annotations

import pytest

from shardns.plugins.header.header import Options
from shardns.worker.reply import Reply
from shardns.worker.stream import Stream
from tests.plugins.small import built, options, refusal
from tests.plugins.whole import Whole
from tests.worker.fakes import query

AA, RD, RA = 0x0400, 0x0100, 0x0080
PARSE = "plugin/header: Corefile:{} - Error during parsing: Wrong argument count or unexpected line ending after '{}'"


def flags(rules: str, *, rd: bool = True, backend: str = "whoami") -> int:
    return Whole(f". {{\n header {{\n{rules}\n}}\n {backend}\n}}").answered("a.test.", rd=rd).flags & (AA | RD | RA)


@pytest.mark.parametrize(
    ("rules", "rd", "expected"),
    [
        ("response set ra", True, AA | RD | RA),
        ("response clear aa rd", True, 0),
        ("response set rd", False, AA | RD),
        ("response set ra\nresponse clear ra", True, AA | RD),
        ("response clear ra\nRESPONSE Set RA aa", True, AA | RD | RA),
        ("query clear rd", True, AA),
        ("query set rd", False, AA | RD),
        ("query set aa ra", True, AA | RD),
        ("query set rd\nresponse clear rd", False, AA),
    ],
)
def test_flags(rules: str, rd: bool, expected: int) -> None:
    assert flags(rules, rd=rd) == expected


def test_every_message_of_a_zone_transfer_is_changed() -> None:
    layer = built(Options, "header {\n response set ra\n response clear aa\n}")
    steps = layer.around(query("a.test."))
    next(steps)
    found = steps.send(Stream(Reply(flags=AA), iter((None, Reply(flags=AA), Reply(flags=RA)))))
    assert isinstance(found, Stream)
    assert [found.flags, *(part and part.flags for part in found.parts)] == [RA, None, RA, RA]


def test_a_failure_shows_the_changed_rd_alone() -> None:
    assert flags("query clear rd\nresponse set aa ra", backend="") == 0
    assert flags("query set rd", rd=False, backend="") == RD


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("header", PARSE.format(1, "header")),
        ("header {\n}", PARSE.format(2, "}")),
        ("header {\n foo\n}", "plugin/header: setting up rule: invalid selector=foo should be query or response"),
        ("header {\n query\n}", "plugin/header: setting up rule: no flag action provided"),
        (
            "header {\n query foo\n}",
            "plugin/header: setting up rule: invalid length for flags, at least one should be provided",
        ),
        (
            "header {\n query foo rd\n}",
            "plugin/header: setting up rule: unknown flag action=foo, should be set or clear",
        ),
        ("header {\n query set tc\n}", "plugin/header: setting up rule: unknown/unsupported flag=tc"),
    ],
)
def test_bad_input(text: str, complaint: str) -> None:
    assert refusal(Options, text) == complaint


def test_the_first_line_with_rules_counts_and_later_ones_are_not_judged() -> None:
    found = options(Options, "header\nheader {\n query set rd\n query clear aa\n}\nheader {\n what ever\n}")
    assert [len(line.flags) for line in found] == [0, 2, 1]
    assert options(Options, "header {\n response set ra aa\n query clear rd\n}")
