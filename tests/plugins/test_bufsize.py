"""bufsize: smaller OPT records."""

from __future__ import annotations

import pytest

from shardns.plugins.bufsize.bufsize import Options
from tests.plugins.small import options, refusal
from tests.plugins.whole import Whole


def large() -> Whole:
    """A server whose answers are longer than 1100 octets."""
    answers = "\n".join(f'answer "{{{{ .Name }}}} 60 IN TXT {i}{"x" * 200}"' for i in range(6))
    return Whole(f". {{\n bufsize 1024\n template IN TXT {{\n {answers}\n }}\n}}")


@pytest.mark.parametrize(
    ("text", "size"), [("bufsize", 1232), ('bufsize "1220"', 1220), ("bufsize 512", 512), ("bufsize 4096", 4096)]
)
def test_the_size_is_from_512_to_4096(text: str, size: int) -> None:
    assert options(Options, text).size == size


@pytest.mark.parametrize("word", ["5000", "511", "abc123", '"512 512"', "-1"])
def test_everything_else_is_a_wrong_count(word: str) -> None:
    assert refusal(Options, f"bufsize {word}") == (
        "plugin/bufsize: plugin/bufsize: Corefile:1 - Error during parsing: "
        f"Wrong argument count or unexpected line ending after '{word.strip(chr(34))}'"
    )


def test_there_is_one_argument() -> None:
    assert refusal(Options, "bufsize 512 600").startswith("plugin/bufsize: plugin/bufsize: Corefile:1")


@pytest.mark.parametrize("rest", ["\nbufsize 1", " {\n}", " {\n what ever\n}"])
def test_the_first_line_counts(rest: str) -> None:
    assert options(Options, f"bufsize 600{rest}").size == 600


@pytest.mark.parametrize(("asked", "shown"), [(1152, 1024), (896, 896), (1024, 1024), (300, 300)])
def test_a_size_is_lowered_and_never_raised(asked: int, shown: int) -> None:
    answer = Whole(". {\n bufsize 1024\n whoami\n}").answered("a.test.", size=asked)
    assert answer.payload == shown


def test_a_query_without_opt_record_gets_none() -> None:
    assert Whole(". {\n bufsize 1024\n whoami\n}").answered("a.test.").edns == -1


def test_do_and_options_stay() -> None:
    whole = Whole(". {\n bufsize 1024\n whoami\n}")
    answer = whole.answered("a.test.", size=4096, do=True, options=((10, b"12345678"),))
    assert (answer.payload, answer.ednsflags & 0x8000, len(answer.options)) == (1024, 0x8000, 1)


def test_the_answer_is_cut_to_the_lowered_size() -> None:
    answer = large().answered("a.test.", "TXT", size=4096)
    assert answer.flags & 0x0200
    assert len(answer.to_wire()) <= 1024
    assert answer.payload == 1024


def test_over_tcp_only_the_number_changes() -> None:
    answer = large().answered("a.test.", "TXT", size=4096, via="tcp")
    assert not answer.flags & 0x0200
    assert (len(answer.answer), answer.payload) == (6, 1024)


def test_a_failure_shows_the_lowered_size_too() -> None:
    answer = Whole(". {\n bufsize 1024\n}").answered("a.test.", size=4096)
    assert (answer.rcode(), answer.payload) == (2, 1024)
