from __future__ import annotations

from typing import Any

import pytest

from shardns.config.draft import Draft
from shardns.config.errors import ConfigError, Place, Problem, Refuse, nearest
from shardns.config.regex import compile as pattern
from shardns.config.values import (
    ADDRESS,
    CHOICE,
    CIDR,
    CLASS,
    DURATION,
    FILE,
    INTEGER,
    IP,
    NAME,
    RCODE,
    REGEX,
    STRING,
    TYPE,
    ZONE,
    ZONES,
    Convert,
    Value,
    is_ip,
)

GOOD: list[tuple[Value[Any], str, Any]] = [
    (STRING(), "", ""),
    (INTEGER(), "-5", -5),
    (INTEGER(1, 5), "5", 5),
    (DURATION(), "1m30s", 90.0),
    (DURATION(plain=True), "30", 30.0),
    (DURATION(plain=True), "-5", -5.0),
    (CHOICE("a", "b"), "b", "b"),
    (CHOICE("GET", fold=True), "get", "GET"),
    (ZONES(), "10.0.0.0/16", (b"\x010\x0210\x07in-addr\x04arpa\x00",)),
    (ZONES(), "a..b", ()),
    (ZONE(), "tls://A.b:5", b"\1a\1b\0"),
    (NAME(), "A.b", b"\1a\1b\0"),
    (NAME(), "a:5", b"\3a:5\0"),
    (IP(), "::0001", "::0001"),
    (ADDRESS(), ":8080", ("", 8080)),
    (ADDRESS(), "[::1]:53", ("::1", 53)),
    (ADDRESS(port=53), "::1", ("::1", 53)),
    (ADDRESS(port=53), "127.0.0.1", ("127.0.0.1", 53)),
    (CIDR(), "10.1.2.3/8", "10.0.0.0/8"),
    (CIDR(bare=True), "10.1.2.3", "10.1.2.3/32"),
    (REGEX(), "a(b)+", pattern("a(b)+")),
    (RCODE(), "nxdomain", 3),
    (RCODE(), "NOTIMPL", 4),
    (TYPE(), "https", 65),
    (CLASS(), "CH", 3),
    (Convert(lambda word, draft: len(word)), "abc", 3),
]


@pytest.mark.parametrize(("kind", "word", "value"), GOOD)
def test_a_word_becomes_a_value(kind: Value[Any], word: str, value: object) -> None:
    assert kind.parse(word, Draft()) == value


BAD: list[tuple[Value[Any], str, str]] = [
    (INTEGER(), "5s", 'strconv.Atoi: parsing "5s": invalid syntax'),
    (INTEGER(go="ParseUint", bits=32), "4294967296", 'strconv.ParseUint: parsing "4294967296": value out of range'),
    (INTEGER(1, below="too small: {}"), "0", "too small: 0"),
    (INTEGER(1, 5, below="not in range: {}"), "6", "not in range: 6"),
    (DURATION(), "5", 'time: missing unit in duration "5"'),
    (DURATION(0, low_open=True, below="must be positive: {}"), "0", "must be positive: 0s"),
    (DURATION(1, 86400, below="'{}' is not between"), "48h", "'48h0m0s' is not between"),
    (CHOICE("GET"), "get", "unknown value 'get'"),
    (ZONE(), "a..b", "unable to normalize 'a..b'"),
    (NAME("invalid domain name {q}"), "a..b", 'invalid domain name "a..b"'),
    (IP(), "fe80::1%eth0", "invalid IP address: fe80::1%eth0"),
    (IP(), "010.0.0.1", "invalid IP address: 010.0.0.1"),
    (ADDRESS(), "localhost", "invalid address: localhost"),
    (ADDRESS(), "::1:99999", "invalid address: ::1:99999"),
    (CIDR(), "10.0.0.0", "invalid CIDR address: 10.0.0.0"),
    (CIDR(), "10.0.0.0/255.0.0.0", "invalid CIDR address: 10.0.0.0/255.0.0.0"),
    (CIDR(bare=True), "x", "invalid CIDR address: x"),
    (REGEX(), "(a", "error parsing regexp: missing closing ): `(a`"),
    (RCODE(), "BADVERS", "BADVERS is not a valid rcode"),
    (RCODE(), "3", "3 is not a valid rcode"),
    (TYPE(), "AA", "invalid RR type AA"),
]


@pytest.mark.parametrize(("kind", "word", "text"), BAD)
def test_a_bad_word_is_refused_with_the_reference_s_text(kind: Value[Any], word: str, text: str) -> None:
    with pytest.raises(Refuse) as caught:
        kind.parse(word, Draft())
    assert caught.value.text == text


def test_relative_files_stand_below_root() -> None:
    draft = Draft(root="/etc/zones")
    assert FILE().parse("a/../b", draft) == "/etc/zones/b"
    assert FILE().parse("/b", draft) == "/b"
    assert FILE(root=False).parse("b", draft) == "b"
    assert FILE().parse("./b", Draft()) == "./b"


@pytest.mark.parametrize("word", ["1.2.3", "1.2.3.4/8", "", "::g", "1.2.3.4 "])
def test_these_are_no_addresses(word: str) -> None:
    assert not is_ip(word)


def test_a_draft_warns_and_serves_once() -> None:
    draft = Draft(directive="health")
    for _ in range(2):
        draft.warn("careful")
        draft.serve(":8080")
    assert draft.warnings == ["[WARNING] plugin/health: careful"]
    assert [tuple(one) for one in draft.endpoints] == [("health", ":8080", True, "")]


def test_a_problem_draws_its_line() -> None:
    problem = Problem("text", Place("Corefile", 12, 3), "\tx y", "remedy")
    assert str(problem) == "text\n  --> Corefile:12:3\n     |\n  12 | \tx y\n     | \t ^\n  = remedy"
    assert str(ConfigError("alone")) == "alone"


def test_a_remedy_is_the_nearest_word_or_all_of_them() -> None:
    assert nearest("whoamI", ["whoami", "log"]) == "did you mean 'whoami'?"
    assert nearest("zzz", ["a", "b"]) == "expected one of: a, b"
    assert nearest("zzz", []) == ""
