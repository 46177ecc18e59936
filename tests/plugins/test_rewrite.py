"""rewrite: rules, their walk, and the way back; what set-up refuses is in test_rewrite_options."""

from __future__ import annotations

import time
from typing import Any

import pytest

from shardns.plugins.rewrite.options import Options
from shardns.plugins.rewrite.parse import rule_of
from shardns.plugins.rewrite.state import State
from shardns.worker import log
from shardns.worker.query import Query
from shardns.worker.reply import Reply
from shardns.worker.stream import Stream
from shardns.worker.wire.names import from_text
from shardns.worker.wire.read import read
from shardns.worker.wire.records import RRset, Section
from tests.plugins.small import built
from tests.plugins.whole import Message, Whole, options_of, question, texts
from tests.worker.fakes import message, query, request

HOST = "10.240.0.1"
V6 = "fe80::42:ff:feca:4c65"


def serving(rules: str, backend: str = "", head: str = "") -> Whole:
    """A server that answers every A query with one record of the name that it sees."""
    answer = backend or 'template IN A {\n answer "{{ .Name }} 60 IN A 192.0.2.1"\n }'
    return Whole(f". {{\n {head}\n {rules}\n {answer}\n}}")


def template(qtype: str, *records: str, more: str = "") -> str:
    """Return a backend with fixed records."""
    lines = "\n".join(f'answer "{record}"' for record in records)
    return f"template IN {qtype} {{\n {lines}\n {more}\n }}"


def asked(answer: Message) -> str:
    return answer.question[0].to_text()


def owner(whole: Whole, name: str) -> str:
    """Return the owner of the answer: what the backend saw."""
    return texts(whole.answered(name).answer)[0].split()[0]


@pytest.mark.parametrize(
    ("rule", "name", "seen"),
    [
        ("name prefix foo bar", "foo.example.com.", "bar.example.com."),
        ("name prefix foo bar", "Foo.Example.com.", "bar.example.com."),
        ("name prefix foo bar", "coredns.foo.", "coredns.foo."),
        ("name suffix com org", "foo.example.com.", "foo.example.org."),
        ("name suffix .com .org", "foo.example.com.", "foo.example.org."),
        ("name suffix com org", "telecom.", "teleorg."),
        ("name suffix com org", "com.coredns.", "com.coredns."),
        ("name substring service svc", "a.service.b.service.c.", "a.svc.b.svc.c."),
        ("name substring service svc", "com.coredns.", "com.coredns."),
        ("name suffix .ingress.coredns.rocks nginx.coredns.rocks", "coredns.ingress.coredns.rocks.",
         "corednsnginx.coredns.rocks."),
        ("NAME Regex (core)\\.(dns)\\.(rocks) {2}.{1}.{3}", "core.dns.rocks.", "dns.core.rocks."),
        ("name regex (d)ns {0}.x", "a.dns.b.", "dns.x."),
        ("name regex (a)|(b) {1}-{2}.x", "b.", "-b.x."),
    ],
)  # fmt: skip
def test_names_change_as_their_rule_says(rule: str, name: str, seen: str) -> None:
    whole = serving(f"rewrite {rule}")
    assert owner(whole, name) == seen
    assert asked(whole.answered(name)) == f"{name} IN A"


def test_an_exact_rule_undoes_itself() -> None:
    whole = serving("rewrite name a.test b.test")
    assert texts(whole.answered("A.tesT.").answer) == ["a.test. 60 IN A 192.0.2.1"]
    assert owner(whole, "x.a.test.") == "x.a.test."


def test_the_walk_ends_at_a_match_or_goes_on() -> None:
    rules = "rewrite continue name regex consul\\.(rocks) core.dns.{1}\n rewrite name core.dns.rocks to.nl.\n"
    whole = serving(rules + " rewrite name to.nl. never.\n rewrite type AAAA A")
    answer = whole.answered("consul.rocks.")
    assert (asked(answer), texts(answer.answer)[0].split()[0]) == ("consul.rocks. IN A", "core.dns.rocks.")
    assert texts(whole.answered("other.", "AAAA").answer) == ["other. 60 IN A 192.0.2.1"]
    assert not whole.answered("to.nl.", "AAAA").answer


