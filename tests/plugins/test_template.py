"""template: stanzas, sections, conditions, aliases; the recorded answers of the reference."""

from __future__ import annotations

import pickle
from typing import Any, cast

import pytest

from shardns.config.draft import Draft
from shardns.config.errors import ConfigError
from shardns.plugins.template.options import Options
from shardns.plugins.template.record import BadRecord, record
from shardns.plugins.template.template import Template, matches, record_failures, template_failures
from shardns.worker import metrics
from shardns.worker.query import Query
from shardns.worker.reply import Reply, ServFail
from shardns.worker.wire.codes import AAAA, ANY, CH, MX, TC, TXT, A
from shardns.worker.wire.edns import Edns
from shardns.worker.wire.names import from_text
from shardns.worker.wire.records import RRset, Section
from tests.plugins.recorded import Recorded, upstream
from tests.plugins.small import lines, message, refusal
from tests.worker.fakes import FakeSite, query

UNANSWERED = object()


def plugin(*stanzas: str, **site: Any) -> Template:
    text = "\n".join(f"template {stanza}" for stanza in stanzas)
    return Template(Options.read(text), cast(Any, FakeSite(**({"view": ""} | site))))


def answered(of: Template, asked: Query) -> Any:
    reply = of.answer(asked)
    return UNANSWERED if reply is None else message(asked, reply)


def records(of: Template, asked: Query) -> list[str]:
    return lines(answered(of, asked).answer)


# The recorded answers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ederror", "fields", "groups", "sections-rcode", "vars-expr"])
def test_every_answer_is_the_recorded_one(name: str) -> None:
    assert Recorded(f"template-{name}").differences() == []


def test_aliases_are_followed_as_recorded_whether_the_target_has_to_be_waited_for_or_not() -> None:
    zone = "www 300 IN A 198.51.100.7\nwww 300 IN A 198.51.100.8\nwww 300 IN AAAA 2001:db8:1::7\n"
    assert Recorded("template-cname", {"forward": upstream(zone, "other.test.")}).differences() == []


def test_the_recorded_configurations_are_refused_and_accepted() -> None:
    scenario = Recorded("template-bad-config")
    accepted = []
    for step in scenario.scenario["step"]:
        if step.get("write") == "Corefile":
            try:
                scenario.generation = scenario.build(step["text"])
                accepted.append(step["text"])
            except ConfigError as error:
                assert error.text.startswith("plugin/template: Corefile:")
    assert len(accepted) == 1 and "NoSuchField" in accepted[0]
    assert scenario.ask({"query": "a.good.test TXT"})["answer"] == ['a.good.test. 60 IN TXT "v3"']


# Which stanza ------------------------------------------------------------------------------------------------------


def test_names_outside_all_zones_go_on() -> None:
    assert answered(plugin("IN A example.org {\n answer x\n}"), query("example.com.")) is UNANSWERED


def test_a_stanza_of_another_zone_class_or_type_is_passed_over_without_fallthrough() -> None:
    of = plugin(
        "IN A other.test {\n rcode NXDOMAIN\n}", "CH ANY test {\n rcode NXDOMAIN\n}",
        "IN MX test {\n rcode NXDOMAIN\n}",
        "IN A test {\n rcode YXDOMAIN\n}",
    )  # fmt: skip
    assert answered(of, query("a.test.")).rcode() == 6
    assert answered(of, query("a.test.", AAAA)) is UNANSWERED


