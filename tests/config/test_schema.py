"""The engine: how words become options, and what is said where they do not."""

from __future__ import annotations

import pickle
from typing import Annotated, Any

import pytest

from shardns.config.draft import Draft
from shardns.config.errors import ConfigError, Refuse, WrongCount
from shardns.config.schema import Arg, Args, Each, Fallthrough, Flag, Line, Prop, Props, Schema
from shardns.config.tokens import Token
from shardns.config.values import CHOICE, DURATION, INTEGER, REGEX, STRING, ZONES, Convert, Words
from tests.config.small import Hosts


def is_number(word: str) -> bool:
    """Tell whether a word is an integer."""
    return word.lstrip("+-").isdecimal()


class Side(Schema):
    """Limits of one side."""

    capacity: Annotated[int, Arg(INTEGER)]
    ttl: Annotated[int | None, Arg(INTEGER(1, below="TTL can not be zero or negative: {}"))] = None
    ignored: Annotated[tuple[str, ...], Args(STRING)] = ()


class Cache(Schema, unknown=None):
    """An odd first argument, and properties with a grammar."""

    ttl: Annotated[int, Arg(INTEGER(1, below="cache TTL can not be zero or negative: {}"), when=is_number)] = 3600
    zones: Annotated[tuple[bytes, ...], Args(ZONES, block_zones=True)] = ()
    success: Annotated[Side | None, Line(Side)] = None
    keepttl: Annotated[bool, Flag()] = False


def judge_log(words: list[Token], draft: Draft) -> tuple[tuple[str, ...], str]:
    """The last of several words is a format if it holds a brace."""
    texts = [word.text for word in words]
    if len(texts) > 1 and "{" in texts[-1]:
        return tuple(texts[:-1]), texts[-1]
    return tuple(texts), "common"


class Log(Schema, repeat="each"):
    """A whole line for one function."""

    scope: Annotated[tuple[tuple[str, ...], str], Args(Words(judge_log))] = ((), "common")


def judge_upstream(words: list[Token], draft: Draft) -> str:
    """Refuse some words."""
    if len(words) < 2:
        raise WrongCount(at=words[-1] if words else None)
    if words[1].text == "bad":
        raise Refuse("'bad' is bad", located=True, at=words[1])
    return words[0].text


class Options(Schema, repeat="last", inner="inner: "):
    """All kinds of fields."""

    zone: Annotated[str, Arg(STRING)]
    to: Annotated[tuple[str, ...], Args(STRING, least=1)]
    policy: Annotated[str, Prop(CHOICE("random", "sequential", refused="unknown policy '{}'"), rest="property")] = (
        "random"
    )
    expire: Annotated[float, Prop(DURATION(0, below="expire can't be negative: {}"))] = 10.0
    words: Annotated[tuple[str, ...], Props(STRING, most=3)] = ()
    last: Annotated[tuple[str, ...], Props(STRING, repeat="replace", rest="ignore", most=2)] = ()
    once: Annotated[int, Prop(INTEGER, repeat="once", twice="once already defined")] = 0
    first: Annotated[int, Prop(INTEGER, repeat="first")] = 0
    many: Annotated[tuple[int, ...], Prop(INTEGER, repeat="append")] = ()
    force: Annotated[bool, Flag()] = False
    no_zeal: Annotated[bool, Flag(sets=False)] = True
    fallthrough: Annotated[tuple[bytes, ...] | None, Fallthrough()] = None
    sides: Annotated[tuple[Side, ...], Each(Side, name="side")] = ()
    pattern: Annotated[Any, Prop(REGEX)] = None
    level: Annotated[int, Prop(INTEGER(invalid="level is no number: {q} ({error})", located=True))] = 1
    up: Annotated[str, Props(Words(judge_upstream), name="upstream", least=0, repeat="replace")] = ""
    odd: Annotated[int, Prop(Convert(lambda word, draft: int(word, 16)), aliases=("strange",))] = 0


READ = [
    ("o z a", {}),
    ("o z a b", {"to": ("a", "b")}),
    ("o z a {\n}", {}),
    ("o z a {\n policy sequential\n}", {"policy": "sequential"}),
    ("o z a {\n policy sequential force\n}", {"policy": "sequential", "force": True}),
    ("o z a {\n expire 1m30s\n expire 5s\n}", {"expire": 5.0}),
    ("o z a {\n words a b\n words c\n}", {"words": ("a", "b", "c")}),
    ("o z a {\n last a b c d\n}", {"last": ("a", "b")}),
    ("o z a {\n first 1\n first 2\n}", {"first": 1}),
    ("o z a {\n many 1\n many 2\n}", {"many": (1, 2)}),
    ("o z a {\n no_zeal\n}", {"no_zeal": False}),
    ("o z a {\n fallthrough\n}", {"fallthrough": (b"\0",)}),
    ("o z a {\n fallthrough a\n fallthrough b\n}", {"fallthrough": (b"\1b\0",)}),
    ("o z a {\n side 1\n side 2 3 x y\n}", {"sides": (Side(capacity=1), Side(capacity=2, ttl=3, ignored=("x", "y")))}),
    ("o z a {\n upstream x y\n}", {"up": "x"}),
    ("o z a {\n strange ff\n odd 10\n}", {"odd": 16}),
]