def test_where_only_continue_rules_matched_the_client_sees_the_changed_question() -> None:
    whole = serving("rewrite continue name suffix a.test b.test")
    assert asked(whole.answered("x.a.test.")) == "x.b.test. IN A"
    assert not whole.is_memorised()
    failing = Whole(". {\n rewrite continue type MX A\n}")
    assert (asked(failing.answered("x.", "MX")), failing.answered("x.", "MX").rcode()) == ("x. IN A", 2)


def test_a_name_that_is_none_is_servfail_with_the_clients_question(capfd: pytest.CaptureFixture[str]) -> None:
    answer = serving("rewrite name example.org. example..org.", head="errors").answered("Example.org.")
    assert (answer.rcode(), asked(answer)) == (2, "Example.org. IN A")
    line = "[ERROR] plugin/errors: 2 example.org. A: invalid name after rewrite: example..org."
    assert line in capfd.readouterr().out.splitlines()


RECORDS = {
    "A": "{{ .Name }} 60 IN A 192.0.2.1",
    "SRV": "_x.a.cluster.local. 60 IN SRV 1 2 3 a.cluster.local.",
    "MX": "a.cluster.local. 60 IN MX 10 a.cluster.local.",
    "CNAME": "a.cluster.local. 60 IN CNAME b.cluster.local.",
    "DNAME": "a.cluster.local. 60 IN DNAME b.cluster.local.",
    "NS": "a.cluster.local. 60 IN NS b.cluster.local.",
    "PTR": "a.cluster.local. 60 IN PTR b.cluster.local.",
    "SOA": "a.cluster.local. 60 IN SOA b.cluster.local. b.cluster.local. 1 2 3 4 5",
    "NAPTR": 'a.cluster.local. 60 IN NAPTR 1 2 \\"s\\" \\"p\\" \\"r\\" b.cluster.local.',
    "TXT": "a.cluster.local. 60 IN TXT a.cluster.local.",
}
MAPPED = {
    "A": "a.domain.uk. 60 IN A 192.0.2.1",
    "SRV": "_x.a.domain.uk. 60 IN SRV 1 2 3 a.domain.uk.",
    "MX": "a.domain.uk. 60 IN MX 10 a.domain.uk.",
    "CNAME": "a.domain.uk. 60 IN CNAME b.domain.uk.",
    "DNAME": "a.domain.uk. 60 IN DNAME b.domain.uk.",
    "NS": "a.domain.uk. 60 IN NS b.domain.uk.",
    "PTR": "a.domain.uk. 60 IN PTR b.domain.uk.",
    "SOA": "a.domain.uk. 60 IN SOA b.domain.uk. b.cluster.local. 1 2 3 4 5",
    "NAPTR": 'a.domain.uk. 60 IN NAPTR 1 2 "s" "p" "r" b.domain.uk.',
    "TXT": 'a.domain.uk. 60 IN TXT "a.cluster.local."',
}
EXPLICIT = """rewrite stop {
        name regex (.*)\\.domain\\.uk {1}.cluster.local
        answer name (.*)\\.cluster\\.local {1}.domain.uk
        answer value (.*)\\.cluster\\.local {1}.domain.uk
    }"""
SUFFIX = "rewrite name suffix .domain.uk .cluster.local answer auto"
CHAINED = "rewrite continue name suffix .domain.uk .x answer auto\n rewrite name suffix .x .cluster.local answer auto"


@pytest.mark.parametrize("rules", [EXPLICIT, SUFFIX, CHAINED], ids=["explicit", "suffix", "chained"])
@pytest.mark.parametrize("qtype", RECORDS)
def test_answers_are_mapped_back(rules: str, qtype: str) -> None:
    answer = serving(rules, template(qtype, RECORDS[qtype])).answered("a.domain.uk.", qtype)
    assert texts(answer.answer) == [MAPPED[qtype]]


def test_all_sections_are_mapped_back() -> None:
    more = 'authority "b.cluster.local. 60 IN NS c.cluster.local."\n additional "c.cluster.local. 60 IN A 192.0.2.2"'
    answer = serving(SUFFIX, template("A", RECORDS["A"], more=more)).answered("a.domain.uk.")
    assert texts(answer.authority) == ["b.domain.uk. 60 IN NS c.domain.uk."]
    assert texts(answer.additional) == ["c.domain.uk. 60 IN A 192.0.2.2"]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("example.org.", "example.com."),
        ("sub.example.org.", "sub.example.com."),
        ("a.b.example.org.", "a.b.example.com."),
        ("notexample.org.", "notexample.org."),
        ("example.net.", "example.net."),
        ("org.", "org."),
    ],
)
def test_auto_maps_names_below_at_a_label(name: str, shown: str) -> None:
    answer = serving("rewrite name example.com. example.org.", template("A", f"{name} 60 IN A 192.0.2.1"))
    assert texts(answer.answered("example.com.").answer) == [f"{shown} 60 IN A 192.0.2.1"]


