"""The regular expressions: Go's syntax and words, RE2's meaning in both engines, bounded time."""

from __future__ import annotations

import pickle
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shardns.config import regex
from shardns.config.regex_plain import translate

REFUSED = {
    "(abc": "missing closing ): `(abc`",
    "abc)": "unexpected ): `abc)`",
    "a[": "missing closing ]: `[`",
    "a[z-a]": "invalid character class range: `z-a`",
    "*a": "missing argument to repetition operator: `*`",
    "a**": "invalid nested repetition operator: `**`",
    "a{1001}": "invalid repeat count: `{1001}`",
    "a\\": "trailing backslash at end of expression: ``",
    "\\8": "invalid escape sequence: `\\8`",
    "\\Z": "invalid escape sequence: `\\Z`",
    "\\C": "invalid escape sequence: `\\C`",
    "(?=a)": "invalid or unsupported Perl syntax: `(?=`",
    "(?P<>a)": "invalid named capture: `(?P<>`",
    "(?P<é>a)": "invalid named capture: `(?P<é>`",
    "((a{100}){100}){100}": "invalid repeat count: `{100}`",
}


@pytest.mark.parametrize("pattern", REFUSED)
def test_an_error_has_the_words_of_go(pattern: str) -> None:
    with pytest.raises(regex.BadRegex) as caught:
        regex.compile(pattern)
    assert str(caught.value) == f"error parsing regexp: {REFUSED[pattern]}"


SEARCHES = [
    (r"^ip-10-(?P<b>[0-9]*)-(?P<c>[0-9]*)[.]example[.]$", "ip-10-95-12.example.", ("95", "12")),
    (r"(?P<a>a+)(?<b>b*)", "xaab", ("aa", "b")),
    (r"(?i)EXAMPLE\.(ORG|net)", "www.example.org.", ("org",)),
    (r"^(.*)\.example\.org\.$", "a.b.example.org.", ("a.b",)),
    (r"(a)|(b)", "b", (None, "b")),
    (r"^(foo|bar)\.$", "bar.", ("bar",)),
    (r"\bx\b", "a x", ()),
    (r"(\pL+)", "1äb2", ("äb",)),
    (r"\Qa.b\E(c)", "a.bc", ("c",)),
    (r"$^", "x", None),
    (r"^a$", "a\n", None),
    (r"a\sb", "a\vb", None),
    (r"x{2,3}?(x?)", "xxx", ("x",)),
    (".*", "", ()),
]


@pytest.mark.parametrize(("pattern", "text", "groups"), SEARCHES)
def test_a_search_finds_the_leftmost_match_and_its_groups(
    pattern: str, text: str, groups: tuple[str | None, ...] | None
) -> None:
    found = regex.compile(pattern).search(text)
    assert (None if found is None else found.groups()) == groups


def test_groups_have_names_and_numbers() -> None:
    pattern = regex.compile(r"^(?<first>[a-z]+)-(?P<second>[0-9]+)(x)?")
    found = pattern.search("abc-12")
    assert found is not None
    assert (found.group("first"), found.group(2), found.group(3), found.group(0)) == ("abc", "12", None, "abc-12")
    assert (pattern.groups, pattern.names) == (3, {"first": 1, "second": 2})


def test_an_unpaired_surrogate_is_searched_as_the_replacement_character() -> None:
    assert regex.compile(r"(?i)a.b").search("a\udc80b") is not None


def test_patterns_of_one_text_are_equal_and_survive_pickling() -> None:
    pattern = regex.compile("(?i)a")
    assert pickle.loads(pickle.dumps(pattern)) == pattern == regex.compile("(?i)a") != regex.compile("a")


PLAIN = [
    r"^(\d+)\.(\d+)\.example$",
    ".*",
    "foo.*",
    r"^[^.]+\.(?:org|net)\.$",
    r"^(?<n>[0-9a-f]{2,4})x",
    "a|b",
    r"^.*\.x$",
]
NOT_PLAIN = [
    "(a*)*b", "^a*a*$", "a?a?a?aaa", r"^(.*)(.*)x$", "(?i)a", r"\pL", r"\b", "(a|ab)(c|bcd)", "a+$x", "x+x+y", "ä",
    "^a*b*a", r"[\d]", "a{,3}", "a**", "(ab)+", r"\w+\.x", "^(?P<n>a)(?P<n>b)", "[[:alpha:]]", "a$b", "^a*b?a*$",
]  # fmt: skip


@pytest.mark.parametrize("pattern", PLAIN)
def test_an_unambiguous_pattern_runs_in_the_standard_library(pattern: str) -> None:
    assert translate(pattern) is not None


@pytest.mark.parametrize("pattern", NOT_PLAIN)
def test_every_other_pattern_runs_in_re2(pattern: str) -> None:
    assert translate(pattern) is None


ATOMS = ["a", "b", "[ab]", "[^a]", ".", r"\d", r"\s", r"\S", r"\.", "1", "(a)", "(?:b)", "(ab|c)", "(?P<n>a)", "-", "|"]
pieces = st.tuples(st.sampled_from(ATOMS), st.sampled_from(["", "", "", "*", "+", "?", "*?", "{2}", "{1,2}", "{0,}"]))


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(["", "^"]),
    st.lists(pieces, max_size=5),
    st.sampled_from(["", "$"]),
    st.text("ab1.-c \n\vä", max_size=8),
)
def test_both_engines_agree_wherever_both_may_run(
    start: str, parts: list[tuple[str, str]], end: str, text: str
) -> None:
    import re2

    pattern = start + "".join(atom + quantifier for atom, quantifier in parts) + end
    plain = translate(pattern)
    if plain is None:
        return
    mine, theirs = re.compile(plain, re.ASCII).search(text), re2.compile(pattern).search(text)
    assert (mine and (mine.span(), mine.groups())) == (theirs and (theirs.span(), theirs.groups()))


HOSTILE = {
    "nested stars": "(a*)*" * 12000 + "b",
    "captures": "(a)" * 20000,
    "ambiguous captures": "(.*)" * 16000 + "$",
    "parentheses": "(" * 32000 + ")" * 32000,
    "optional": "a?" * 30000 + "a" * 1000,
    "repetition": "((a?){30}){30}b",
    "wide repetition": "(?:a?){1000}b",
    "unicode classes": r"[\p{L}\p{N}]" * 5000,
    "folded classes": "(?i)" + "[^a-z]" * 10000,
    "automaton": "(?:a|b)*a" + "(?:a|b)" * 9000,
    "counted automaton": "[ab]*a[ab]{900}$",
    "alternatives": "|".join(f"a{number}" for number in range(9000)),
    "dots": ".*" * 30000 + "x",
    "plain": "^" + "a?b?" * 120 + "$",
    "quadratic": "^" + ".*" + "a" * 480 + "$",
    "optional captures": "(a?)+(x?)+" * 200,
    "captured stars": "(a*){200}(a?)+" * 3,
    "optional repetitions": "(?:a*){2,20}.?(?:a*)*" * 60,
    "escapes": "\\" * 65536,
    "quotes": r"\Q" * 32768,
    "brackets": "[" * 65536,
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_pattern_takes_little_time_or_is_refused(kind: str) -> None:
    texts = ["a" * 254 + "!", "ab" * 127 + "!", "b" * 255]
    began = time.thread_time()
    try:
        pattern = regex.compile(HOSTILE[kind])
    except regex.BadRegex:
        return
    finally:
        assert time.thread_time() - began < 0.2
    for text in texts:
        began = time.thread_time()
        pattern.search(text)
        assert time.thread_time() - began < 0.05
