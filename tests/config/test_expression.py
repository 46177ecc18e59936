"""Expressions: values, the static checker, budgets, and the texts of errors."""

from __future__ import annotations

import math
import pickle
from typing import Any

import pytest

from shardns.config import expression
from shardns.config.expression import ANY, BOOL, INT, MAP, STRING, BadExpression, ExpressionError, function
from shardns.config.expression.queries import QUERY

TYPES = {
    "n": INT, "s": STRING, "ok": BOOL, "m": MAP, "any_value": ANY, "name": function((), STRING),
    "add": function((INT, INT), INT), "incidr": QUERY["incidr"],
}  # fmt: skip
VALUES: dict[str, Any] = {
    "n": 7, "s": "héllo", "ok": True, "m": {"a": 1, "deep": {"b": [1, 2]}}, "any_value": None,
    "name": lambda: "www.example.org.", "add": lambda x, y: x + y, "incidr": lambda ip, net: ip.startswith("10."),
}  # fmt: skip


def run(source: str) -> Any:
    return expression.compile(source, TYPES).run(VALUES)


RESULTS: list[tuple[str, Any]] = [
    ("0x1F + 0o17 + 0b11 + 1_000", 31 + 15 + 3 + 1000), (".5 + 1e2 + 1.", 101.5),
    ("'a\\x41\\u00e9\\n' + \"b\"", "aAé\nb"),
    ("`raw\\n`", "raw\\n"), ("b'\\x00a'", b"\0a"), ("[1, 2.5, 'x', nil, true,]", [1, 2.5, "x", None, True]),
    ("{a: 1, 'b': {c: 2}, 3: 4, ('d' + 'e'): 5}", {"a": 1, "b": {"c": 2}, "3": 4, "de": 5}),
    ("1 // a comment\n + /* another */ 2", 3), ("1 + 2 * 3 ** 2", 19.0), ("-2 ** 2", -4.0), ("7 / 2", 3.5),
    ("-7 % 3", -1), ("2 ^ 3 ^ 2", 512.0), ("9223372036854775807 + 1", -(2**63)), ("1 == 1.0", True),
    ("[true] == [1]", False), ("[1, [2.0]] == [1.0, [2]]", True), ("1 < 2 < 3", True), ("3 > 2 > 2", False),
    ("'b' > 'a' and not false", True), ("not (n > 5) || ok", True), ("n in 1..10", True), ("n not in [1, 2]", True),
    ("'a' in m", True), ("'z' in m", False), ("s matches '^h.l+o$'", True), ("s not matches 'x'", True),
    ("s contains 'll' && s startsWith 'h' && s endsWith 'o'", True), ("1..3", [1, 2, 3]), ("3..1", []),
    ("nil ?? 'x'", "x"), ("any_value?.a.b ?? 'none'", "none"), ("any_value?.[0]", None), ("m.deep.b[-1]", 2),
    ("m['deep']['b'][0]", 1), ("m.missing", None), ("m.missing?.x", None), ("[1, 2, 3, 4][1:3]", [2, 3]),
    ("'hello'[:2] + 'hello'[-2:]", "helo"), ("ok ? 1 : 2", 1), ("false ?: 5", 5),
    ("if n > 5 { 'big' } else { 'small' }", "big"),
    ("if n > 9 { 1 } else if n > 6 { 2 } else { 3 }", 2), ("let x = 2; let y = x * 3; x + y", 8), ("1; 2; 3;", 3),
    ("$env.n + $env['n']", 14), ("add(1, n)", 8), ("name() | upper() | split('.') | first()", "WWW"),
    ("::len('abc')", 3), ("name()", "www.example.org."),
    # predicates
    ("all([1, 2], # > 0)", True), ("none([1, 2], # > 2)", True), ("any(['10.0.0.0/8'], incidr('10.1.1.1', #))", True),
    ("one([1, 2], {# == 2})", True), ("filter(1..5, # % 2 == 0)", [2, 4]), ("map([{a: 1}], .a)", [1]),
    ("map(['a', 'b'], # + string(#index))", ["a0", "b1"]), ("find(1..5, # > 3)", 4), ("find([1], # > 3)", None),
    ("findIndex(1..5, # > 3)", 3), ("findLast(1..5, # < 3)", 2), ("findLastIndex(1..5, # < 3)", 1),
    ("count([true, false, true])", 2), ("count(1..5, # > 2)", 3), ("sum([1, 2.5])", 3.5), ("sum(1..3, # * 2)", 12),
    ("groupBy(1..4, # % 2)", {1: [1, 3], 0: [2, 4]}), ("sortBy([{a: 2}, {a: 1}], .a)", [{"a": 1}, {"a": 2}]),
    ("sortBy([1, 3, 2], #, 'desc')", [3, 2, 1]), ("reduce(1..4, #acc + #)", 10), ("reduce(1..4, #acc * #, 10)", 240),
    ("map(1..2, map(1..2, # * 10))", [[10, 20], [10, 20]]),
    ("map(1..2, let x = #; map(1..2, x + #))", [[2, 3], [3, 4]]),
    # strings
    ("len('héllo')", 5), ("trim('  a ') + trim('xax', 'x')", "aa"),
    ("trimPrefix('abc', 'a') + trimSuffix('abc', 'c')", "bcab"),
    ("lower('ABC')", "abc"), ("split('a,b,c', ',', 2)", ["a", "b,c"]), ("splitAfter('a,b', ',')", ["a,", "b"]),
    ("replace('10-0-0-1', '-', '.')", "10.0.0.1"), ("replace('aaa', 'a', 'b', 2)", "bba"), ("repeat('ab', 2)", "abab"),
    ("join(['a', 'b'], '-') + join(['c', 'd'])", "a-bcd"), ("indexOf('abcb', 'b')", 1), ("lastIndexOf('abcb', 'b')", 3),
    ("hasPrefix('abc', 'ab') and hasSuffix('abc', 'bc')", True),
    # numbers
    ("abs(-5) + abs(-0.5)", 5.5), ("[ceil(1.2), floor(1.8), round(2.5)]", [2.0, 1.0, 3.0]),
    ("int('42') + int(4.9)", 46),
    ("float('1.5')", 1.5), ("string([1, 'a', nil, 1.5, true])", "[1 a <nil> 1.5 true]"), ("string(1e21)", "1e+21"),
    ("string({b: 1, a: 2})", "map[a:2 b:1]"), ("max(1, [5, 3.5])", 5), ("min([4, 2], 3)", 2),
    ("mean([1, 2, 3, 4])", 2.5),
    ("median([3, 1, 2])", 2.0), ("bitand(6, 3) + bitor(6, 3) + bitxor(6, 3) + bitnand(6, 3)", 2 + 7 + 5 + 4),
    ("bitnot(5)", -6), ("bitshl(1, 4) + bitshr(-8, 1)", 12), ("bitushr(-1, 63)", 1),
    # arrays and maps
    ("first([1, 2]) + last([1, 2])", 3), ("first([])", None), ("take([1, 2, 3], 2)", [1, 2]), ("get([1], 5)", None),
    ("get({a: 1}, 'a')", 1), ("keys({a: 1})", ["a"]), ("values({a: 1})", [1]), ("toPairs({a: 1})", [["a", 1]]),
    ("fromPairs([['a', 1]])", {"a": 1}), ("reverse([1, 2])", [2, 1]), ("uniq([1, 1.0, 2])", [1, 2]),
    ("concat([1], [2, 3])", [1, 2, 3]), ("flatten([1, [2, [3]]])", [1, 2, 3]), ("sort([3, 1, 2])", [1, 2, 3]),
    ("sort(['b', 'a'], 'desc')", ["b", "a"]),
    # encodings and times
    ("toJSON({b: [1, 'x'], a: nil})", '{\n  "a": null,\n  "b": [\n    1,\n    "x"\n  ]\n}'),
    ("fromJSON('[1, {\"a\": true}]')", [1.0, {"a": True}]),
    ("toBase64('hi') + fromBase64('aGk=')", "aGk=hi"), ("duration('1h30m').Minutes()", 90.0),
    ("string(duration('90s'))", "1m30s"), ("date('2024-02-28').AddDate(0, 0, 2).Format('02 Jan 2006')", "01 Mar 2024"),
    ("(date('2024-01-02') - date('2024-01-01')).Hours()", 24.0),
    ("string(date('2024-01-02T03:04:05Z'))", "2024-01-02 03:04:05 +0000 UTC"),
    ("date('02/01/2006', '02/01/2006').Year()", 2006),
    ("date('2024-01-01') + duration('1h') > date('2024-01-01')", True),
    ("timezone('Europe/Moscow').String()", "Europe/Moscow"), ("timezone('UTC').String()", "UTC"),
    ("now() > date('2020-01-01')", True), ("date(timezone('UTC'), '2024-05-06 07:08:09').Unix()", 1714979289),
]  # fmt: skip