def test_without_a_rule_for_answers_their_names_stay_changed() -> None:
    assert owner(serving("rewrite name prefix a b"), "a.test.") == "b.test."
    assert owner(serving("rewrite name prefix a. b. answer auto"), "a.test.") == "a.test."


@pytest.mark.parametrize(
    ("rule", "ttl", "expected"),
    [
        ("ttl a.test 15", 60, 15),
        ("ttl exact A.test. 1", 60, 1),
        ("ttl prefix a. 30", 60, 30),
        ("ttl suffix test 45", 60, 45),
        ("ttl substring .tes 7", 60, 60),
        ("ttl regex ^a\\. 9", 60, 9),
        ("ttl a.test 30-300", 5, 30),
        ("ttl a.test 30-300", 55, 55),
        ("ttl a.test 30-300", 500, 300),
        ("ttl a.test -11", 15, 11),
        ("ttl a.test -11", 5, 5),
        ("ttl a.test 5-", 0, 5),
        ("ttl a.test 5-", 30, 30),
        ("ttl b.test 5", 30, 30),
    ],
)
def test_ttls_are_brought_into_a_range(rule: str, ttl: int, expected: int) -> None:
    more = f'authority "test. {ttl} IN NS ns.test."'
    answer = serving(f"rewrite {rule}", template("A", f"a.test. {ttl} IN A 192.0.2.1", more=more)).answered("a.test.")
    assert [answer.answer[0].ttl, answer.authority[0].ttl] == [expected, expected]


@pytest.mark.parametrize(("name", "code"), [("FORMERR", 1), ("SERVFAIL", 2), ("NOTIMP", 4), ("REFUSED", 5)])
@pytest.mark.parametrize("mode", ["stop", "continue"])
def test_response_codes_of_bare_failures_are_replaced(name: str, code: int, mode: str) -> None:
    backend = f"template IN ANY {{\n rcode {name}\n }}"
    rule = f"rewrite {mode} rcode exact srv1.coredns.rocks {name} NOERROR"
    whole = serving(rule, backend)
    assert whole.answered("srv1.coredns.rocks.").rcode() == 0
    assert whole.answered("srv1.coredns.rocks.", size=1232).rcode() == 0
    assert whole.answered("srv2.coredns.rocks.").rcode() == code


def test_a_failure_of_the_chain_is_answered_and_reported(capfd: pytest.CaptureFixture[str]) -> None:
    whole = Whole(". {\n errors\n rewrite rcode regex .* 2 0\n}")
    answer = whole.answered("a.test.", size=1400)
    assert (answer.rcode(), answer.payload, asked(answer)) == (0, 1400, "a.test. IN A")
    assert not whole.is_memorised()
    assert "[ERROR] plugin/errors: 0 a.test. A: plugin/rewrite: no next plugin found" in capfd.readouterr().out


def test_a_failure_below_a_stop_rule_shows_the_clients_question() -> None:
    answer = Whole(". {\n rewrite name regex (.*)\\.test\\.$ {1}. answer auto\n}").answered("example.test.")
    assert (answer.rcode(), asked(answer)) == (2, "example.test. IN A")


CNAMES = """
template IN A abc.test {
    answer "abc.test. 60 IN CNAME mid.test."
    answer "mid.test. 60 IN CNAME def.test."
    answer "def.test. 60 IN A 192.0.2.1"
}
template IN A xyz.test {
    answer "{{ .Name }} 30 IN A 192.0.2.9"
}
"""


@pytest.mark.parametrize(
    "rule",
    [
        "cname def.test xyz.test",
        "cname exact DEF.test. XYZ.test.",
        "cname prefix de xyz.test.",
        "cname suffix def.test. xyz.test.",
        "cname substring ef. xyz.test.",
        "cname regex ^d.*\\.(test\\.)$ xyz.{1}",
    ],
)
def test_the_target_of_a_cname_is_changed_and_looked_up(rule: str) -> None:
    whole = Whole(f".:1053 {{\n rewrite {rule}\n {CNAMES}\n template IN A {{\n rcode NXDOMAIN\n }}\n}}")
    found = texts(whole.answered("abc.test.").answer)
    assert found[0] == "abc.test. 60 IN CNAME mid.test."
    if "prefix" in rule:
        assert found[1] == "mid.test. 60 IN CNAME xyz.test.f.test."
    elif "substring" in rule:
        assert found[1] == "mid.test. 60 IN CNAME dxyz.test.test."
    else:
        assert found[1:] == ["mid.test. 60 IN CNAME xyz.test.", "xyz.test. 30 IN A 192.0.2.9"]


