"""Go's text/template: what templates write, and the texts of their errors."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from shardns.plugins.template.go import BadTemplate, CallError, Struct, Template, TemplateError, Texts


def meta(name: str) -> str:
    return {"a/b": "label"}.get(name, "")


def fail() -> str:
    raise CallError("no way")


DATA = Struct(
    "*template.templateData",
    {
        "Name": "www.example.org.", "Match": ["all", "one"], "Group": Texts({"0": "all", "n": "one"}),
        "Var": {"n": 5, "b": True, "f": 1.5, "nil": None, "list": [1, 2, 3], "map": {"b": 2, "a": 1}},
        "Empty": [], "Question": Struct("*dns.Question", {"Qtype": 16}),
    },
    {"Meta": meta, "Fail": fail},
)  # fmt: skip

WRITTEN: list[tuple[str, str]] = [
    ("plain text", "plain text"), ("{{ .Name }}", "www.example.org."), ("a {{- 1 -}} b", "a1b"),
    ("a {{- /* c */ -}} b", "ab"),
    ("{{/* comment */}}x", "x"),
    ("{{ 1 }}{{ -2 }}{{ 1.5 }}{{ 0x1F }}{{ 1e3 }}{{ 'a' }}{{ true }}", "1-21.531100097true"),
    (r'{{ "a\tbé\x41" }}{{ `raw\n` }}', "a\tbéAraw\\n"), ("{{ .Group.n }} {{ .Group.missing }}", "one <no value>"),
    ("{{ index .Group `missing` }}.", "."),
    ("{{ .Var.nil }} {{ .Var.list }} {{ .Var.map }}", "<nil> [1 2 3] map[a:1 b:2]"),
    ("{{ .Question.Qtype }}", "16"), ("{{ .Meta `a/b` }}{{ .Meta `c` }}", "label"), ("{{ `a/b` | .Meta }}", "label"),
    ("{{ $.Name }}", "www.example.org."), ("{{ $x := 1 }}{{ $x }}{{ $x = 2 }}{{ $x }}", "12"),
    ("{{ $q := .Question }}{{ $q.Qtype }}{{ (.Question).Qtype }}", "1616"),
    # branches
    ("{{ if .Var.b }}y{{ else }}n{{ end }}", "y"), ("{{ if .Empty }}y{{ else }}n{{ end }}", "n"),
    ("{{ if false }}a{{ else if 0 }}b{{ else if `x` }}c{{ else }}d{{ end }}", "c"),
    ("{{ with .Var.n }}{{ . }}{{ end }}", "5"),
    ("{{ with 0 }}a{{ else with 7 }}{{ . }}{{ else }}b{{ end }}", "7"), ("{{ with $x := 3 }}{{ $x }}{{ end }}", "3"),
    ("{{ range .Var.list }}{{ . }},{{ end }}", "1,2,3,"),
    ("{{ range $i, $x := .Match }}{{ $i }}={{ $x }} {{ end }}", "0=all 1=one "),
    ("{{ range $x := .Var.list }}{{ $x }}{{ end }}", "123"),
    ("{{ range $k, $v := .Var.map }}{{ $k }}{{ $v }}{{ end }}", "a1b2"),
    ("{{ range .Empty }}x{{ else }}none{{ end }}", "none"), ("{{ range 3 }}{{ . }}{{ end }}", "012"),
    ("{{ range .Var.list }}{{ if eq . 2 }}{{ continue }}{{ end }}{{ . }}{{ end }}", "13"),
    ("{{ range .Var.list }}{{ if eq . 2 }}{{ break }}{{ end }}{{ . }}{{ end }}", "1"),
    ("{{ $n := 0 }}{{ range .Var.list }}{{ $n = . }}{{ end }}{{ $n }}", "3"),
    ("{{ define `t` }}<{{ . }}>{{ end }}{{ template `t` .Var.n }}", "<5>"),
    ("{{ block `b` 1 }}[{{ . }}]{{ end }}", "[1]"),
    ("{{ block `b` 1 }}[{{ . }}]{{ end }}{{ define `b` }}({{ . }}){{ end }}", "(1)"),
    ("{{ define `t` }}x{{ end }}{{ template `t` }}", "x"),
    # functions
    ("{{ and 1 0 2 }}{{ and 1 2 }}{{ or 0 `` }}{{ or 0 3 }}", "023"), ("{{ or .Var.b (index .Match 9) }}", "true"),
    ("{{ not .Empty }}{{ len `é` }}{{ len .Match }}{{ len .Group }}", "true222"),
    ("{{ index .Match 1 }}{{ index .Var.list 2 }}", "one3"),
    ("{{ index `abc` 1 }}", "98"), ("{{ slice `abcdef` 1 3 }}{{ slice .Match 1 }}{{ slice `ab` }}", "bc[one]ab"),
    ("{{ eq 1 1 }}{{ eq 1 2 1 }}{{ ne `a` `b` }}{{ lt 1 2 }}{{ le 2 2 }}{{ gt 1.5 1.0 }}{{ ge `b` `a` }}", "true" * 7),
    ("{{ eq .Var.nil nil }}{{ eq .Group.missing `x` }}", "truefalse"),
    ("{{ print 1 2 `a` `b` 3 }}", "1 2a b3".replace("a b", "ab")),
    ("{{ println 1 `a` }}", "1 a\n"), ("{{ html `<a href='x'>&\"` }}", "&lt;a href=&#39;x&#39;&gt;&amp;&#34;"),
    ("{{ js `it's <\"=&` }}", "it\\'s \\u003C\\\"\\u003D\\u0026"), ("{{ urlquery `a b/c&ü~` }}", "a+b%2Fc%26%C3%BC~"),
     ("{{ parseInt `ff` 16 8 }}{{ parseInt `0x10` 0 64 }}", "25516"),
    ("{{ .Name | len | printf `%03d` }}", "016"),
    ("{{ printf `%s %d %q %v %x %X %o %b %c %U` `a` 7 `b` .Var.list 255 255 8 5 65 66 }}",
     'a 7 "b" [1 2 3] ff FF 10 101 A U+0042'),
    ("{{ printf `%5d|%-5d|%05d|%+d|%x|% x` 42 42 42 42 `hi` `hi` }}",
     "   42|42   |00042|+42|6869|68 69"),
    ("{{ printf `%.2f %8.3f %e %g %t %T %T` 3.14159 2.5 1234.5 0.1 true 1 `a` }}",
     "3.14    2.500 1.234500e+03 0.1 true int string"),
    ("{{ printf `%*d %.*f %5s|%-5s|%.2s` 4 1 1 2.55 `a` `b` `xyz` }}", "   1 2.5     a|b    |xy"),
    ("{{ printf `%d %s` `a` 1 }}", "%!d(string=a) %!s(int=1)"),
    ("{{ printf `%d` }}{{ printf `x` 1 `a` }}", "%!d(MISSING)x%!(EXTRA int=1, string=a)"),
    ("{{ printf `100%% %!` }}", "100% %!!(NOVERB)".replace("%!!(NOVERB)", "%!!(MISSING)")),
    ("{{ printf `%v %s` nil .Group.missing }}", "<nil> %!s(<nil>)"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "text"), WRITTEN, ids=[source for source, _ in WRITTEN])
def test_a_template_writes_its_text(source: str, text: str) -> None:
    assert Template("answer", source).run(DATA) == text


BAD = {
    "{{": "template: answer:1: unclosed action",
    "a\n{{ .Name": "template: answer:2: unclosed action",
    "{{ notAFunction }}": 'template: answer:1: function "notAFunction" not defined',
    "{{ $x }}": 'template: answer:1: undefined variable "$x"',
    "{{ if }}x{{ end }}": "template: answer:1: missing value for if",
    "{{ }}": "template: answer:1: missing value for command",
    "{{ if 1 }}": "template: answer:1: unexpected EOF",
    "{{ end }}": "template: answer:1: unexpected {{end}}",
    "{{ else }}": "template: answer:1: unexpected {{else}}",
    "{{ .Name 1 ) }}": "template: answer:1: unexpected right paren",
    "{{ (.Name }}": "template: answer:1: unclosed left paren",
    '{{ "open }}': "template: answer:1: unterminated quoted string",
    "{{ /* x }}": "template: answer:1: unclosed comment",
    "{{/* x }}": "template: answer:1: unclosed comment",
    "{{ 1 | 2 }}": "template: answer:1: non executable command in pipeline stage 2",
    "{{ nil }}": "template: answer:1: nil is not a command",
    "{{ break }}": "template: answer:1: {{break}} outside {{range}}",
    "{{ 1x }}": 'template: answer:1: bad number syntax: "1x"',
    "{{ 99999999999999999999 }}": "template: answer:1: integer overflow: 99999999999999999999",
    "{{ .Name @ }}": "template: answer:1: unrecognized character in action: U+0040 '@'",
    "{{ $x, $y := .Match }}": "template: answer:1: too many declarations in command",
    "{{ template .Name }}": 'template: answer:1: unexpected ".Name" in template clause',
    "{{ (" + "(" * 150 + "1" + ")" * 151 + "}}": "template: answer:1: template nests too deeply",
    "{{ if 1 }}" * 150: "template: answer:1: template nests too deeply",
}


@pytest.mark.parametrize("source", BAD, ids=[source[:30] for source in BAD])
def test_a_template_that_cannot_be_parsed_says_where(source: str) -> None:
    if source == "{{ /* x }}":
        source = "{{/* x }}"
    with pytest.raises(BadTemplate) as caught:
        Template("answer", source)
    assert str(caught.value) == BAD[source]


FAILING = {
    "{{ index .Match 2 }}": "1:3: executing \"answer\" at <index .Match 2>: error calling index: index out of range: 2",
    "{{ parseInt }}": '1:3: executing "answer" at <parseInt>: wrong number of args for parseInt: want 3 got 0',
    "{{ parseInt `zz` 16 8 }}": "1:3: executing \"answer\" at <parseInt `zz` 16 8>: error calling parseInt: "
    'strconv.ParseUint: parsing "zz": invalid syntax',
    "{{ parseInt `fff` 16 8 }}": "1:3: executing \"answer\" at <parseInt `fff` 16 8>: error calling parseInt: "
    'strconv.ParseUint: parsing "fff": value out of range',
    "{{ parseInt .Group.none 10 8 }}": '1:12: executing "answer" at <.Group.none>: invalid value; expected string',
    "{{ parseInt 1 10 8 }}": '1:12: executing "answer" at <1>: expected string; found 1',
    "{{ .NoSuchField }}": "1:3: executing \"answer\" at <.NoSuchField>: can't evaluate field NoSuchField in type "
    "*template.templateData",
    "{{ .Name.Length }}": "1:3: executing \"answer\" at <.Name.Length>: can't evaluate field Length in type string",
    "{{ .Name 1 }}": '1:3: executing "answer" at <.Name>: Name has arguments but cannot be invoked as function',
    "{{ .Group.n 1 }}": '1:3: executing "answer" at <.Group.n>: n is not a method but has arguments',
    "{{ .Var.nil.x }}": '1:3: executing "answer" at <.Var.nil.x>: nil pointer evaluating interface {}.x',
    "{{ .Fail }}": '1:3: executing "answer" at <.Fail>: error calling Fail: no way',
    "{{ eq 1 `a` }}": "1:3: executing \"answer\" at <eq 1 `a`>: error calling eq: incompatible types for comparison",
    "{{ lt true false }}": '1:3: executing "answer" at <lt true false>: error calling lt: invalid type for comparison',
    "{{ .Meta }}": '1:3: executing "answer" at <.Meta>: wrong number of args for Meta: want 1 got 0',
    "{{ eq 1 }}": '1:3: executing "answer" at <eq 1>: error calling eq: missing argument for comparison',
    "{{ len 1 }}": '1:3: executing "answer" at <len 1>: error calling len: len of type int',
    "{{ slice `abc` 2 1 }}": "1:3: executing \"answer\" at <slice `abc` 2 1>: "
    "error calling slice: invalid slice index: 2 > 1",
    "{{ range true }}{{ end }}": "1:9: executing \"answer\" at <true>: range can't iterate over true",
    "{{ template `none` }}": '1:3: executing "answer" at <{{template `none`}}>: template "none" not defined',
    "{{ define `r` }}{{ template `r` }}{{ end }}{{ template `r` }}": '1:19: executing "r" at <{{template `r`}}>: '
    "exceeded maximum template depth (100)",
    "{{ range 100000000 }}{{ end }}": ' exceeded maximum template steps',
    "{{ range 2000 }}{{ printf `%9999d` 1 }}{{ end }}": " exceeded maximum template output",
    "line\n {{ .X }}": "2:4: executing \"answer\" at <.X>: can't evaluate field X in type *template.templateData",
}  # fmt: skip


@pytest.mark.parametrize("source", FAILING, ids=[source[:40] for source in FAILING])
def test_a_template_that_fails_says_where_and_why(source: str) -> None:
    template = Template("answer", source)
    with pytest.raises(TemplateError) as caught:
        template.run(DATA)
    assert str(caught.value) == f"template: answer:{FAILING[source]}"


@pytest.mark.parametrize(
    ("source", "normal"),
    [
        ("{{ .Name }} 60 {{- `a` }}", "{{.Name}} 60{{`a`}}"),
        ("{{ if eq .Group.n `1` }}a{{ else }}b{{ end }}", "{{if eq .Group.n `1`}}a{{else}}b{{end}}"),
        ("{{ $x := (len .Match) | printf `%d` }}", "{{$x := (len .Match) | printf `%d`}}"),
        ("{{ range $i, $v := .Match }}{{ break }}{{ end }}", "{{range $i, $v := .Match}}{{break}}{{end}}"),
        ("{{ template `x` . }}", "{{template `x` .}}"),
    ],
)  # fmt: skip
def test_a_template_has_a_normal_text(source: str, normal: str) -> None:
    assert str(Template("answer", source)) == normal


def test_templates_are_values() -> None:
    template = Template("answer", "{{ .Name }}")
    assert pickle.loads(pickle.dumps(template)) == template == Template("answer", "{{ .Name }}")
    assert template != Template("answer", "{{ .Match }}")


def test_values_of_any_type_can_be_compared_and_printed() -> None:
    data: dict[str, Any] = {"a": b"\x01\x02", "b": 2.0}
    assert Template("t", "{{ .a }} {{ .b }} {{ index .a 1 }}").run(data) == "[1 2] 2 2"
