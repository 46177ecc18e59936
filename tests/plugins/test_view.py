"""view: which block takes a query."""

from __future__ import annotations

import pickle

import pytest

from shardns.config.draft import Draft
from shardns.plugins.view.view import Options
from tests.plugins.small import options, refusal
from tests.plugins.whole import Whole, texts


def block(expression: str, text: str, view: str = "v", more: str = "") -> str:
    inside = f"view {view} {{\n {f'expr {expression}' if expression else ''}\n }}" if view else ""
    answer = f'template IN ANY {{\n answer "{{{{ .Name }}}} 60 IN TXT {text}"\n }}'
    return f"example.org {{\n {more}\n {inside}\n {answer}\n}}\n"


def taken(whole: Whole, name: str = "a.example.org.", **more: object) -> str:
    """Return the text of the block that answered, or the response code."""
    answer = whole.answered(name, str(more.pop("qtype", "TXT")), **more)
    return texts(answer.answer)[0].split()[-1].strip('"') if answer.answer else str(answer.rcode())


WRONG_COUNT = (
    "plugin/view: Corefile:1 - Error during parsing: Wrong argument count or unexpected line ending after '{}'"
)
OTHERS = block("", "other", view="")


@pytest.mark.parametrize(
    ("expression", "asked", "expected"),
    [
        ("incidr(client_ip(), '10.0.0.0/8')", {"ip": "10.1.1.1"}, "one"),
        ("incidr(client_ip(), '10.0.0.0/8')", {"ip": "11.1.1.1"}, "other"),
        ("incidr(client_ip(), '2001:db8::/32')", {"ip": "2001:db8::1"}, "one"),
        ("incidr(client_ip(), '2001:db8::/32')", {"ip": "10.1.1.1"}, "other"),
        ("incidr('invalid', '10.0.0.0/8')", {}, "other"),
        ("incidr(client_ip(), '10.0.0.0/99')", {}, "other"),
        ("1", {}, "other"),
        ("true", {}, "one"),
        ("type() == 'TXT'", {}, "one"),
        ("type() == 'TXT'", {"qtype": "TYPE65400"}, "other"),
        ("name() == 'a.example.org.'", {"name": "A.Example.org."}, "one"),
        ("class() == 'IN' and proto() == 'tcp'", {"via": "tcp"}, "one"),
        ("proto() == 'tcp'", {}, "other"),
        ("bufsize() == 1400", {"size": 1400}, "one"),
        ("bufsize() == 512 and not do()", {}, "one"),
        ("do()", {"do": True}, "one"),
        ("size() == 31", {}, "one"),
        ("id() == 4660 && opcode() == 0", {}, "one"),
        ("port() == '40212' and server_port() == '53'", {}, "one"),
        ("metadata('no/label') == ''", {}, "one"),
        ("$env.client_ip() == '10.240.0.1'", {}, "one"),
    ],
)
def test_an_expression_decides(expression: str, asked: dict[str, object], expected: str) -> None:
    assert taken(Whole(block(expression, "one") + OTHERS), **asked) == expected  # type: ignore[arg-type]  # a table


def test_one_client_never_gets_the_answer_of_another_ones_block() -> None:
    whole = Whole(block("incidr(client_ip(), '10.0.0.0/8')", "inside") + OTHERS)
    for _ in range(3):
        assert taken(whole, ip="10.0.0.1") == "inside"
        assert taken(whole, ip="192.0.2.1") == "other"
        assert taken(whole, ip="10.0.0.2") == "inside"
    assert whole.is_memorised()


@pytest.mark.parametrize("expression", ["id() == 1", "port() == '1'", "now().Year() == 1", "server_ip() == '::'"])
def test_what_the_memo_cannot_know_is_worked_out_each_time(expression: str) -> None:
    whole = Whole(block(expression, "one") + OTHERS)
    taken(whole)
    assert not whole.is_memorised()


def test_blocks_are_tried_in_the_order_of_the_file() -> None:
    txt, mx = block("type() == 'TXT'", "one"), block("type() in ['TXT', 'MX']", "two")
    assert taken(Whole(txt + mx + OTHERS)) == "one"
    assert taken(Whole(mx + txt + OTHERS)) == "two"
    assert taken(Whole(OTHERS + txt)) == "other"
    assert taken(Whole(txt + mx + OTHERS), qtype="A") == "other"


def test_where_no_block_takes_it_a_query_is_refused() -> None:
    whole = Whole(block("type() == 'A'", "one") + block("false", "two"))
    assert taken(whole) == "5"


def test_all_expressions_must_be_true_and_none_are() -> None:
    two = "true\n expr type() == 'MX'"
    assert taken(Whole(block(two, "one") + OTHERS)) == "other"
    assert taken(Whole(block("", "one") + OTHERS)) == "one"


def test_the_name_is_a_label_where_the_block_collects_metadata() -> None:
    named = block("metadata('view/name') == 'v'", "one", more="metadata")
    assert taken(Whole(named + OTHERS)) == "one"
    assert taken(Whole(block("metadata('view/name') == 'x'", "one", more="metadata") + OTHERS)) == "other"
    assert taken(Whole(block("metadata('view/name') == 'v'", "one") + OTHERS)) == "other"


def test_the_view_is_noted_for_metrics() -> None:
    site = Whole(block("true", "one", view="inside")).generation.sites[0]
    assert site.view == "inside"


def test_options_are_values() -> None:
    found = options(Options, "view v {\n expr name() == 'x'\n}")
    assert pickle.loads(pickle.dumps(found)) == found == options(Options, "view v {\n expr name() == 'x'\n}")


def test_a_view_frees_its_zones_for_other_blocks() -> None:
    draft = Draft()
    Options.read("view v", draft)
    assert draft.filters == ["v"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("view", WRONG_COUNT.format("view")),
        ("view a b", WRONG_COUNT.format("b")),
        ("view a {\n foo bar\n}", "plugin/view: Corefile:2 - Error during parsing: unknown property 'foo'"),
        ("view a\nview b", "plugin/view: this plugin can only be used once per Server Block"),
    ],
)  # fmt: skip
def test_bad_input(text: str, complaint: str) -> None:
    assert refusal(Options, text) == complaint


@pytest.mark.parametrize("expression", ["invalid expression", "", "unknown()", "name() == 1", "name() matches '['"])
def test_a_bad_expression_is_refused_when_the_configuration_is_read(expression: str) -> None:
    text = refusal(Options, f"view a {{\n expr {expression}\n}}")
    assert text.startswith("plugin/view: ")
    assert "Error during parsing" not in text