@pytest.mark.parametrize(("source", "value"), RESULTS, ids=[source for source, _ in RESULTS])
def test_an_expression_has_its_value(source: str, value: Any) -> None:
    found = run(source)
    assert found == value
    assert type(found) is type(value) or isinstance(found, type(value))


def test_division_by_zero_is_infinite_for_floats_and_an_error_for_remainders() -> None:
    assert run("1 / 0") == math.inf
    with pytest.raises(ExpressionError, match="integer divide by zero"):
        run("n % (n - 7)")


REFUSED = [
    ("", "unexpected token EOF"),
    ("invalid expression", 'unexpected token Identifier("expression") (1:9)\n | invalid expression\n | ........^'),
    ("nobody", "unknown name nobody (1:1)\n | nobody\n | ^"),
    ("nobody(1)", "unknown name nobody"),
    ("n + s", "invalid operation: + (mismatched types int and string) (1:3)\n | n + s\n | ..^"),
    ("not n", "invalid operation: not (mismatched type int)"),
    ("n and ok", "invalid operation: and (mismatched types int and bool)"),
    ("n < s", "invalid operation: < (mismatched types int and string)"),
    ("1 == 'a'", "invalid operation: == (mismatched types int and string)"),
    ("s contains 1", "invalid operation: contains (mismatched types string and int)"),
    ("1.5 % 2", "invalid operation: % (mismatched types float64 and int)"),
    ("'a' in [1, 2]", "cannot use string as type int in array"),
    ("s matches '('", "error parsing regexp: missing closing ): `(`"),
    ("add(1)", "not enough arguments to call add"),
    ("add(1, 2, 3)", "too many arguments to call add"),
    ("add(1, 'a')", "cannot use string as argument (type int) to call add "),
    ("add(1, nil)", "cannot use nil as argument (type int) to call add"),
    ("n()", "int is not callable"),
    ("n.x", "type int has no field x"),
    ("n.x()", "type int has no method x"),
    ("(nil).x", "type nil has no field x"),
    ("[1]['a']", "array elements can only be selected using an integer (got string)"),
    ("n[1:2]", "cannot slice int"),
    ("s['a':]", "non-integer slice index string"),
    ("# > 1", 'unexpected token Operator("#")'),
    ("filter(1, true)", "builtin filter takes only array (got int)"),
    ("filter([1], 2)", "predicate should return boolean (got int)"),
    ("filter([1])", "expected at least 2 arguments"),
    ("map([1], #nope)", "unknown pointer #nope"),
    ("map([1], 1; 2)", "wrap predicate with brackets { and }"),
    ("len(1)", "invalid argument for len (type int)"),
    ("len()", "invalid number of arguments (expected 1, got 0)"),
    ("upper(1)", "cannot use int as argument (type string) to call upper "),
    ("let n = 1; n", "cannot redeclare n"),
    ("let len = 1; len", "cannot redeclare builtin len"),
    ("let x = 1; let x = 2; x", "cannot redeclare variable x"),
    ("1 ? 2 : 3", "non-bool expression (type int) used as condition"),
    ("1 ?? 2 + 3", "Operator (+) and coalesce expressions (??) cannot be mixed. Wrap either by parentheses."),
    ("99999999999999999999", "integer literal is too large"),
    ("1abc", 'bad number syntax: "1a"'),
    ("'open", "literal not terminated (1:6)"),
    ("s + `a``", "literal not terminated (1:9)"),
    ("/* open", "unclosed comment (1:8)"),
    ("name() matches '^a\\.b$'", "invalid char escape (1:20)"),
    ("'\\xQA'", "invalid char escape (1:4)"),
    ('"\\\'"', "invalid char escape (1:3)"),
    ("'\\u{}'", "invalid char escape (1:4)"),
    ("b'\\u0041'", "unable to unescape string (1:9)"),
    ("'\\477'", "unable to unescape string (1:6)"),
    ("0b15", 'bad number syntax: "0b15" (1:4)'),
    ("n +", "unexpected token EOF (1:3)"),
    ("m.", "unexpected end of expression (1:2)"),
    ("n s 'open", 'unexpected token Identifier("s") (1:3)'),  # what stands first is told
    ("a @ b", "unrecognized character: U+0040 '@'"),
    ("1 +\nnobody", "unknown name nobody (2:1)\n | nobody\n | ^"),
    ("(" * 200 + "1" + ")" * 200, "compilation failed: expression nests too deeply"),
    ("[" + "1," * 10001 + "]", "compilation failed: expression exceeds maximum allowed nodes"),
]


