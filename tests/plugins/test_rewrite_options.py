"""rewrite: what set-up takes and refuses."""

from __future__ import annotations

import pickle

import pytest

from shardns.plugins.rewrite.edns import unsigned
from shardns.plugins.rewrite.options import Options
from shardns.plugins.rewrite.parse import ttl_range
from tests.plugins.small import options, refusal

LONG = "a" * 10001
MORE_GROUPS = "uses more subexpressions than its corresponding matching regex pattern"
MATCHES = "supports only exact, prefix, suffix, substring, and regex name matching"
UNSET = "unset action requires exactly"


@pytest.mark.parametrize(
    "text",
    [
        "rewrite name a.com b.com",
        "rewrite CONTINUE Name EXACT a.com b.com answer auto",
        "rewrite {\n name regex (.*)\\.a {1}.b\n answer name (.*)\\.b {1}.a value (.*)\\.b {1}.a\n}",
        "rewrite stop {\n type any hinfo\n}",
        "rewrite class HS ch",
        "rewrite rcode name.test 2 notimpl",
        "rewrite rcode exact name.test SERVFAIL 23",
        "rewrite cname regex \\S+ x.",
        "rewrite edns0 local append 0xffff 0x",
        "rewrite edns0 local unset 0b11",
        "rewrite edns0 subnet append 32 128 revert",
        "rewrite edns0 local set 0xffee {a/b/c} revert",
    ],
)
def test_good_rules(text: str) -> None:
    found = options(Options, text)
    assert found[0].rule is not None
    assert pickle.loads(pickle.dumps(found)) == found == options(Options, text)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("", "no rule type specified for rewrite"),
        ("stop", "stop rule must begin with a rule type"),
        ("continue", "continue rule must begin with a rule type"),
        ("answer name a b", "response rewrites must begin with a name rule"),
        ("what a b", 'invalid rule type "what"'),
        ("stop what a b", 'invalid rule type "stop"'),
        ("name", "too few arguments for a name rule"),
        ("name a.com", "too few arguments for a name rule"),
        ("name fuzzy a b", f"name rule {MATCHES}, received: fuzzy"),
        ("name suffix a b baz", "invalid arguments for suffix rule"),
        ("name suffix a b foo bar", "exceeded the number of arguments for a non-answer rule argument for suffix rule"),
        ("name regex a b answer answer", 'invalid type "answer" for answer rule for regex rule'),
        ("name regex a b answer auto answer", "type missing for answer rule for regex rule"),
        ("name regex a b answer name x", "name answer rule for regex rule: 2 arguments required"),
        ("name regex a b answer value", "value answer rule for regex rule: 2 arguments required"),
        ("name regex a b answer what x", 'invalid type "what" for answer rule for regex rule'),
        (
            "name regex a b answer auto name (c) {1}",
            "auto name answer rule cannot be combined with explicit name anwer rules",
        ),
        ("name regex [bad[ b", "invalid regex matching pattern: [bad["),
        ("name regex (.*)\\.a {1}{2}.b", f"the rewrite regex pattern ({{1}}{{2}}.b) {MORE_GROUPS} ((.*)\\.a)"),
        (
            "name regex a b answer name [ x",
            "name answer rule for regex rule: invalid regex matching pattern: [",
        ),
        ("name a.example.org *.example.org", "invalid regex matching pattern: *.example.org."),
        ("type A", "type rules must have exactly two arguments"),
        ("type A MX TXT", "type rules must have exactly two arguments"),
        ("type xy A", 'invalid type "XY"'),
        ("class IN", "class rules must have exactly two arguments"),
        ("class IN XY", 'invalid class "XY"'),
        ("ttl a", "too few (1) arguments for a ttl rule"),
        ("ttl a 2-1", "invalid TTL '2-1' for a ttl rule"),
        ("ttl a b c 5", "invalid TTL '' for a ttl rule"),
        ("ttl fuzzy a 5", f"ttl rule {MATCHES}"),
        ("ttl regex [ 5", "invalid regex pattern in a ttl rule: ["),
        ("rcode a 2", "too few (2) arguments for a rcode rule"),
        ("rcode exact a 2 0 5", "invalid matching RCODE '' for a rcode rule"),
        ("rcode a random nothing", "invalid matching RCODE 'random' for a rcode rule"),
        ("rcode a 2 24", "invalid replacement RCODE '24' for a rcode rule"),
        ("rcode fuzzy a 2 0", f"rcode rule {MATCHES}"),
        ("cname a", "too few (1) arguments for a cname rule"),
        ("cname a b c d", "too few (4) arguments for a cname rule"),
        ("cname fuzzy a b", "unknown cname rewrite type: fuzzy"),
        ("edns0 local", "too few arguments for an EDNS0 rule"),
        ("edns0 local foo", 'invalid action: "foo"'),
        ("edns0 what set", 'invalid rule type "what"'),
        ("edns0 local set 1", "EDNS0 local rules require three or four args"),
        ("edns0 nsid set x", "EDNS0 NSID rules can accept no more than one arg"),
        ("edns0 subnet set 1", "EDNS0 subnet rules require three or four args"),
        ("edns0 local unset 1 2", f"local {UNSET} two arguments"),
        ("edns0 nsid unset 1", f"nsid {UNSET} one argument"),
        ("edns0 subnet unset revert", f"subnet {UNSET} one argument"),
        ("edns0 local set 1 {dummy}", 'unsupported variable name "{dummy}"'),
        ("edns0 subnet set 33 56", "invalid IPv4 bit mask length 33"),
        ("edns0 subnet set 24 129", "invalid IPv6 bit mask length 129"),
        ("edns0 subnet set -1 56", 'strconv.ParseUint: parsing "-1": invalid syntax'),
        ("edns0 local set 70000 abc", 'strconv.ParseUint: parsing "70000": value out of range'),
        ("edns0 local set 1 0xabc", "encoding/hex: odd length hex string"),
        ("edns0 local set 1 0xzz", "encoding/hex: invalid byte: U+007A 'z'"),
        (f"name regex {LONG} b", "regex pattern too long: 10001 > 10000"),
        (f"ttl regex {LONG} 5", "regex pattern too long in a ttl rule: 10001 > 10000"),
        (f"rcode regex {LONG} 2 0", "regex pattern too long in a rcode rule: 10001 > 10000"),
        (f"cname regex {LONG} b", "regex pattern too long in a cname rule: 10001 > 10000"),
    ],
)
def test_bad_rules(words: str, complaint: str) -> None:
    assert refusal(Options, f"rewrite {words}") == f"plugin/rewrite: {complaint}"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("rewrite {\n answer name a b\n name a b\n}", "response rewrites must begin with a name rule"),
        ("rewrite name a b {\n answer auto\n}", "no rule type specified for rewrite"),
        ("rewrite foo bar {\n answer auto\n}", 'invalid rule type "foo"'),
        ("rewrite {\n name regex a b\n answer name x\n}", "name answer rule for regex rule: 2 arguments required"),
    ],
)
def test_bad_blocks(text: str, complaint: str) -> None:
    assert refusal(Options, text) == f"plugin/rewrite: {complaint}"


@pytest.mark.parametrize("text", ["12345678901234567890", "text", "#1", "-", "2-1", "5-10-20", "", "+5", "4294967296"])
def test_what_is_no_range_of_ttls(text: str) -> None:
    assert ttl_range(text) is None


@pytest.mark.parametrize(
    ("word", "number"), [("0xffee", 65518), ("65518", 65518), ("0o17", 15), ("017", 15), ("0b101", 5), ("0x_ff", 255)]
)
def test_numbers_are_written_as_go_writes_them(word: str, number: int) -> None:
    assert unsigned(word) == number