def test_the_block_test_of_the_reference() -> None:
    of = plugin(
        "IN A test. {\n rcode REFUSED\n}",
        "IN TXT test. {\n match $^\n rcode SERVFAIL\n fallthrough\n}",
        'CH TXT coredns.invalid. {\n answer "{{ .Name }} 60 CH TXT \\"test\\""\n}',
        'IN MX example {\n match ^[a-z]+\\d[.]example[.]$\n answer "{{ .Name }} 60 IN MX 10 mail.example."\n}',
        "IN A example {\n match $^\n rcode SERVFAIL\n fallthrough\n}",
    )
    assert answered(of, query("a.test.")).rcode() == 5
    assert answered(of, query("a.test.", TXT)) is UNANSWERED
    assert answered(of, query("test.", MX)) is UNANSWERED
    chaos = query("coredns.invalid.", TXT).ask(qclass=CH)
    assert lines(answered(of, chaos).answer) == ['coredns.invalid. 60 CH TXT "test"']
    assert records(of, query("mail1.example.", MX)) == ["mail1.example. 60 IN MX 10 mail.example."]
    with pytest.raises(ServFail):
        of.answer(query("mail.example.", MX))
    assert answered(of, query("mail.example.")) is UNANSWERED


def test_fallthrough_for_other_zones_is_none() -> None:
    of = plugin("IN A {\n match no\n fallthrough other.test\n}")
    with pytest.raises(ServFail) as caught:
        of.answer(query("a.test."))
    assert caught.value.text == ""
    assert answered(of, query("a.other.test.")) is UNANSWERED


def test_a_query_for_any_shows_the_class_and_type_of_the_stanza() -> None:
    of = plugin('IN A {\n answer "{{ .Name }} 60 IN TXT {{ .Class }}-{{ .Type }}"\n}')
    assert records(of, query("a.test.", ANY)) == ['a.test. 60 IN TXT "IN-A"']
    of = plugin('ANY ANY {\n answer "{{ .Name }} 60 IN TXT <{{ .Type }}>"\n}')
    assert records(of, query("a.test.", 65280)) == ['a.test. 60 IN TXT "<>"']


# Records -----------------------------------------------------------------------------------------------------------


def test_the_sections_and_the_header() -> None:
    of = plugin(
        'IN A {\n answer "{{ .Name }} IN A 192.0.2.1" "{{ .Name }} 5 A 192.0.2.2"\n'
        ' authority "{{ .Zone }} 60 IN NS ns.test."\n additional "ns.test. 60 IN A 192.0.2.3"\n}'
    )
    got = answered(of, query("WWW.Test.", flags=0x0110))
    assert lines(got.answer) == ["www.test. 3600 IN A 192.0.2.1", "www.test. 5 IN A 192.0.2.2"]
    assert lines(got.authority) == [". 60 IN NS ns.test."]
    assert lines(got.additional) == ["ns.test. 60 IN A 192.0.2.3"]
    assert got.flags == 0x8510
    assert got.question[0].name.to_text() == "WWW.Test."


def test_a_rcode_may_come_with_records() -> None:
    of = plugin('IN A {\n rcode NXDOMAIN\n answer "{{ .Name }} 60 IN SOA a.test. b.test. (1 60 60 60 60)"\n}')
    got = answered(of, query("a.test."))
    assert (got.rcode(), len(got.answer)) == (3, 1)


def test_servfail_is_left_to_the_core_and_renders_nothing() -> None:
    of = plugin('IN A {\n rcode SERVFAIL\n answer "{{ index .Match 9 }}"\n}')
    before = metrics.values[matches.cell("dns://:53", ".", "", "IN", "A")]
    with pytest.raises(ServFail) as caught:
        of.answer(query("a.test."))
    assert caught.value.text == ""
    assert metrics.values[matches.cell("dns://:53", ".", "", "IN", "A")] == before + 1


def test_a_template_that_fails_is_servfail_with_the_place_and_is_counted() -> None:
    of = plugin('IN A test {\n answer "{{ .Name }} 60 IN A {{ index .Match 2 }}"\n}')
    source = "{{.Name}} 60 IN A {{index .Match 2}}"
    cell = template_failures.cell("dns://:53", "test.", "", "IN", "A", "answer", source)
    before = metrics.values[cell]
    with pytest.raises(ServFail) as caught:
        of.answer(query("a.test."))
    assert caught.value.text == (
        'template: answer:1:23: executing "answer" at <index .Match 2>: error calling index: index out of range: 2'
    )
    assert metrics.values[cell] == before + 1