@pytest.mark.parametrize(("source", "text"), REFUSED, ids=[source[:40] for source, _ in REFUSED])
def test_a_wrong_expression_is_refused_when_it_is_compiled(source: str, text: str) -> None:
    with pytest.raises(BadExpression) as caught:
        expression.compile(source, TYPES)
    assert str(caught.value).startswith(text)


FAILING = [
    ("int('x')", "invalid operation: int(x)"),
    ("[1][5]", "index out of range: 5 (array length is 1)"),
    ("any_value.x", "cannot fetch x from <nil>"),
    ("any_value + 1", "invalid operation: <nil> + int"),
    ("map(m.a, #)", "cannot map over int"),
    ("repeat('a', 2000000)", "memory budget exceeded"),
    ("1..2000000", "memory budget exceeded"),
    ("map(1..1000, count(1..1000, # > 1))", "memory budget exceeded"),
    ("len(replace(repeat('a', 1000), '', repeat('b', 10000)))", "memory budget exceeded"),
    ("s matches (s + '(')", "error parsing regexp"),
    ("reduce([], # + #acc)", "reduce of empty array with no initial value"),
    ("date('no date')", "invalid date no date"),
    ("duration('x')", 'time: invalid duration "x"'),
    ("fromJSON('{')", "invalid JSON"),
    ("fromJSON('5e2482')", "invalid JSON"),
    ("fromJSON('[1" + "0" * 400 + "]')", "invalid JSON"),
    ("timezone('No/Where')", "unknown time zone No/Where"),
]


