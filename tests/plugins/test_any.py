"""any: RFC 8482."""

from __future__ import annotations

import pytest

from shardns.plugins.any.any import Options
from shardns.worker.reply import Reply
from tests.plugins.small import built, lines, message, refusal
from tests.worker.fakes import query

ANY = 255


def test_any_gets_one_hinfo_with_the_owner_as_asked() -> None:
    asked = query("ExAmPlE.org.", ANY)
    reply = message(asked, built(Options, "any").answer(asked))
    assert lines(reply.answer) == ['ExAmPlE.org. 8482 IN HINFO "ANY obsoleted" "See RFC 8482"']
    assert (reply.authority, reply.additional) == ([], [])


def test_the_header_has_neither_aa_nor_ra() -> None:
    reply = built(Options, "any").answer(query("nothere.example.org.", ANY))
    assert isinstance(reply, Reply)
    assert (reply.rcode, reply.aa, reply.ra) == (0, False, False)


@pytest.mark.parametrize("qtype", [1, 28, 15, 16, 5, 13])
def test_other_types_go_on(qtype: int) -> None:
    assert built(Options, "any").answer(query("example.org.", qtype)) is None


def test_the_class_of_the_record_is_always_in() -> None:
    asked = query("example.org.", ANY).ask(qclass=3)
    assert built(Options, "any").answer(asked).answer[0].rclass == 1


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("any example.org", "Wrong argument count or unexpected line ending after 'example.org'"),
        ("any {\n foo\n}", "Unexpected token '{', expecting argument"),
    ],
)
def test_arguments_and_blocks_are_refused(text: str, complaint: str) -> None:
    assert refusal(Options, text) == f"plugin/any: Corefile:1 - Error during parsing: {complaint}"


def test_a_second_line_is_ignored() -> None:
    assert Options.read("any\nany x") == Options()