def test_a_text_that_is_no_record_is_servfail_with_the_reason_and_is_counted() -> None:
    of = plugin('IN A example {\n additional "{{ .Name }}"\n}')
    cell = record_failures.cell("dns://:53", "example.", "", "IN", "A", "additional", "{{.Name}}")
    before = metrics.values[cell]
    with pytest.raises(ServFail) as caught:
        of.answer(query("test.example."))
    assert caught.value.text == 'dns: not a TTL: "test.example." at line: 1:13'
    assert metrics.values[cell] == before + 1


@pytest.mark.parametrize(
    "text", ["", "; only a comment", "$TTL 60", "$INCLUDE /etc/hostname", "a.test. 60 IN A 1.2.3.4.5"]
)
def test_what_is_no_record_is_refused(text: str) -> None:
    with pytest.raises(BadRecord):
        record(text)


def test_only_the_first_record_counts_and_comments_before_it_do_not() -> None:
    found = record("; comment\n\na.test. 60 IN SOA a. b. (\n 1 2 3\n 4 5 )\nb.test. 60 IN A 192.0.2.1\n")
    assert (found.owner, found.rtype, found.ttl) == (from_text("a.test."), 6, 60)


@pytest.mark.parametrize("text", ["", " 60 IN A 192.0.2.1", "; nothing"])
def test_text_that_names_no_record_is_a_failure(text: str) -> None:
    with pytest.raises(ServFail):
        answered(plugin(f'IN A {{\n answer "{text}"\n}}'), query("a.test."))


# Aliases -----------------------------------------------------------------------------------------------------------


def test_a_truncated_answer_for_the_target_truncates() -> None:
    asked: list[tuple[bytes, int]] = []

    def lookup(asking: Query, name: bytes, qtype: int) -> Reply:
        asked.append((name, qtype))
        return asking.reply(answer=Section([RRset(name, A, 60, (b"\1\2\3\4",))]), flags=TC)

    of = plugin('IN ANY {\n answer "{{ .Name }} 60 IN CNAME B.test."\n}', lookup=lookup)
    got = answered(of, query("a.test."))
    assert lines(got.answer) == ["a.test. 60 IN CNAME B.test.", "B.test. 60 IN A 1.2.3.4"]
    assert got.flags & TC
    answered(of, query("a.test.", TXT))
    assert asked == [(from_text("B.test."), A)]


def test_a_lookup_that_fails_is_left_out() -> None:
    def lookup(asking: Query, name: bytes, qtype: int) -> Reply:
        raise ServFail("too many nested lookups")

    of = plugin('IN A {\n answer "{{ .Name }} 60 IN CNAME b.test."\n}', lookup=lookup)
    assert records(of, query("a.test.")) == ["a.test. 60 IN CNAME b.test."]


# Data, variables, conditions ---------------------------------------------------------------------------------------


def test_the_client_and_metadata_are_there_and_keep_the_answer_out_of_the_memo() -> None:
    of = plugin('IN TXT {\n answer "{{ .Name }} 60 IN TXT \\"{{ .Remote }} {{ .Meta `foo` }} {{ .Meta `bar` }}\\""\n}')
    asked = query("a.test.", TXT)
    asked.request.metadata = {"foo": lambda: "label"}
    assert records(of, asked) == ['a.test. 60 IN TXT "10.240.0.1 label "']
    assert asked.request.once


@pytest.mark.parametrize(
    ("body", "once"),
    [
        ('answer "{{ .Name }} 60 IN A 192.0.2.{{ index .Match 0 | len }}"', False),
        ("answer \"{{ with .Group.n }}{{ . }}{{ end }}\"\n expr name() == 'x'", True),
        ("var a incidr(client_ip(), '10.0.0.0/8')", True),
        ("expr id() > 5", True),
        ("expr type() == 'A' and size() > 5", False),
        ('answer "{{ .Message.Id }}"', True),
        ('answer "{{ .Name }} 60 IN TXT {{ .Question.Name }}"', True),
    ],
)
def test_only_answers_that_depend_on_more_than_the_memos_key_are_kept_out_of_it(body: str, once: bool) -> None:
    assert plugin(f"IN A {{\n {body}\n}}").stanzas[0].repeatable is not once