@pytest.mark.parametrize(("text", "values"), READ, ids=[text for text, _ in READ])
def test_words_become_options(text: str, values: dict[str, Any]) -> None:
    assert Options.read(text) == Options(**({"zone": "z", "to": ("a",)} | values))


E = "plugin/o: Corefile:{} - Error during parsing: "
INNER = "plugin/o: inner: Corefile:{} - Error during parsing: "
COUNT = "Wrong argument count or unexpected line ending after '{}'"
REFUSED = [
    ("o", INNER.format(1) + COUNT.format("o")),
    ("o z", INNER.format(1) + COUNT.format("z")),
    ("o z {\n}", INNER.format(1) + COUNT.format("z")),
    ("o z a {\n policy\n}", E.format(2) + COUNT.format("policy")),
    ("o z a {\n policy best\n}", "plugin/o: unknown policy 'best'"),
    ("o z a {\n policy random x\n}", E.format(2) + "unknown property 'x'"),
    ("o z a {\n expire 1s 2s\n}", E.format(2) + COUNT.format("2s")),
    ("o z a {\n expire\n}", E.format(2) + COUNT.format("expire")),
    ("o z a {\n expire {\n}", E.format(2) + COUNT.format("expire")),
    ("o z a {\n expire -1s\n}", "plugin/o: expire can't be negative: -1s"),
    ("o z a {\n expire 30\n}", 'plugin/o: time: missing unit in duration "30"'),
    ("o z a {\n words a b c d\n}", E.format(2) + COUNT.format("d")),
    ("o z a {\n once 1\n once 2\n}", E.format(3) + "once already defined"),
    ("o z a {\n force yes please\n}", E.format(2) + COUNT.format("yes")),
    ("o z a {\n side\n}", E.format(2) + COUNT.format("side")),
    ("o z a {\n side 1 0\n}", "plugin/o: TTL can not be zero or negative: 0"),
    ("o z a {\n pattern (\n}", "plugin/o: error parsing regexp: missing closing ): `(`"),
    ("o z a {\n level x\n}", E.format(2) + 'level is no number: "x" (strconv.Atoi: parsing "x": invalid syntax)'),
    ("o z a {\n upstream\n}", E.format(2) + COUNT.format("upstream")),
    ("o z a {\n upstream x bad\n}", E.format(2) + "'bad' is bad"),
    ("o z a {\n odd xyz\n}", "plugin/o: invalid literal for int() with base 16: 'xyz'"),
    ("o z a {\n polcy random\n}", E.format(2) + "unknown property 'polcy'"),
    ("o z a { force }", E.format(1) + COUNT.format("}")),
]


