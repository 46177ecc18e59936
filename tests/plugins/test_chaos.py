"""chaos: CH TXT."""

from __future__ import annotations

import socket

import pytest

from shardns.plugins.chaos.chaos import AUTHORS, Options, shuffled, string
from shardns.worker.query import Query
from tests.plugins.small import built, lines, message, options, refusal
from tests.worker.fakes import query

TXT, CH = 16, 3


def ask(name: str, text: str, qtype: int = TXT, qclass: int = CH) -> list[str] | None:
    asked = chaos_query(name, qtype, qclass)
    reply = built(Options, text).answer(asked)
    return None if reply is None else lines(message(asked, reply).answer)


def chaos_query(name: str, qtype: int = TXT, qclass: int = CH) -> Query:
    return query(name, qtype).ask(qclass=qclass)


def test_the_version_of_the_reference_is_the_default() -> None:
    assert ask("version.bind.", "chaos") == ['version.bind. 0 CH TXT "CoreDNS-1.14.7"']


@pytest.mark.parametrize("name", ["version.bind.", "version.server.", "Version.BIND."])
def test_the_version_is_told_under_two_names_in_any_case(name: str) -> None:
    assert ask(name, "chaos v3") == [f'{name} 0 CH TXT "v3"']


def test_authors_are_sorted_cut_and_named_once_before_they_are_shuffled() -> None:
    plugin = built(Options, f'chaos v zoe "Miek Gieben" adam zoe {"x" * 300}')
    assert plugin.authors == sorted([b"\x03zoe", b"\x0bMiek Gieben", b"\x04adam", b"\xff" + b"x" * 255])


def test_octets_of_the_environment_that_are_no_text_are_told_as_they_are() -> None:
    plugin = built(Options, "chaos v\udcff \udcfe")
    assert (plugin.version, plugin.authors) == (b"\x02v\xff", [b"\x01\xfe"])


def test_the_default_authors_are_the_reference_s() -> None:
    assert set(built(Options, "chaos v1").authors) == {string(name.encode()) for name in AUTHORS}
    assert len(AUTHORS) == 29


def test_the_order_of_authors_is_drawn_each_second() -> None:
    names = [string(bytes((c,))) for c in range(65, 90)]
    assert shuffled(names, 1) == shuffled(names, 1) != shuffled(names, 2)
    assert sorted(shuffled(names, 1)) == names


@pytest.mark.parametrize("name", ["hostname.bind.", "id.server."])
def test_the_host_name_is_told(name: str) -> None:
    assert ask(name, "chaos") == [f'{name} 0 CH TXT "{socket.gethostname()}"']


@pytest.mark.parametrize(
    ("name", "qtype", "qclass"),
    [
        ("authors.bind.", 33, CH),
        ("version.bind.", TXT, 1),
        ("version.bind.", TXT, 4),
        ("unknown.bind.", TXT, CH),
        ("www.version.bind.", TXT, CH),
    ],
)
def test_everything_else_goes_on(name: str, qtype: int, qclass: int) -> None:
    assert ask(name, "chaos", qtype, qclass) is None


def test_only_the_version_may_be_repeated() -> None:
    for name, once in (("version.bind.", False), ("authors.bind.", True), ("hostname.bind.", True)):
        asked = chaos_query(name)
        built(Options, "chaos").answer(asked)
        assert asked.request.once is once


def test_a_long_version_is_cut_even_before_authors() -> None:
    assert built(Options, f"chaos {'v' * 300} me").version == b"\xff" + b"v" * 255


def test_the_header_has_no_aa() -> None:
    assert built(Options, "chaos").answer(chaos_query("version.bind.")).flags & 0x0480 == 0


def test_the_first_line_counts_and_blocks_must_be_empty() -> None:
    assert options(Options, "chaos v1\nchaos v2").version == "v1"
    assert "unknown property 'unknown'" in refusal(Options, "chaos v2 {\n unknown\n}")
    assert options(Options, "chaos v2 {\n}").version == "v2"