def test_the_message_and_question_print_as_the_reference_shows_them() -> None:
    of = plugin(
        'IN ANY {\n answer "{{ .Name }} 60 IN TXT {{ printf `%q` (print .Question) }} {{ len .Message.Question }}"\n}'
    )
    assert records(of, query("A.test.", TXT)) == ['a.test. 60 IN TXT ";A.test.tINt TXT" "1"']
    of = plugin(
        'IN ANY {\n answer "{{ .Name }} 60 IN TXT {{ .Message.MsgHdr.Opcode }} {{ .Message.MsgHdr.Response }} '
        '{{ eq .Question.String (print .Question) }} {{ eq .Message.String (print .Message) }}"\n}'
    )
    assert records(of, query("A.test.", TXT)) == ['a.test. 60 IN TXT "0" "false" "true" "true"']


def test_variables_follow_each_other() -> None:
    of = plugin(
        "IN TXT {\n match ^(?P<a>[a-z]+)[.](x[.])?test[.]$\n var a 1\n var b a + 1\n var c b * 10\n"
        " var g group('a') + '|' + group(2) + '|' + group(0) + '|' + group('none') + group(7)\n var ok c == 20\n"
        ' answer "{{ .Name }} {{ .Var.c }} IN TXT '
        '\\"{{ .Var.a }} {{ .Var.b }} {{ .Var.g }} {{ if .Var.ok }}y{{ end }}\\""\n}'
    )
    assert records(of, query("abc.test.", TXT)) == ['abc.test. 20 IN TXT "1 2 abc||abc.test.| y"']


def test_a_condition_that_is_not_true_is_no_match() -> None:
    of = plugin("IN A {\n expr name() == 'a.test.'\n expr 1\n}")
    with pytest.raises(ServFail):
        of.answer(query("a.test."))
    of = plugin("IN A {\n expr false\n fallthrough\n}", "IN A {\n expr true\n rcode NXDOMAIN\n}")
    assert answered(of, query("a.test.")).rcode() == 3


def test_an_expression_that_fails_is_servfail_even_with_fallthrough() -> None:
    of = plugin("IN A {\n expr incidr(group(0), '10.0.0.0/8')\n fallthrough\n}")
    with pytest.raises(ServFail):
        of.answer(query("notanip.test."))


def test_expressions_are_not_evaluated_where_no_pattern_matches() -> None:
    of = plugin("IN A {\n match no\n expr incidr('x', 'y')\n fallthrough\n}")
    assert answered(of, query("a.test.")) is UNANSWERED


def test_an_extended_error_comes_with_an_opt_record() -> None:
    of = plugin('ANY ANY {\n rcode NXDOMAIN\n ederror 21 "Blocked"\n}')
    got = answered(of, query("a.test."))
    assert (got.edns, got.payload, got.ednsflags & 0x8000) == (0, 4096, 0x8000)
    assert [option.to_text() for option in got.options] == ["EDE 21 (Not Supported): Blocked"]
    assert answered(of, query("a.test.", opt=Edns(1232))).payload == 1232


# Options -----------------------------------------------------------------------------------------------------------

