"""The command line in Go's flag syntax: one or two dashes, `-x=v` or `-x v`; a switch takes a value only behind `=`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["string", "int", "bool"]
Value = str | int | bool

_TRUE = frozenset(("1", "t", "T", "true", "TRUE", "True"))
_FALSE = frozenset(("0", "f", "F", "false", "FALSE", "False"))


@dataclass(frozen=True)
class Flag:
    """One flag. `default` also gives its kind; `sets` is the variable, where several flags share one."""

    name: str
    default: Value
    help: str
    sets: str = ""

    @property
    def kind(self) -> Kind:
        """What its value must be."""
        return "bool" if isinstance(self.default, bool) else "int" if isinstance(self.default, int) else "string"


class FlagError(Exception):
    """A command line that cannot be understood; the text is Go's."""


class HelpWanted(Exception):
    """`-h` or `-help`."""


@dataclass
class Parsed:
    """Values by variable, and what is left of the line."""

    values: dict[str, Value]
    rest: list[str] = field(default_factory=list)

    def text(self, name: str) -> str:
        """Return a string."""
        return str(self.values[name])

    def number(self, name: str) -> int:
        """Return a number."""
        return int(self.values[name])

    def on(self, name: str) -> bool:
        """Return a switch."""
        return bool(self.values[name])


def parse(flags: Sequence[Flag], line: Sequence[str]) -> Parsed:
    """Read flags up to the first other word; the last of several wins. Raises FlagError or HelpWanted."""
    known: Mapping[str, Flag] = {flag.name: flag for flag in flags}
    parsed = Parsed({flag.sets or flag.name: flag.default for flag in flags})
    words = list(line)
    while words and len(words[0]) >= 2 and words[0].startswith("-"):
        word = words.pop(0)
        if word == "--":
            break
        name, given, value = word[2 if word.startswith("--") else 1 :].partition("=")
        if not name or name.startswith("-"):
            raise FlagError(f"bad flag syntax: {word}")
        flag = known.get(name)
        if flag is None:
            if name in ("h", "help"):
                raise HelpWanted
            raise FlagError(f"flag provided but not defined: -{name}")
        if flag.kind == "bool" and not given:
            value = "true"
        elif not given:
            if not words:
                raise FlagError(f"flag needs an argument: -{name}")
            value = words.pop(0)
        parsed.values[flag.sets or flag.name] = _value(flag, value)
    parsed.rest = words
    return parsed


def parse_anywhere(flags: Sequence[Flag], line: Sequence[str]) -> Parsed:
    """Read a line on which flags may also stand behind other words. Raises FlagError or HelpWanted."""
    found = parse(flags, line)
    words, values = found.rest[:1], found.values
    while found.rest:
        found = parse(flags, found.rest[1:])
        values |= {flag.name: found.values[flag.name] for flag in flags if found.values[flag.name] != flag.default}
        words += found.rest[:1]
    return Parsed(values, words)


def _value(flag: Flag, text: str) -> Value:
    match flag.kind:
        case "bool":
            if text in _TRUE or text in _FALSE:
                return text in _TRUE
            raise FlagError(f'invalid boolean value "{text}" for -{flag.name}: parse error')
        case "int":
            if text.isascii() and text.isdigit():
                return int(text)
            raise FlagError(f'invalid value "{text}" for flag -{flag.name}: parse error')
        case _:
            return text


def usage(program: str, flags: Sequence[Flag]) -> str:
    """Return the usage text as Go prints it."""
    lines = [f"Usage of {program}:"]
    for flag in sorted(flags, key=lambda flag: flag.name):
        lines.append(f"  -{flag.name}" + ("" if flag.kind == "bool" else f" {flag.kind}"))
        default = f" (default {_shown(flag.default)})" if flag.default else ""
        lines.append(f"    \t{flag.help}{default}")
    return "\n".join(lines)


def _shown(value: Value) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)
