from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shardns.config.convert import quoted
from shardns.config.errors import ConfigError
from shardns.config.tokens import cut

WORDS = [
    ("a b\tc\nd", ["a", "b", "c", "d"]),
    ("\ufeffa b", ["a", "b"]),
    ("a\rb\r\nc", ["ab", "c"]),
    ('"a b"c', ["a b", "c"]),
    ('a"b c"d', ['a"b', 'c"d']),
    ('"say \\"hi\\""', ['say "hi"']),
    ('"back\\slash" "two\\\\ends"', ["back\\slash", "two\\\\ends"]),
    ('""', [""]),
    ('"open to the end', ["open to the end"]),
    ('a "', ["a"]),
    ("foo#bar baz", ["foo", "baz"]),
    ("foo # all of this\nbar", ["foo", "bar"]),
    ("foo#bar\nbaz", ["foo", "baz"]),
    ('"#not" x', ["#not", "x"]),
    ("zone{ {} } {", ["zone{", "{}", "}", "{"]),
    ("a\u00a0b\u2003c\u3000d\u2028e\u0085f\u200bg", ["a", "b", "c", "d", "e", "f\u200bg"]),
    ("a\u001cb", ["a\u001cb"]),  # white space for Python, not for Go
    ("", []),
    ("  # only a comment", []),
]


@pytest.mark.parametrize(("text", "words"), WORDS)
def test_text_is_cut_as_the_reference_cuts_it(text: str, words: list[str]) -> None:
    assert [token.text for token in cut(text, "Corefile")] == words


def test_a_word_knows_where_it_starts() -> None:
    tokens = cut('a\n\t"b\nc" d\n e', "f")
    assert [(token.place.line, token.place.column) for token in tokens] == [(1, 1), (2, 2), (3, 4), (4, 2)]


def test_a_word_follows_a_quoted_one_that_ends_on_its_line() -> None:
    quoted_word, same, other = cut('"b\nc" d\ne', "f")
    assert same.follows(quoted_word)
    assert not other.follows(same)


@given(st.text(alphabet=st.sampled_from('ab {}"\\#\r\n\t\u00a0,$%') | st.characters(), max_size=200))
def test_no_text_stops_the_lexer(text: str) -> None:
    for token in cut(text, "f"):
        assert token.place.line <= text.count("\n") + 1
        assert token.breaks == token.text.count("\n")


@given(st.text(max_size=40))
def test_a_quoted_word_is_read_back_or_refused(word: str) -> None:
    try:
        text = quoted(word)
    except ConfigError:
        assert "\\" in word
        return
    assert [token.text for token in cut(text, "f")] == [word]
