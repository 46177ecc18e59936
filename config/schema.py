"""The options of a directive, declared once: syntax, validation, help and TOML all come from this class.

    class Options(Schema, repeat="once"):
        "What the directive does."

        path: Annotated[str, Arg(FILE)] = "/etc/hosts"
        "File to serve, in hosts(5) format."

1. An Options object is frozen, comparable and picklable, and can be built with keywords in tests.
2. Words are judged in the order of the file, so the first problem is the one that the reference reports.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar, dataclass_transform

from .draft import Draft
from .errors import ConfigError
from .fields import Arg, Args, Each, Fallthrough, Field, Flag, Line, Prop, Props, Rest, Spec
from .tokens import Token, cut

__all__ = [
    "Annotated", "Arg", "Args", "Draft", "Each", "Fallthrough", "Flag", "Line", "NoOptions", "Option", "Prop", "Props",
    "Rest", "Rules", "Schema", "options_of",
]  # fmt: skip

Lines = Literal["once", "count", "first", "last", "each", "merge"]
S = TypeVar("S", bound="Schema")


@dataclasses.dataclass(frozen=True)
class Rules:
    """The class keywords of a Schema.

    `repeat`: what several lines of the directive in one block mean: `once` is refused with the reference's text,
    `count` is a wrong argument count, `first` and `last` let one line count (later lines are then not even judged, or
    earlier ones only judged), `each` makes the options a tuple, `merge` lets later lines change what earlier ones set.
    `unknown`: the text for an unknown property (`{}` is the word), None for a wrong argument count; `unknown_inner`
    stands before it, `unknown_heading` between its line number and the text; `unknown_prefix` is the prefix.
    `surplus`: words beyond the arguments are an error, the start of the directive's next line (`again`), or ignored.
    `bare`: the text where a line has no property, None where that is fine.
    `prefix` replaces `plugin/DIRECTIVE: `; `inner` stands between it and complaints about the directive's own line.
    `block`: False refuses `{` even where the class has properties, True allows an empty block where it has none,
    `again` takes `{` for the start of the directive's next line, `empty` refuses the first word within.
    """

    repeat: Lines = "once"
    unknown: str | None = "unknown property '{}'"
    unknown_located: bool = True
    unknown_inner: str = ""
    unknown_heading: str = "Error during parsing"
    unknown_prefix: str | None = None
    surplus: Literal["error", "again", "ignore"] = "error"
    bare: str | None = None
    prefix: str | None = None
    inner: str = ""
    block: bool | Literal["again", "empty"] | None = None


@dataclass_transform(kw_only_default=True, frozen_default=True)
class Schema:
    """Base of all Options classes; class keywords are those of `Rules`."""

    rules: ClassVar[Rules] = Rules()
    _options: ClassVar[tuple[Option, ...]]

    def __init_subclass__(cls, **rules: Any) -> None:
        super().__init_subclass__()
        cls.rules = dataclasses.replace(cls.rules, **rules)
        dataclasses.dataclass(frozen=True, kw_only=True)(cls)

    def check(self, draft: Draft) -> None:
        """Refuse a combination of values: raise `Refuse` or call `draft.fail`."""

    def settle(self, draft: Draft) -> Self:
        """Return the options with what follows from others filled in (`dataclasses.replace`)."""
        return self

    def shape(self, draft: Draft) -> None:
        """Change the block itself: hosts, root, debug, time-outs, endpoints, warnings."""

    @classmethod
    def unknown_text(cls, draft: Draft) -> str | None:
        """Return the text for an unknown property, where it depends on more than the class."""
        return cls.rules.unknown

    @classmethod
    def defaults(cls) -> Self:
        """Return the options of a bare directive."""
        return cls()

    @classmethod
    def parse(cls, occurrences: Sequence[Token], draft: Draft) -> Any:
        """Return the options (a tuple of them with `repeat="each"`) for all lines of the directive in a block.

        Raises ConfigError with every problem of these lines.
        """
        from .parse import Reader  # which stands on this module

        return Reader(cls, occurrences, draft).read()

    @classmethod
    def read(cls, text: str, draft: Draft | None = None) -> Any:
        """Return the options for lines of Corefile text, the directive's name included."""
        draft = draft or Draft()
        draft.sources.setdefault(draft.file, text.split("\n"))
        tokens = cut(text, draft.file)
        if not tokens:
            raise ConfigError("no words to read")
        draft.directive = draft.directive or tokens[0].text
        return cls.parse(tokens, draft)


class NoOptions(Schema):
    """A directive without arguments."""


@dataclasses.dataclass(frozen=True, eq=False)
class Option:
    """A declared option: its attribute, its word in the Corefile, where its words come from and its default."""

    attribute: str
    spec: Spec
    default: Any
    kind: Any

    @property
    def word(self) -> str:
        """The name in the Corefile."""
        return self.spec.name or self.attribute

    @property
    def required(self) -> bool:
        """Tell whether there is no default."""
        return self.default is dataclasses.MISSING


def options_of(cls: type[Schema]) -> tuple[Option, ...]:
    """Return the declared options of a class in their order; attributes without a field are left out."""
    if "_options" not in cls.__dict__:
        cls._options = _declared(cls)
    return cls._options


def _declared(cls: type[Schema]) -> tuple[Option, ...]:
    hints = typing.get_type_hints(cls, include_extras=True)
    found = []
    for attribute in dataclasses.fields(cls):  # type: ignore[arg-type]  # every subclass is a dataclass
        hint = hints[attribute.name]
        specs = [one for one in getattr(hint, "__metadata__", ()) if isinstance(one, (Field, Line))]
        if specs:
            default = attribute.default
            if attribute.default_factory is not dataclasses.MISSING:
                default = attribute.default_factory()
            found.append(Option(attribute.name, specs[0], default, hint.__origin__))  # type: ignore[arg-type]  # a Field is a Spec
    return tuple(found)


def positional(cls: type[Schema]) -> list[Option]:
    """Return the options that stand on the directive's own line."""
    return [option for option in options_of(cls) if isinstance(option.spec, (Arg, Args))]


def properties(cls: type[Schema]) -> dict[str, Option]:
    """Return the options of the block by each word that names them."""
    found: dict[str, Option] = {}
    for option in options_of(cls):
        if isinstance(option.spec, (Props, Line)):
            found |= dict.fromkeys((option.word, *option.spec.aliases), option)
    return found


def other_lines(cls: type[Schema]) -> Option | None:
    """Return the option that takes any other line of the block."""
    return next((option for option in options_of(cls) if isinstance(option.spec, Rest)), None)


def has_block(cls: type[Schema]) -> bool:
    """Tell whether the directive may have a block."""
    if cls.rules.block is not None:
        return cls.rules.block is True
    return bool(properties(cls)) or other_lines(cls) is not None
