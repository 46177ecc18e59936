"""local: localhost and reverse zones."""

from __future__ import annotations

import pytest

from shardns.plugins.local.local import Options
from shardns.worker import log
from tests.plugins.small import options, refusal
from tests.plugins.whole import Message, Whole, counted, texts

SOA = "604800 IN SOA localhost. root.localhost. 1 0 0 0 604800"
NOTHING: list[str] = []


@pytest.fixture(scope="module")
def whole() -> Whole:
    return Whole(". {\n local\n whoami\n}")


def shown(answer: Message) -> tuple[int, list[str], list[str]]:
    return answer.rcode(), texts(answer.answer), texts(answer.authority)


@pytest.mark.parametrize(
    ("name", "qtype", "answer"),
    [
        ("localhost.", "A", "localhost. 604800 IN A 127.0.0.1"),
        ("localHOst.", "A", "localHOst. 604800 IN A 127.0.0.1"),
        ("localhost.", "AAAA", "localhost. 604800 IN AAAA ::1"),
        ("localhost.", "NS", "localhost. 604800 IN NS localhost."),
        ("localhost.", "SOA", f"localhost. {SOA}"),
        ("127.in-addr.arpa.", "NS", "127.in-addr.arpa. 604800 IN NS localhost."),
        ("255.IN-ADDR.arpa.", "SOA", f"255.IN-ADDR.arpa. {SOA}"),
        ("a.localhost.", "A", "a.localhost. 604800 IN A 127.0.0.1"),
        ("a.b.localhost.", "AAAA", "a.b.localhost. 604800 IN AAAA ::1"),
        ("localhost.example.net.", "A", "localhost.example.net. 604800 IN A 127.0.0.1"),
        ("1.0.0.127.in-addr.arpa.", "PTR", "1.0.0.127.in-addr.arpa. 604800 IN PTR localhost."),
    ],
)
def test_data(whole: Whole, name: str, qtype: str, answer: str) -> None:
    assert shown(whole.answered(name, qtype)) == (0, [answer], NOTHING)


@pytest.mark.parametrize(
    ("rcode", "name", "qtype", "owner"),
    [
        (0, "localhost.", "MX", "localhost."),
        (0, "127.in-addr.arpa.", "A", "127.in-addr.arpa."),
        (0, "a.localhost.", "MX", "a.localhost."),
        (0, "localhost.a.", "NS", "localhost.a."),
        (0, "1.0.0.127.in-addr.arpa.", "MX", "127.in-addr.arpa."),
        (3, "2.0.0.127.in-addr.arpa.", "PTR", "127.in-addr.arpa."),
        (3, "1.0.0.0.In-addr.arpa.", "PTR", "0.In-addr.arpa."),
        (3, "x.255.in-addr.arpa.", "A", "255.in-addr.arpa."),
    ],
)
def test_no_data(whole: Whole, rcode: int, name: str, qtype: str, owner: str) -> None:
    answer = whole.answered(name, qtype)
    assert shown(answer) == (rcode, NOTHING, [f"{owner} {SOA}"])
    assert not answer.flags & 0x0480


@pytest.mark.parametrize("name", ["example.org.", "notlocalhost.", "localhostess.org.", "126.in-addr.arpa.", "."])
def test_other_names_pass(whole: Whole, name: str) -> None:
    assert whole.answered(name).additional


def test_the_prefix_can_be_switched_off() -> None:
    whole = Whole(". {\n local {\n localhost_prefix off\n }\n whoami\n}")
    assert whole.answered("localhost.example.net.").additional
    assert texts(whole.answered("a.localhost.").answer) == ["a.localhost. 604800 IN A 127.0.0.1"]


def test_special_names_are_counted_each_time(whole: Whole) -> None:
    whole.budget.flush()
    before = counted("local_localhost_requests_total")
    whole.answered("b.localhost.")
    whole.budget.flush()
    assert counted("local_localhost_requests_total") == before + 5


def test_debug_shows_who_asked(
    whole: Whole, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(log, "debugging", True)
    whole.answered("c.localhost.", "MX")
    line = '[DEBUG] plugin/local: Intercepting localhost query for "c.localhost." MX, from 10.240.0.1'
    assert capfd.readouterr().out.splitlines() == [line] * 5


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("local example.org", "Wrong argument count or unexpected line ending after 'example.org'"),
        ("local {\n foo\n}", "unknown property 'foo'"),
        ("local {\n localhost_prefix maybe\n}", "localhost_prefix expects 'on' or 'off', got \"maybe\""),
        ("local {\n localhost_prefix\n}", "Wrong argument count or unexpected line ending after 'localhost_prefix'"),
    ],
)
def test_bad_input(text: str, complaint: str) -> None:
    found = refusal(Options, text)
    assert found.startswith("plugin/local: Corefile:")
    assert found.endswith(f" - Error during parsing: {complaint}")


def test_the_last_word_counts() -> None:
    text = "local {\n localhost_prefix off\n localhost_prefix on\n}"
    assert options(Options, text).localhost_prefix


def test_a_further_line_changes_only_what_it_sets() -> None:
    assert not options(Options, "local {\n localhost_prefix off\n}\nlocal").localhost_prefix
