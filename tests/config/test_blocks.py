"""The table of spec core §2.5 and what the reference's parser accepts by accident."""

from __future__ import annotations

import pytest

from shardns.config.load import parse
from shardns.config.source import Source
from tests.config.small import ORDER, first_line, model, refusal, zones

PARSING = "Corefile:{} - Error during parsing: {}"
ERRORS = [
    (". {\n x\n}", PARSING.format(2, "Unknown directive 'x'")),
    ("a, {\n}", PARSING.format(1, "Expected another address but had '{' - check for extra comma")),
    ("a,", PARSING.format(1, "Unexpected EOF")),
    (". {\n hosts {\n ttl 5\n", PARSING.format(3, "Unexpected EOF")),
    (". {\n whoami", "Corefile:2 - Syntax error: Unexpected token 'whoami', expecting '}'"),
    ("(s)\nwhoami\n", "Corefile:2 - Syntax error: Unexpected token 'whoami', expecting '{'"),
    ("(s) {\n whoami\n", "Corefile:2 - Syntax error: Unexpected token 'whoami', expecting '}'"),
    (". { whoami }", PARSING.format(1, "Unexpected '}' because no matching opening brace")),
    (". {\n import\n}", PARSING.format(2, "Wrong argument count or unexpected line ending after 'import'")),
    (". {\n import a b\n}", PARSING.format(2, "Import takes only one argument (glob pattern or file)")),
    (". {\n import {$UNSET}\n}", PARSING.format(2, "Import requires a non-empty filepath")),
    (". {\n import nofile\n}", PARSING.format(2, "File to import not found: nofile")),
    ("(a) {\n}\n(a) {\n}", PARSING.format(3, "redeclaration of previously declared snippet a")),
    ("(a) {\n whoami\n import a\n}", PARSING.format(4, "maximum snippet import depth (10000) exceeded")),
    (
        "(a) {\n import b\n}\n(b) {\n import a\n}\n. {\n import a\n}",
        PARSING.format(5, "maximum snippet import depth (10000) exceeded"),
    ),
    (". {\n debug off\n}", "plugin/debug: " + PARSING.format(
        2, "Wrong argument count or unexpected line ending after 'off'")),
    (". {\n debug {\n }\n}", "plugin/debug: " + PARSING.format(2, "Unexpected token '{', expecting argument")),
    (". {\n hosts\n hosts\n}", "plugin/hosts: this plugin can only be used once per Server Block"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "error"), ERRORS, ids=[error for _, error in ERRORS])
def test_an_error_has_the_reference_s_text(text: str, error: str) -> None:
    assert first_line(text) == error


def parsed(text: str) -> list[tuple[list[str], dict[str, list[str]]]]:
    """Return keys and words of each block."""
    found = parse(Source("Corefile", text), ORDER, {"Z": "example.org", "N": "whoami"})
    assert not found.problems
    return [
        ([key.text for key in block.keys], {name: [w.text for w in own] for name, own in block.directives.items()})
        for block in found.blocks
    ]


ACCEPTED = [
    ("a b, c,\nd {\n}", [(["a", "b", "c", "d"], {})]),
    ("a.org,b.org {\n}", [(["a.org,b.org"], {})]),
    ("a\n{\n whoami\n}", [(["a"], {"whoami": ["whoami"]})]),
    ("a { whoami\n}", [(["a"], {"whoami": ["whoami"]})]),
    (". { }", [(["."], {})]),
    ("a:53\nwhoami\nlog x", [(["a:53"], {"whoami": ["whoami"], "log": ["log", "x"]})]),
    ("a", [(["a"], {})]),
    ("a {\n log x\n whoami\n log y {\n }\n}", [
        (["a"], {"log": ["log", "x", "log", "y", "{", "}"], "whoami": ["whoami"]})]),
    ("a {\n whoami\n}\n}", [(["a"], {"whoami": ["whoami"]}), (["}"], {})]),
    ("{$Z} {$UNSET} {\n {$N}\n}\n{$UNSET} {\n whoami\n}", [(["example.org"], {"whoami": ["{$N}"]})]),
    ("a {\n log {$Z}\n}", [(["a"], {"log": ["log", "example.org"]})]),
    ("(s) {\n log x {\n }\n}\na {\n import s\n whoami\n}", [
        (["a"], {"log": ["log", "x", "{", "}"], "whoami": ["whoami"]})]),
    ("(s) {\n}\na {\n import s\n}", [(["a"], {})]),
    ("(t) {\n ttl 5\n}\na {\n hosts x {\n import t\n 1.2.3.4 import\n }\n}", [
        (["a"], {"hosts": ["hosts", "x", "{", "ttl", "5", "1.2.3.4", "import", "}"]})]),
    ('a "{"\n whoami\n"}"', [(["a"], {"whoami": ["whoami"]})]),
    ("a {\n log {\n }\n", [(["a"], {"log": ["log", "{", "}"]})]),  # the plugin's brace passes for the block's
    ("(only) {\n}\n# nothing else", []),
]  # fmt: skip


@pytest.mark.parametrize(("text", "blocks"), ACCEPTED)
def test_a_text_is_taken_apart_as_the_reference_does(
    text: str, blocks: list[tuple[list[str], dict[str, list[str]]]]
) -> None:
    assert parsed(text) == blocks


def test_every_unknown_directive_is_reported_and_the_rest_is_judged() -> None:
    error = refusal(". {\n whoamy\n hosts {\n ttl 0\n }\n lag\n}")
    assert [problem.text.partition("parsing: ")[2] or problem.text for problem in error.problems] == [
        "Unknown directive 'whoamy'",
        "Unknown directive 'lag'",
        "plugin/hosts: ttl provided is invalid",
    ]
    assert [problem.hint for problem in error.problems[:2]] == ["did you mean 'whoami'?", "did you mean 'log'?"]


def test_an_environment_loop_is_an_error_with_its_place() -> None:
    error = refusal(". {\n log {$L}\n}", environ={"L": "{$L}"})
    assert error.text == "Corefile:2 - Error during parsing: environment variable refers to itself without end"
    assert error.problems[0].place == ("Corefile", 2, 6)


def test_snippets_that_double_each_other_are_bounded() -> None:
    levels = [f"(s{n}) {{\n import s{n - 1}\n import s{n - 1}\n}}" for n in range(1, 40)]
    text = "(s0) {\n log a\n}\n" + "\n".join(levels) + "\n. {\n import s39\n}\n"
    assert "maximum snippet import depth (10000) exceeded" in first_line(text)


def test_log_hash_x_is_log() -> None:  # spec core §9 check 31
    assert model(".:1053 {\n log#x\n}").blocks[0].directives[0].options[0].names == (b"\0",)
    assert model(".:1053 {\n log#x foo\n}").blocks[0].directives[0].options[0].names == (b"\x03foo\0",)


def test_an_extra_brace_becomes_a_block() -> None:  # check 24
    assert zones(model(".:1053 {\n whoami\n}\n}")) == ["dns://.:1053", "dns://}.:1053"]
