"""Words → options: walks over a directive's words with the fields of its Schema (spec plugins/_common.md).

1. Words are taken and judged in the order of the file.
2. After a problem the reader goes on with the next line, to find the others; options with a problem are never built.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .cursor import Cursor
from .draft import Draft
from .errors import ConfigError, Problem, Refuse, WrongCount, count_text, nearest
from .fields import Arg, Args, Field, Flag, Line, Props, Rest, complaint
from .schema import Option, Schema, has_block, options_of, other_lines, properties
from .share import braces, most_words, share, take
from .tokens import Token
from .values import fill

ONCE = "this plugin can only be used once per Server Block"


class Reader:
    """Reads all lines of one directive in one block."""

    def __init__(self, schema: type[Schema], tokens: Sequence[Token], draft: Draft) -> None:
        self.schema = schema
        self.rules = schema.rules
        self.cursor = Cursor(tokens)
        self.draft = draft
        self.name = tokens[0].text
        self.problems: list[Problem] = []
        self._any = False  # the line has properties

    def read(self) -> Any:
        """Return the options, or raise ConfigError with every problem."""
        built: list[Schema] = []
        state: dict[str, Any] = {}
        lines = 0
        while self.cursor.next():
            lines += 1
            if lines > 1 and not self._again():
                break
            if self.rules.repeat != "merge":
                state = {}
            before = len(self.problems)
            self._line(state)
            if len(self.problems) == before:
                self._build(state, built)
        if self.problems:
            raise ConfigError(self.problems)
        try:
            for options in built:
                options.shape(self.draft)
        except Refuse as refuse:
            self.complain(refuse)
            raise ConfigError(self.problems) from None
        return tuple(built) if self.rules.repeat == "each" else built[-1]

    def _again(self) -> bool:
        """Judge the start of a further line of the directive; False where reading ends."""
        if self.rules.repeat == "once":
            self.complain(Refuse(ONCE, located=False))
        elif self.rules.repeat == "count":
            self.complain(WrongCount(at=self.cursor.value))
        return self.rules.repeat in ("last", "each", "merge")

    def _build(self, state: dict[str, Any], built: list[Schema]) -> None:
        """Make the options of one line and have them checked."""
        try:
            for option in options_of(self.schema):
                if option.required and option.attribute not in state:
                    if getattr(option.spec, "repeat", "") != "append":
                        raise Refuse(f"property '{option.word}' is required", located=True)
                    state[option.attribute] = ()
            values = {name: tuple(value) if isinstance(value, list) else value for name, value in state.items()}
            options = self.schema(**values).settle(self.draft)
            options.check(self.draft)
        except Refuse as refuse:
            self.complain(refuse)
            return
        if self.rules.repeat != "each":
            built.clear()
        built.append(options)

    def _line(self, state: dict[str, Any]) -> None:
        """Read one line of the directive with its block."""
        head = self.cursor.value
        self.draft.heads = {}
        try:
            words = self.cursor.remaining(braces(self.schema))
            words = words[: len(words) - self._give_back(words)]
            assign(self.schema, head, words, self.draft, state)
        except Refuse as refuse:
            self.complain(refuse, inner=self.rules.inner)
        self._any = False
        try:
            self._block(state)
            if self.rules.bare and not self._any:
                raise Refuse(self.rules.bare, located=True)
        except Refuse as refuse:
            self.complain(refuse, inner=self.rules.inner)
            self._leave_block()

    def _give_back(self, words: list[Token]) -> int:
        """Leave surplus words for the directive's next line where its rules say so; return how many are not ours."""
        if self.rules.surplus == "error":
            return 0
        most = most_words(self.schema)
        surplus = max(len(words) - most, 0) if most is not None else 0
        if self.rules.surplus == "again":
            self.cursor.at -= surplus
        return surplus

    def _block(self, state: dict[str, Any]) -> None:
        if self.rules.block == "again" or not self.cursor.opens():
            return
        if self.rules.block == "empty":
            if self.cursor.next_property():
                raise WrongCount(at=self.cursor.value)
            return
        if not has_block(self.schema):
            raise WrongCount(at=self.cursor.value)
        known, seen = properties(self.schema), set[str]()
        seen_once: set[str] = set()
        while self.cursor.next_property():
            head = self.cursor.value
            option = known.get(head.text)
            try:
                if option is None:
                    self._other(head, seen, state)
                else:
                    self._property(option, state, seen_once)
            except Refuse as refuse:
                self.complain(refuse)
                self.cursor.skip_line()
            seen.add(head.text)
        self._any = bool(seen)

    def _leave_block(self) -> None:
        """Step over a block that must not be there."""
        while self.cursor.next_property():
            pass

    def _other(self, head: Token, seen: set[str], state: dict[str, Any]) -> None:
        """Read a line whose first word names no property."""
        rest = other_lines(self.schema)
        if rest is not None and isinstance(rest.spec, Rest) and not seen.intersection(rest.spec.until):
            words = [head, *self.cursor.remaining()]
            kind = rest.spec.kind
            value = kind.parse_words(words, self.draft) if kind.whole else values(rest.spec, words, self.draft)
            state.setdefault(rest.attribute, []).append(value)  # a list: there may be thousands of lines
            return
        unknown = self.schema.unknown_text(self.draft)
        if unknown is None:
            raise WrongCount(at=head, hint=nearest(head.text, list(properties(self.schema))))
        text = fill(unknown, head.text)
        hint = nearest(head.text, list(properties(self.schema)))
        rules = self.rules
        raise Refuse(
            text, rules.unknown_located, head, rules.unknown_inner, hint, rules.unknown_heading, rules.unknown_prefix
        )

    def _property(self, option: Option, state: dict[str, Any], seen: set[str]) -> None:
        """Read one property of the block."""
        spec = option.spec
        assert isinstance(spec, (Props, Line))
        head = self.cursor.value
        self.draft.heads.setdefault(option.word, head)
        again = option.attribute in seen
        seen.add(option.attribute)
        if again and spec.repeat == "once":
            raise complaint(spec.twice, WrongCount(at=head))
        if isinstance(spec, Line):
            inner: dict[str, Any] = {}
            assign(spec.schema, head, self.cursor.remaining(), self.draft, inner)
            options = spec.schema(**inner).settle(self.draft)
            options.check(self.draft)
            keep(option, state, options, joined=False)
            return
        words = take(spec, self.cursor)
        value, joined = prop_value(spec, words, self.draft)
        keep(option, state, value, joined=joined)

    def complain(self, refuse: Refuse, inner: str = "") -> None:
        """Note a problem with the reference's text, the place and a remedy."""
        at = refuse.at or self.cursor.value
        text = count_text(at.text) if isinstance(refuse, WrongCount) else refuse.text
        if refuse.located:
            text = f"{at.place.file}:{at.place.line} - {refuse.heading}: {text}"
        prefix = f"plugin/{self.name}: " if self.rules.prefix is None else self.rules.prefix
        prefix = prefix if refuse.prefix is None else refuse.prefix
        hint = refuse.hint or (f"see: shardns help {self.name}" if isinstance(refuse, WrongCount) else "")
        self.problems.append(self.draft.problem(f"{prefix}{inner or refuse.inner}{text}", at.place, hint))


