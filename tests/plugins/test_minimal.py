"""minimal: positive answers without the rest."""

from __future__ import annotations

import pytest

from shardns.plugins.minimal.minimal import Options
from shardns.worker.reply import DROP, Drop, Failure, Refused, Reply, ServFail
from shardns.worker.wire.codes import NS, SOA, A
from shardns.worker.wire.edns import Edns
from shardns.worker.wire.names import from_text
from shardns.worker.wire.records import RRset, Section
from tests.plugins.small import built, options, refusal
from tests.worker.fakes import query

OWNER = from_text("example.org.")
ANSWER = Section([RRset(OWNER, A, 60, (b"\1\2\3\4",))])
GLUE = Section([RRset(OWNER, A, 60, (bytes((i, 0, 0, 1)),)) for i in range(8)])
DELEGATION = Section([RRset(OWNER, NS, 60, (OWNER,))])
DENIAL = Section([RRset(OWNER, SOA, 60, (OWNER + OWNER + bytes(20),))])


def after(below: Reply | Drop | Failure) -> object:
    steps = built(Options, "minimal").around(query("example.org."))
    next(steps)
    return steps.throw(below) if isinstance(below, Failure) else steps.send(below)


def test_a_positive_answer_keeps_its_answer_section_alone() -> None:
    reply = after(Reply(0, 0x8580, ANSWER, DELEGATION, GLUE, Edns()))
    assert isinstance(reply, Reply)
    assert (reply.answer, reply.authority, reply.additional, reply.edns) == (ANSWER, (), (), None)
    assert reply.flags == 0x8580


def test_an_answer_with_nothing_in_it_is_positive() -> None:
    reply = after(Reply(0, 0x8000, Section(), Section(), GLUE))
    assert isinstance(reply, Reply)
    assert not reply.additional


@pytest.mark.parametrize(
    "reply",
    [
        Reply(0, 0x8000, Section(), DELEGATION, GLUE),
        Reply(0, 0x8000, Section(), DENIAL, GLUE),
        Reply(3, 0x8000, Section(), DENIAL, GLUE),
        Reply(2, 0x8000, ANSWER, DENIAL, GLUE),
        Reply(5, 0x8000, Section(), Section(), GLUE),
    ],
    ids=["delegation", "nodata", "nxdomain", "servfail", "refused"],
)
def test_denials_delegations_and_errors_stay_as_they_are(reply: Reply) -> None:
    assert after(reply) is reply


def test_a_failure_with_a_text_passes() -> None:
    with pytest.raises(Refused):
        after(Refused("why"))


@pytest.mark.parametrize("below", [Refused(), ServFail(), DROP])
def test_where_nothing_was_answered_the_client_gets_servfail(below: Drop | Failure) -> None:
    with pytest.raises(ServFail) as caught:
        after(below)
    assert caught.value.text == ""


def test_there_are_no_arguments_and_the_first_line_counts() -> None:
    complaint = "Wrong argument count or unexpected line ending after 'example.org'"
    assert refusal(Options, "minimal example.org") == f"plugin/minimal: Corefile:1 - Error during parsing: {complaint}"
    assert options(Options, "minimal\nminimal x") == Options()