LOCATED = "plugin/template: Corefile:{} - Error during parsing: {}"
COUNT = "Wrong argument count or unexpected line ending after '{}'"
BAD: list[tuple[str, int, str]] = [
    ("template", 1, COUNT.format("template")), ("template IN", 1, COUNT.format("IN")),
    ("template X A", 1, "invalid query class X"), ("template X", 1, "invalid query class X"),
    ("template ANY X", 1, "invalid RR class X"), ("template in A", 1, "invalid query class in"),
    ("template ANY ANY {\n notavailable\n}", 2, COUNT.format("notavailable")),
    ("template ANY ANY {\n answer\n}", 2, COUNT.format("answer")),
    ("template ANY ANY {\n additional\n}", 2, COUNT.format("additional")),
    ("template ANY ANY {\n rcode\n}", 2, COUNT.format("rcode")),
    ("template ANY ANY {\n match\n}", 2, COUNT.format("match")),
    ("template ANY ANY {\n rcode UNDEFINED\n}", 2, "unknown rcode UNDEFINED"),
    ('template ANY ANY {\n answer "{{"\n}', 2, "could not compile template: {{, template: answer:1: unclosed action"),
    ('template ANY ANY {\n authority "{{ notAFunction }}"\n}', 2,
     'could not compile template: {{ notAFunction }}, template: authority:1: function "notAFunction" not defined'),
    ("template ANY ANY {\n match (\n}", 2, "could not parse regex: (, error parsing regexp: missing closing ): `(`"),
    (f"template ANY ANY {{\n match {'a' * 10001}\n}}", 2, "regex pattern too long: 10001 > 10000"),
    ("template ANY ANY {\n ederror\n}", 2, COUNT.format("ederror")),
    ("template ANY ANY {\n ederror 1 a b\n}", 2, COUNT.format("b")),
    ("template ANY ANY {\n ederror 65536\n}", 2,
     'error parsing extended DNS error code 65536, strconv.ParseUint: parsing "65536": '
     "value out of range"),
    ("template ANY ANY {\n var a\n}", 2, COUNT.format("a")),
    ("template ANY ANY {\n var 1a 1\n}", 2, 'invalid variable name "1a"'),
    ("template ANY ANY {\n var a-b 1\n}", 2, 'invalid variable name "a-b"'),
    ("template ANY ANY {\n expr\n}", 2, COUNT.format("expr")),
    *((f"template ANY ANY {{\n var {name} 1\n}}", 2, f'variable name "{name}" is reserved')
      for name in ("name", "group", "len", "true", "let", "type", "nil")),
    ("template ANY ANY {\n var a 1\n var a 2\n}", 3, 'variable name "a" is reserved'),
    ("template ANY ANY {\n var a b\n var b 1\n}", 2,
     "could not compile expression: a, unknown name b (1:1)\n | b\n | ^"),
    ("template ANY ANY {\n var a 1\n var b a + 'x'\n}", 3,
     "could not compile expression: b, invalid operation: + (mismatched types int and string) "
     "(1:3)\n | a + 'x'\n | ..^"),
    ("template ANY ANY {\n expr nobody\n}", 2,
     "could not compile expression: unknown name nobody (1:1)\n | nobody\n | ^"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "complaint"), BAD, ids=[text[:60] for text, _, _ in BAD])
def test_bad_options_are_refused(text: str, line: int, complaint: str) -> None:
    assert refusal(Options, text) == LOCATED.format(line, complaint)


def test_variables_are_forgotten_with_the_stanza() -> None:
    options = Options.read("template IN A {\n var a 1\n}\ntemplate IN A {\n var a 's'\n expr a == 's'\n}")
    assert [stanza.variables[0].program.type.text for stanza in options] == ["int", "string"]
    with pytest.raises(ConfigError, match="unknown name a"):
        Options.read("template IN A {\n var a 1\n}\ntemplate IN A {\n expr a == 1\n}")


def test_a_variable_that_is_refused_is_one_problem() -> None:
    with pytest.raises(ConfigError) as caught:
        Options.read("template IN A {\n var a nobody\n var b a + 1\n expr b > 1\n}")
    assert len(caught.value.problems) == 1


def test_the_last_rcode_and_fallthrough_count_and_patterns_add_up() -> None:
    (options,) = Options.read(
        "template IN A {\n match a b\n match c\n rcode NXDOMAIN\n rcode REFUSED\n"
        " fallthrough a.test\n fallthrough\n upstream x y\n}"
    )
    assert ([p.pattern for p in options.match], options.rcode, options.fallthrough) == (["a", "b", "c"], 5, (b"\0",))


def test_options_are_values() -> None:
    text = 'template IN A {\n match (?i)x\n var a 1\n expr a > 0\n answer "{{ .Name }}"\n ederror 1\n}'
    options = Options.read(text)
    assert pickle.loads(pickle.dumps(options)) == options == Options.read(text, Draft())
