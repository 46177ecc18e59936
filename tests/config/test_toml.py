"""Corefile → TOML → the same model, and what is said about TOML that cannot be read."""

from __future__ import annotations

import pytest

from shardns.config.convert import to_corefile, to_toml
from shardns.config.errors import ConfigError
from shardns.config.source import Source
from tests.config.small import ORDER, REGISTRY, model, refusal

COREFILES = [
    ".:1053 {\n whoami\n}",
    "a, b:53 tls://c {\n log x y\n log\n log {\n class denial success\n class denial\n }\n}",
    ". {\n hosts x a b {\n ttl 5\n no_reverse\n reload 1m\n 1.2.3.4 a b\n ::1 c\n fallthrough\n }\n}",
    ". {\n hosts {\n 1.2.3.4 a\n ttl 6 # between\n 5.6.7.8 b\n fallthrough x y\n }\n}",
    ". {\n hosts f {\n no_reverse 1.2.3.4 x\n }\n}",
    ". {\n bind 127.0.0.1 ::1 {\n except ::1\n }\n bind 127.0.0.3\n debug\n}",
    ".:1 {\n whoami\n}\n.:2 {\n root /a\n root /b\n hosts x\n}",
    '. {\n chaos "a b" "say \\"hi\\"" "" "two\nlines" {$X} back\\slash\n}',
    '. {\n chaos "cr\r\nlf"\n}',
    "(s) {\n log a\n}\n. {\n import s\n}",
]


@pytest.mark.parametrize("text", COREFILES)
def test_a_corefile_becomes_toml_with_the_same_meaning_and_back(text: str) -> None:
    toml = to_toml(Source("Corefile", text), REGISTRY, ORDER)
    assert model(toml, "x.toml") == model(text)
    back = to_corefile(Source("x.toml", toml), REGISTRY, ORDER)
    assert model(back) == model(text)


def test_toml_names_the_options() -> None:
    toml = to_toml(Source("Corefile", COREFILES[2] + "\nz {\n whoami\n}"), REGISTRY, ORDER)
    for line in ('path = "x"', "ttl = 5", "no_reverse = true", 'reload = "1m"', "fallthrough = true", "whoami = true"):
        assert line in toml


def test_a_table_may_use_numbers_lists_and_references() -> None:
    text = """
workers = 4
[[block]]
keys = ["{$ZONE}:53", "{$UNSET}"]
log = "scope"
hosts = { path = "f", ttl = 5, fallthrough = ["a", "b"], lines = [["1.2.3.4", "x"], "::1"] }
[[block.bind]]
addresses = ["127.0.0.1"]
[[block.bind]]
addresses = "::1"
"""
    found = model(text, "x.toml", {"ZONE": "example.org"})
    corefile = "example.org:53 {\n log scope\n hosts f {\n ttl 5\n fallthrough a b\n }\n bind 127.0.0.1\n bind ::1\n}"
    assert found.workers == 4
    assert found.blocks[0].keys == model(corefile).blocks[0].keys
    assert found.blocks[0].hosts == ("127.0.0.1", "::1")


def test_a_flag_may_be_false() -> None:
    text = '[[block]]\nkeys = ["."]\n[block.hosts]\nno_reverse = false\nfallthrough = true'
    assert model(text, "x.toml") == model(". {\n hosts {\n fallthrough\n }\n}")


E = "x.toml:{} - Error during parsing: {}"
REFUSED = [
    ("[[block]]\nkeys = [", E.format(2, "Invalid value")),
    ("a = 1", E.format(1, "Unknown setting 'a'")),
    ("workers = -1", E.format(1, "'workers' is a count")),
    ("block = [1]", E.format(1, "'block' is a list of tables: write [[block]]")),
    ('[[block]]\nkeys = ["."]\nwhoamy = true', E.format(3, "Unknown directive 'whoamy'")),
    ('[[block]]\nkeys = ["."]\n[block.hosts]\nttl = 0', "plugin/hosts: ttl provided is invalid"),
    ('[[block]]\nkeys = ["."]\n[block.log]\nclas = "x"', "plugin/log: " + E.format(4, "unknown property 'clas'")),
    ('[[block]]\nkeys = ["."]\n[block.debug]\nx = 1', "plugin/debug: " + E.format(3, "Unexpected token '{'")),
    ('[[block]]\nkeys = ["."]\n[block.hosts]\nttl = { a = 1 }', E.format(4, "a word is text or a number")),
    ('[[block]]\nkeys = ["x:"]', 'error inspecting server blocks: expecting data after last colon: "x:"'),
]  # fmt: skip


@pytest.mark.parametrize(("text", "error"), REFUSED, ids=[error for _, error in REFUSED])
def test_bad_toml_is_told_with_its_line(text: str, error: str) -> None:
    assert refusal(text, "x.toml").text.startswith(error)


def test_a_word_that_no_corefile_can_hold_is_refused() -> None:
    toml = '[[block]]\nkeys = ["."]\n[block.chaos]\nversion = "blank at the end \\\\"'
    with pytest.raises(ConfigError, match="a Corefile cannot hold the word"):
        to_corefile(Source("x.toml", toml), REGISTRY, ORDER)


def test_what_cannot_be_converted_is_told() -> None:
    with pytest.raises(ConfigError, match="Unknown directive 'x'"):
        to_toml(Source("Corefile", ". {\n x\n}"), REGISTRY, ORDER)