@pytest.mark.parametrize(("text", "error"), REFUSED, ids=[text for text, _ in REFUSED])
def test_a_complaint_has_the_reference_s_text(text: str, error: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Options.read(text)
    assert caught.value.text == error


def test_every_problem_of_a_directive_is_told_with_place_caret_and_remedy() -> None:
    with pytest.raises(ConfigError) as caught:
        Options.read("o z a {\n  polcy random\n\texpire soon\n}")
    assert str(caught.value) == (
        "plugin/o: Corefile:2 - Error during parsing: unknown property 'polcy'\n"
        "  --> Corefile:2:3\n    |\n  2 |   polcy random\n    |   ^\n  = did you mean 'policy'?\n"
        'plugin/o: time: invalid duration "soon"\n'
        "  --> Corefile:3:9\n    |\n  3 | \texpire soon\n    | \t       ^\n"
        "  = expected a duration such as 30s, 1m30s or 500ms"
    )


CACHE = [
    ("cache", Cache(zones=(b"\0",))),
    ("cache 30", Cache(ttl=30, zones=(b"\0",))),
    ("cache 30 a b", Cache(ttl=30, zones=(b"\1a\0", b"\1b\0"))),
    ("cache a 30", Cache(zones=(b"\1a\0", b"\00230\0"))),
    ("cache {\n success 5 10\n keepttl\n}", Cache(zones=(b"\0",), success=Side(capacity=5, ttl=10), keepttl=True)),
    ("cache a..b", Cache(zones=())),  # given and unreadable is not the same as not given
]


@pytest.mark.parametrize(("text", "options"), CACHE)
def test_an_argument_may_be_optional_by_its_look(text: str, options: Cache) -> None:
    assert Cache.read(text) == options


def test_unknown_properties_may_be_a_wrong_count() -> None:
    with pytest.raises(ConfigError, match="Wrong argument count or unexpected line ending after 'positive'"):
        Cache.read("cache {\n positive 15\n}")


def test_required_arguments_at_the_head_of_a_line_may_be_a_brace() -> None:
    class Forward(Schema, repeat="each"):
        zone: Annotated[str, Arg(STRING)]
        to: Annotated[tuple[str, ...], Args(STRING, least=1)]
        x: Annotated[bool, Flag()] = False

    class View(Schema):
        name: Annotated[str, Arg(STRING, brace=False)]
        x: Annotated[bool, Flag()] = False

    class File(Schema, repeat="each"):
        path: Annotated[str, Arg(STRING)]
        x: Annotated[bool, Flag()] = False

    after = "Wrong argument count or unexpected line ending after '{}'"
    for schema, text, line, complaint in (
        (Forward, "o {\n x\n}", 1, "Unexpected token '{', expecting argument"),
        (Forward, "o . {\n x\n}", 1, after.format(".")),
        (View, "o {\n x\n}", 1, after.format("o")),
        (File, "o {\n x y\n}", 3, after.format("}")),
    ):
        with pytest.raises(ConfigError) as caught:
            schema.read(text)
        assert caught.value.text == f"plugin/o: Corefile:{line} - Error during parsing: {complaint}"
    assert File.read("o {")[0].path == "{"


def test_a_function_may_judge_the_whole_line() -> None:
    found = Log.read('log\nlog {x}\nlog a "{common} y"\nlog a b')
    assert [one.scope for one in found] == [
        ((), "common"), (("{x}",), "common"), (("a",), "{common} y"), (("a", "b"), "common")
    ]  # fmt: skip


def test_other_lines_are_taken_until_a_property_stands() -> None:
    found = Hosts.read("hosts x {\n 1.2.3.4 a b\n no_reverse 5.6.7.8 c\n fallthrough\n}")
    assert found.inline == (("1.2.3.4", "a", "b"), ("5.6.7.8", "c"))
    with pytest.raises(ConfigError, match=r"unknown property '1\.2\.3\.4'"):
        Hosts.read("hosts x {\n fallthrough\n 1.2.3.4 a\n}")


def test_words_that_nobody_reads_start_the_next_line() -> None:
    class Root(Schema, repeat="last", surplus="again"):
        path: Annotated[str, Arg(STRING)]

    assert Root.read("root /a\nroot /b").path == "/b"
    with pytest.raises(ConfigError, match="unexpected line ending after '/b'"):
        Root.read("root /a /b")


class Merged(Schema, repeat="merge"):
    """Lines that add up."""

    read_s: Annotated[float, Prop(DURATION(plain=True), name="read")] = 3.0
    idle_s: Annotated[float, Prop(DURATION(plain=True), name="idle")] = 10.0


def test_later_lines_may_add_to_earlier_ones() -> None:
    assert Merged.read("t {\n read 5\n}\nt {\n idle 1m\n}") == Merged(read_s=5.0, idle_s=60.0)


class Counted(Schema, repeat="count"):
    """A second line is a wrong count."""


def test_a_second_line_may_be_a_wrong_count() -> None:
    with pytest.raises(ConfigError, match=r"Corefile:2 .*after 'multisocket'"):
        Counted.read("multisocket\nmultisocket")


class Checked(Schema, prefix=""):
    """Combinations, derived values and what a block becomes."""

    low: Annotated[int, Prop(INTEGER)] = 1
    high: Annotated[int, Prop(INTEGER)] = 5

    def check(self, draft: Draft) -> None:
        """Refuse nonsense."""
        if self.high < self.low:
            draft.fail(f"high ({self.high}) is below low ({self.low})")

    def shape(self, draft: Draft) -> None:
        """Change the block."""
        draft.sockets = self.high


def test_combinations_are_refused_with_the_prefix_of_the_class() -> None:
    with pytest.raises(ConfigError) as caught:
        Checked.read("c {\n low 3\n high 2\n}")
    assert caught.value.text == "high (2) is below low (3)"


def test_a_directive_shapes_its_block() -> None:
    draft = Draft()
    Checked.read("c {\n high 7\n}", draft)
    assert draft.block().sockets == 7


def test_options_compare_pickle_and_have_defaults() -> None:
    options = Options.read("o z a {\n pattern a+\n side 5\n}")
    assert pickle.loads(pickle.dumps(options)) == options
    assert hash(Hosts(path="x", ttl=5)) == hash(Hosts(path="x", ttl=5))
    assert Hosts.defaults().ttl == 3600
    with pytest.raises(TypeError):
        Options.defaults()
