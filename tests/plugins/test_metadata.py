"""metadata: where plugins are asked for labels."""

from __future__ import annotations

import pytest

from shardns.config.names import from_text
from shardns.plugins.metadata.metadata import Options
from tests.plugins.small import built, options, refusal
from tests.worker.fakes import query


def test_the_block_s_zones_are_the_default() -> None:
    assert options(Options, "metadata").zones == (b"\0",)


def test_zones_are_normalised() -> None:
    assert options(Options, "metadata Example.com. net.").zones == (from_text("example.com."), from_text("net."))
    assert options(Options, "metadata 10.0.0.0/24").zones == (from_text("0.0.10.in-addr.arpa."),)


@pytest.mark.parametrize(
    ("text", "word"), [("metadata example.com. {\n some_param\n}", "some_param"), ("metadata\nmetadata", "metadata")]
)
def test_words_in_a_block_and_second_lines_are_refused(text: str, word: str) -> None:
    assert refusal(Options, text).splitlines()[0] == (
        "plugin/metadata: Corefile:2 - Error during parsing: "
        f"Wrong argument count or unexpected line ending after '{word}'"
    )


def test_an_empty_block_is_nothing() -> None:
    assert options(Options, "metadata example.org {\n}").zones == (from_text("example.org."),)


@pytest.mark.parametrize(
    ("name", "covered"), [("example.org.", True), ("a.example.org.", True), ("notexample.org.", False), (".", False)]
)
def test_names_in_the_zones_are_covered(name: str, covered: bool) -> None:
    assert built(Options, "metadata example.org").covers(from_text(name)) is covered


def test_every_query_goes_on() -> None:
    assert built(Options, "metadata").answer(query("example.org.")) is None