def test_a_target_that_leads_to_itself_ends() -> None:
    rule = "rewrite cname mid.test abc.test"
    answer = Whole(f". {{\n {rule}\n {CNAMES}\n}}").answered("abc.test.")
    assert texts(answer.answer)[0] == "abc.test. 60 IN CNAME abc.test."


@pytest.mark.parametrize(("records", "rcode"), [((1,), 0), ((1, 2), 6), ((1, 2, 3), 6)])
def test_rules_for_the_code_act_in_turn_on_each_record(records: tuple[int, ...], rcode: int) -> None:
    rules = "rewrite continue rcode exact a.test NXDOMAIN NOERROR\n rewrite rcode exact a.test NOERROR YXDOMAIN"
    answers = (f"{{{{ .Name }}}} 60 IN A 192.0.2.{number}" for number in records)
    whole = serving(rules, template("A", *answers, more="rcode NXDOMAIN"))
    assert whole.answered("a.test.").rcode() == rcode


def test_every_message_of_a_zone_transfer_is_changed() -> None:
    layer = built(Options, "rewrite continue ttl regex .* 10\nrewrite name a.test b.test")
    steps = layer.around(query("a.test."))
    assert next(steps).name_text == "b.test."
    one = Reply(answer=Section([RRset(from_text("x.b.test."), 1, 60, (bytes(4),))]))
    found = steps.send(Stream(one, iter((None, one))))
    assert isinstance(found, Stream)
    first, second = found.answer[0], [part and part.answer[0] for part in found.parts]
    assert (first.owner, first.ttl) == (from_text("x.a.test."), 10)
    assert second == [None, first]


def test_a_target_rule_with_an_empty_word_does_nothing() -> None:
    whole = serving('rewrite cname prefix "" x\n rewrite name a.test b.test')
    assert texts(whole.answered("a.test.").answer) == ["a.test. 60 IN A 192.0.2.1"]


# EDNS options: a backend without OPT record echoes the query's -------------------------------------------------------


def opt(rules: str, **more: Any) -> tuple[int, list[tuple[int, bytes]]]:
    """Return the size and the options of the OPT record that comes back; -1 for none."""
    answer = serving("\n ".join(f"rewrite {rule}" for rule in rules.split("\n"))).answered("a.test.", **more)
    return (answer.payload if answer.edns >= 0 else -1), options_of(answer)


COOKIE = (10, b"01234567")
LOCAL = (0xFFEE, b"\xaa")


@pytest.mark.parametrize(
    ("rule", "before", "after"),
    [
        ("local set 0xffee 0xabcdef", (), [(0xFFEE, b"\xab\xcd\xef")]),
        ("local set 65518 0xabcdef", (LOCAL, COOKIE), [(0xFFEE, b"\xab\xcd\xef"), COOKIE]),
        ("local append 0xffee hello", (), [(0xFFEE, b"hello")]),
        ("local append 0xffee hello", (LOCAL,), [LOCAL, (0xFFEE, b"hello")]),
        ("local replace 0xffee 0x01", (), []),
        ("local replace 0xffee 0x01", (LOCAL,), [(0xFFEE, b"\x01")]),
        ("local unset 0xffee", (LOCAL, COOKIE, LOCAL), [COOKIE]),
        ("local set 0xffee 0x77 revert", (), []),
        ("local set 0xffee 0x77 revert", (COOKIE,), [COOKIE]),
        ("local set 0xffee 0x77 revert", (LOCAL, COOKIE), [LOCAL, COOKIE]),
        ("local append 0xffee 0x77 revert", (), []),
        ("nsid set", (), [(3, b"")]),
        ("nsid append", (), [(3, b"")]),
        ("nsid replace", (), []),
        ("nsid unset", ((3, b""), COOKIE), [COOKIE]),
        ("local set 0xffee {qname}", (), [(0xFFEE, b"a.test.")]),
        ("local set 0xffee {qtype}", (), [(0xFFEE, b"\0\1")]),
        ("local set 0xffee {client_ip}", (), [(0xFFEE, b"\x0a\xf0\0\1")]),
        ("local set 0xffee {client_port}", (), [(0xFFEE, b"\x9d\x14")]),
        ("local set 0xffee {protocol}", (), [(0xFFEE, b"udp")]),
        ("local set 0xffee {server_port}", (), [(0xFFEE, b"\0\x35")]),
        ("local append 0xffee {protocol}", (LOCAL,), [LOCAL]),
    ],
)
def test_options(rule: str, before: tuple[tuple[int, bytes], ...], after: list[tuple[int, bytes]]) -> None:
    assert opt(f"edns0 {rule}", options=before) == (1232 if before else 4096, after)


