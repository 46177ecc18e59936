"""The command line, as Go's flag package reads it."""

import pytest

from shardns.master.flags import Flag, FlagError, HelpWanted, Parsed, parse, usage

FLAGS = (
    Flag("conf", "", "file"),
    Flag("dns.port", "53", "port", sets="port"),
    Flag("p", "53", "port", sets="port"),
    Flag("quiet", False, "no words"),
    Flag("workers", 0, "how many"),
)


def read(line: str) -> Parsed:
    return parse(FLAGS, line.split())


@pytest.mark.parametrize("line", ["-conf X", "--conf X", "-conf=X", "--conf=X", "-conf Y -conf X"])
def test_a_value_may_stand_behind_or_after_the_flag(line: str) -> None:
    assert read(line).text("conf") == "X"


@pytest.mark.parametrize(
    ("line", "port"),
    [("", "53"), ("-p 1", "1"), ("-dns.port=2", "2"), ("-p 1 -dns.port 2", "2"), ("-dns.port 2 -p 1", "1")],
)
def test_two_flags_share_a_variable_and_the_last_wins(line: str, port: str) -> None:
    assert read(line).text("port") == port


@pytest.mark.parametrize(
    ("line", "on"), [("", False), ("-quiet", True), ("-quiet=true", True), ("-quiet=0", False), ("-quiet=F", False)]
)
def test_a_switch_needs_no_value(line: str, on: bool) -> None:
    assert read(line).on("quiet") is on


def test_a_switch_takes_no_value_from_the_next_word() -> None:
    assert read("-quiet false").rest == ["false"]


def test_flags_end_at_the_first_other_word() -> None:
    parsed = read("-quiet foo -conf X")
    assert parsed.rest == ["foo", "-conf", "X"] and parsed.text("conf") == ""


def test_flags_end_at_two_dashes() -> None:
    assert read("-quiet -- -conf").rest == ["-conf"]


def test_a_single_dash_is_a_word() -> None:
    assert read("- x").rest == ["-", "x"]


def test_an_empty_value_is_a_value() -> None:
    assert read("-conf= -quiet").text("conf") == ""


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("-bogus", "flag provided but not defined: -bogus"),
        ("--bogus=1", "flag provided but not defined: -bogus"),
        ("-conf", "flag needs an argument: -conf"),
        ("-=x", "bad flag syntax: -=x"),
        ("---x", "bad flag syntax: ---x"),
        ("-quiet=maybe", 'invalid boolean value "maybe" for -quiet: parse error'),
        ("-workers=-1", 'invalid value "-1" for flag -workers: parse error'),
        ("-workers x", 'invalid value "x" for flag -workers: parse error'),
    ],
)
def test_what_cannot_be_read_is_told_in_gos_words(line: str, text: str) -> None:
    with pytest.raises(FlagError) as caught:
        read(line)
    assert str(caught.value) == text


@pytest.mark.parametrize("line", ["-h", "-help", "--help", "-quiet -h"])
def test_help(line: str) -> None:
    with pytest.raises(HelpWanted):
        read(line)


def test_usage_is_sorted_and_shows_defaults() -> None:
    assert usage("x", FLAGS[:3]).splitlines() == [
        "Usage of x:",
        "  -conf string",
        "    \tfile",
        "  -dns.port string",
        '    \tport (default "53")',
        "  -p string",
        '    \tport (default "53")',
    ]
