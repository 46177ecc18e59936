"""What stands beside an option's type: where its words come from. Used in `Annotated[type, Arg(...)]`.

Every field may say what the reference says when its words are wrong: `missing` and `surplus` replace the text for too
few and too many words, `refused` the text of a value (`{}` is the word, `{error}` the value's own text), `located`
whether that text carries file and line.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from .errors import Refuse
from .names import ROOT
from .values import ZONES, Value

if TYPE_CHECKING:
    from .schema import Schema

Complaint: TypeAlias = "str | Refuse | None"
Kind: TypeAlias = "Value[Any] | type[Value[Any]]"
Surplus: TypeAlias = Literal["error", "property", "ignore"]
Repeat: TypeAlias = Literal["replace", "append", "first", "once"]


@dataclass
class Field:
    """Base of all; `name` is the word in the Corefile where it differs from the attribute."""

    value: Kind | None = None
    _: KW_ONLY
    name: str | None = None
    missing: Complaint = None
    surplus: Complaint = None
    refused: str | None = None
    located: bool | None = None

    def __post_init__(self) -> None:
        if isinstance(self.value, type):
            self.value = self.value()

    @property
    def kind(self) -> Value[Any]:
        """The value type."""
        assert isinstance(self.value, Value)
        return self.value


@dataclass
class Arg(Field):
    """One positional argument; required where the attribute has no default.

    `when` makes it optional by what the word looks like: a word that `when` declines is left to the next field.
    `brace`: a required argument at the head of the line takes `{` for its word, as most of the reference's do.
    """

    _: KW_ONLY
    when: Callable[[str], bool] | None = None
    brace: bool = True


@dataclass
class Args(Field):
    """The remaining arguments, a tuple. `block_zones`: without any, the server block's own zones."""

    _: KW_ONLY
    least: int = 0
    most: int | None = None
    block_zones: bool = False


@dataclass
class Props(Field):
    """A block property with several arguments.

    `rest` says what becomes of words beyond `most`: an error, the name of the next property on the same line, nothing.
    `repeat` says what a second line does: replaces the first, is appended, is ignored, or is refused with `twice`.
    `empty` is the value where the property stands without arguments.
    """

    _: KW_ONLY
    least: int = 1
    most: int | None = None
    rest: Surplus = "error"
    repeat: Repeat = "append"
    twice: Complaint = None
    empty: Any = None
    aliases: tuple[str, ...] = ()

    single = False


@dataclass
class Prop(Props):
    """A block property with one argument."""

    _: KW_ONLY
    most: int | None = 1
    repeat: Repeat = "replace"

    single = True


@dataclass
class Flag(Props):
    """A property without arguments; the attribute becomes `sets` (True, or False for a `no_…` of a default True)."""

    _: KW_ONLY
    least: int = 0
    most: int | None = 0
    repeat: Repeat = "replace"
    sets: Any = True

    single = True


@dataclass
class Line:
    """A property whose words another Schema describes: its `Arg`/`Args` fields, no block of its own."""

    schema: type[Schema]
    _: KW_ONLY
    name: str | None = None
    repeat: Repeat = "replace"
    twice: Complaint = None
    aliases: tuple[str, ...] = ()


@dataclass
class Each(Line):
    """The same, repeatable: the attribute is a tuple of the other Schema's objects."""

    _: KW_ONLY
    repeat: Repeat = "append"


@dataclass
class Rest(Field):
    """Any other line of the block, a tuple with one value a line: the property's word and the words after it.

    A value type that takes whole lines (`Words`) gets all of them; any other makes a tuple of the line's words.
    `until` names properties after which other lines are unknown properties again.
    """

    _: KW_ONLY
    until: tuple[str, ...] = ()
    repeat: Repeat = field(default="append", init=False)


Spec: TypeAlias = "Arg | Args | Props | Line | Rest"


def Fallthrough(**more: Any) -> Props:
    """Declare the usual `fallthrough [ZONE...]`: None is never, the root is every name, the last line counts.

    `fallthrough: Annotated[tuple[bytes, ...] | None, Fallthrough()] = None`
    """
    usual: dict[str, Any] = {"name": "fallthrough", "least": 0, "repeat": "replace", "empty": (ROOT,)}
    return Props(ZONES(), **(usual | more))


def complaint(text: Complaint, otherwise: Refuse) -> Refuse:
    """Return the field's own complaint, a located one where it is plain text, else the usual one."""
    if isinstance(text, Refuse):
        return Refuse(text.text, text.located, text.at or otherwise.at, text.inner, text.hint)
    return otherwise if text is None else Refuse(text, located=True, at=otherwise.at)