@pytest.mark.parametrize("label", ["{no/such}", "{view/name}"])
def test_a_label_without_a_value_changes_nothing(label: str) -> None:
    assert opt(f"edns0 local set 0xffee {label}") == (-1, [])


def test_a_label_with_a_value_is_sent() -> None:
    whole = serving("rewrite edns0 local set 0xffee {view/name}", head="metadata\n view inside")
    assert options_of(whole.answered("a.test.")) == [(0xFFEE, b"inside")]


@pytest.mark.parametrize(
    ("bind", "ip", "value"),
    [
        ("bind 127.0.0.1", HOST, b"\x7f\0\0\1"),
        ("bind 127.0.0.1", V6, bytes(10) + b"\xff\xff\x7f\0\0\1"),
        ("", V6, bytes(16)),
        ("", HOST, None),
    ],
)
def test_the_servers_address_is_sent_in_the_clients_family(bind: str, ip: str, value: bytes | None) -> None:
    answer = serving("rewrite edns0 local set 0xffee {server_ip}", head=bind).answered("a.test.", ip=ip)
    assert options_of(answer) == ([] if value is None else [(0xFFEE, value)])
    assert (answer.edns < 0) is (value is None)


def test_of_two_rules_the_second_acts_where_the_first_finds_nothing() -> None:
    rules = "edns0 local replace 0xffee 0x01\nedns0 local set 0xffee 0x02"
    assert opt(rules)[1] == [(0xFFEE, b"\x02")]
    assert opt(rules, options=(LOCAL,))[1] == [(0xFFEE, b"\x01")]


@pytest.mark.parametrize(
    ("bits", "ip", "value"),
    [
        ("24 56", HOST, "000118000af000"),
        ("32 56", HOST, "000120000af00001"),
        ("0 56", HOST, "00010000"),
        ("24 56", V6, "00023800fe800000000000"),
        ("24 128", V6, "00028000fe80000000000000004200fffeca4c65"),
        ("24 0", V6, "00020000"),
    ],
)
def test_the_clients_network(bits: str, ip: str, value: str) -> None:
    query = read(message("a.test."), request(ip=ip))
    assert isinstance(query, Query)
    state = State.of(query)
    assert rule_of(["edns0", "subnet", "set", *bits.split()]).apply(state)
    assert state.edns is not None
    assert state.edns.options == ((8, bytes.fromhex(value)),)
    assert query.request.once


def test_rewritten_queries_are_what_the_log_shows(capfd: pytest.CaptureFixture[str]) -> None:
    rules = "rewrite continue type MX A\n rewrite edns0 local set 0xffee 0x01"
    whole = serving(rules, head='log . "{name} {type} {size} {>bufsize}"')
    whole.send(question("a.test.", "MX"), HOST, "udp", 0, memo=False)
    log.flush()
    assert capfd.readouterr().out == "[INFO] a.test. A 40 4096\n"


def test_targets_that_lead_to_each_other_end_in_time() -> None:
    """Each record of each answer asks for the next one: sixteen deep that would be more than anybody can wait for."""
    answers = (f'answer "{{{{ .Name }}}} 60 IN CNAME {letter}{{{{ .Name }}}}"' for letter in "xy")
    alias = "template IN A {\n " + "\n ".join(answers) + "\n }"
    whole = Whole(f". {{\n rewrite cname regex ^.?a(.*)$ a{{1}}\n {alias}\n}}")
    began = time.thread_time()
    assert whole.send(question("a.test."), "127.0.0.1", "udp", 0, memo=False)
    assert time.thread_time() - began < 1