def assign(schema: type[Schema], head: Token, words: list[Token], draft: Draft, state: dict[str, Any]) -> None:
    """Judge the words of a line for the positional fields; `head` is the word before them."""
    for option, own in share(schema, head, words):
        _fill_positional(option, own, draft, state)


def _fill_positional(option: Option, own: list[Token], draft: Draft, state: dict[str, Any]) -> None:
    spec = option.spec
    if isinstance(spec, Arg):
        if own:
            state[option.attribute] = (
                spec.kind.parse_words(own, draft) if spec.kind.whole else judge(spec, own[0], draft)
            )
        return
    assert isinstance(spec, Args)
    if spec.kind.whole:
        state[option.attribute] = spec.kind.parse_words(own, draft)
    elif own:
        state[option.attribute] = values(spec, own, draft)
    elif spec.block_zones:
        state[option.attribute] = draft.zones
    elif option.required:
        state[option.attribute] = ()


def prop_value(spec: Props, words: list[Token], draft: Draft) -> tuple[Any, bool]:
    """Return a property's value, and whether it is a tuple that further lines extend."""
    if isinstance(spec, Flag):
        return spec.sets, False
    if spec.kind.whole:
        return spec.kind.parse_words(words, draft), False
    if not words and spec.empty is not None:
        return spec.empty, not spec.single
    if spec.single:
        return (judge(spec, words[0], draft) if words else spec.empty), False
    return values(spec, words, draft), True


def keep(option: Option, state: dict[str, Any], value: Any, *, joined: bool) -> None:
    """Store a property's value beside what earlier lines of it left."""
    assert isinstance(option.spec, (Props, Line))
    match option.spec.repeat:
        case "append":
            state[option.attribute] = (*state.get(option.attribute, ()), *(value if joined else (value,)))
        case "first":
            state.setdefault(option.attribute, value)
        case _:
            state[option.attribute] = value


def values(spec: Field, words: Sequence[Token], draft: Draft) -> tuple[Any, ...]:
    """Judge several words."""
    found: list[Any] = []
    for word in words:
        value = judge(spec, word, draft)
        if spec.kind.spread:
            found.extend(value)
        else:
            found.append(value)
    return tuple(found)


def judge(spec: Field, word: Token, draft: Draft) -> Any:
    """Judge one word, with the field's own complaint where it has one."""
    try:
        return spec.kind.parse(word.text, draft)
    except Refuse as refuse:
        text = refuse.text if spec.refused is None else fill(spec.refused, word.text, refuse.text)
        located = refuse.located if spec.located is None else spec.located
        hint = refuse.hint or f"expected {spec.kind.label}"
        raise Refuse(text, located, refuse.at or word, refuse.inner, hint) from None