@pytest.mark.parametrize(("source", "text"), FAILING, ids=[source for source, _ in FAILING])
def test_what_only_shows_when_it_runs_is_an_expression_error(source: str, text: str) -> None:
    program = expression.compile(source, TYPES)
    with pytest.raises(ExpressionError) as caught:
        program.run(VALUES)
    assert str(caught.value).startswith(text)


def test_a_strings_doubling_is_bounded() -> None:
    source = "let a0 = repeat('x', 1000);" + "".join(f"let a{i + 1} = a{i} + a{i};" for i in range(40)) + "len(a40)"
    with pytest.raises(ExpressionError, match="memory budget exceeded"):
        run(source)


def test_the_environment_may_take_the_name_of_a_built_in() -> None:
    program = expression.compile("type() == 'A'", QUERY)
    assert program.run({"type": lambda: "A"}) is True
    with pytest.raises(BadExpression, match="too many arguments to call type"):
        expression.compile("type(1)", QUERY)


def test_a_program_knows_the_type_of_its_value() -> None:
    assert expression.compile("n * 2", TYPES).type == INT
    assert expression.compile("n > 1 ? 'a' : 'b'", TYPES).type == STRING
    assert expression.compile("any_value", TYPES).type is ANY


def test_programs_are_values() -> None:
    program = expression.compile("n + 1", TYPES)
    again = pickle.loads(pickle.dumps(program))
    assert again == program == expression.compile("n + 1", TYPES) != expression.compile("n + 2", TYPES)
    assert again.run(VALUES) == 8


def test_an_environment_with_any_in_it_survives_pickling() -> None:
    types = {"group": function((ANY,), STRING), "x": ANY}
    program = pickle.loads(pickle.dumps(expression.compile("group('a') + string(x)", types)))
    assert program.run({"group": lambda key: f"<{key}>", "x": 1}) == "<a>1"


@pytest.mark.parametrize("word", ["a", "_x1", "twice"])
def test_a_word_can_name_a_variable(word: str) -> None:
    assert expression.is_name(word)


@pytest.mark.parametrize("word", ["true", "nil", "let", "in", "not", "a-b", "1a", "a b", ""])
def test_literals_and_operators_cannot_name_a_variable(word: str) -> None:
    assert not expression.is_name(word)


# What the language's own documentation shows, put together anew -------------------------------------------------------

TOGETHER: list[tuple[str, Any]] = [
    ("let primes = filter(2..50, let k = #; none(2..k - 1, k % # == 0)); [first(primes), last(primes), len(primes)]",
     [2, 47, 15]),
    ("1..1000 | map(string(#)) | groupBy(len(split(#, '0')) - 1) | toPairs() | sortBy(#[0]) | map(len(#[1]))",
     [819, 171, 9, 1]),
    ("let f = 11; ['r', 'w', 'x', 'a'] | map(bitand(f, bitshl(1, #index)) != 0 ? # : '-') | join('')", "rw-a"),
    ("let d = date('2023-08-14') - date('2023-08-12'); [d.Hours(), d == duration('48h')]", [48.0, True]),
    ("let rows = [{n: 'a', v: [1, 2]}, {n: 'b', v: []}]; {sum: sum(rows, sum(.v)), names: join(map(rows, .n), '+')}",
     {"sum": 3, "names": "a+b"}),
    ("reduce(['10.0.0.1', '10.0.0.2'], #acc and # startsWith '10.', true)", True),
    ("keys({b: 1, a: 2}) | sort() | join(',')", "a,b"),
    ("['b', 'A', 'c'] | sortBy(lower(#)) | reverse() | join('')", "cbA"),
    ("flatten([[1], [2, [3]]]) | uniq() | mean()", 2.0),
]  # fmt: skip


@pytest.mark.parametrize(("source", "value"), TOGETHER)
def test_what_programs_put_together(source: str, value: Any) -> None:
    assert run(source) == value
