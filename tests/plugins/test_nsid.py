"""nsid: RFC 5001."""

from __future__ import annotations

import socket

import pytest

from shardns.plugins.nsid.nsid import Options
from shardns.worker.reply import Reply
from shardns.worker.stream import Stream
from shardns.worker.wire.edns import Edns
from tests.plugins.small import built, refusal
from tests.plugins.whole import Whole, options_of
from tests.worker.fakes import query

ASKED = ((3, b""),)


@pytest.mark.parametrize(
    ("line", "identifier"),
    [("nsid NSID", b"NSID"), ('nsid "tf 2"', b"tf 2"), ("nsid Use   The Force", b"Use The Force")],
)
def test_the_identifier_is_what_the_line_says(line: str, identifier: bytes) -> None:
    whole = Whole(f". {{\n {line}\n whoami\n}}")
    answer = whole.answered("a.test.", size=4096, options=ASKED)
    assert options_of(answer) == [(3, identifier)]
    assert answer.rcode() == 0


def test_without_words_it_is_the_name_of_the_host() -> None:
    assert built(Options, "nsid").identifier == socket.gethostname().encode()


def test_an_empty_word_is_an_empty_identifier() -> None:
    assert built(Options, 'nsid ""').identifier == b""


def test_an_opt_record_that_is_added_has_do_set() -> None:
    answer = Whole(". {\n nsid x\n whoami\n}").answered("a.test.", size=4096, options=ASKED)
    assert (answer.payload, answer.ednsflags & 0x8000) == (4096, 0x8000)


def test_every_message_of_a_zone_transfer_has_it() -> None:
    asked = query("a.test.")
    asked.edns = Edns(4096, options=ASKED)
    steps = built(Options, "nsid x").around(asked)
    next(steps)
    found = steps.send(Stream(Reply(), iter((None, Reply(), Reply(edns=Edns(512))))))
    assert isinstance(found, Stream)
    sent = [found, *(part for part in found.parts if part)]
    assert [one.edns and one.edns.options for one in sent] == [((3, b"x"),)] * 3


def test_what_the_option_holds_does_not_matter() -> None:
    answer = Whole(". {\n nsid x\n whoami\n}").answered("a.test.", options=((3, b"abc"),))
    assert options_of(answer) == [(3, b"x")]


def test_who_does_not_ask_gets_none() -> None:
    whole = Whole(". {\n nsid x\n whoami\n}")
    assert whole.answered("a.test.").edns == -1
    assert options_of(whole.answered("a.test.", size=1400)) == []


def test_an_option_of_a_plugin_below_is_replaced() -> None:
    whole = Whole(". {\n nsid x\n acl {\n block\n }\n whoami\n}")
    assert options_of(whole.answered("a.test.", options=ASKED)) == [(15, b"\0\x0f"), (3, b"x")]


def test_a_failure_echoes_the_clients_own_option() -> None:
    answer = Whole(". {\n nsid x\n}").answered("a.test.", options=ASKED)
    assert (answer.rcode(), options_of(answer)) == (2, [(3, b"")])


@pytest.mark.parametrize("text", ["nsid a\nnsid b", "nsid a {\n}"])
def test_it_is_used_once(text: str) -> None:
    assert refusal(Options, text) == "plugin/nsid: this plugin can only be used once per Server Block"
