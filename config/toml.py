"""TOML ↔ Corefile words: the same options under their own names, one table a directive.

    [[block]]
    keys = ["example.org:1053"]

    [block.forward]                     # [[block.forward]] where the directive stands on several lines
    from = "."
    to = ["192.0.2.1"]
    policy = "sequential"

1. A table becomes the words that a Corefile would have, and those are judged by the same Schema, so both languages
   give the same model and the same complaints.
2. A property on several lines is a list of its lines; other lines of a block stand under `lines`.
3. What a table cannot say (the order between different properties) is written as `corefile = '''…'''`.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any

from .blocks import Block
from .environment import EnvironmentLoop, substitute
from .errors import ConfigError, Place, Problem, nearest
from .fields import Arg, Args, Flag, Line, Props, Rest
from .load import Parsed, Registry
from .schema import Option, Schema, other_lines, positional, properties
from .source import Source
from .tokens import Token, cut
from .toml_place import Places

SETTINGS = ("workers",)


def parse_toml(
    source: Source,
    registry: Registry,
    known: Sequence[str],
    environ: Mapping[str, str] | None = None,
    *,
    keep_references: bool = False,
) -> Parsed:
    """Return the blocks of a TOML configuration, as `load.parse` does for a Corefile."""
    parsed = Parsed(source.file, [], sources={source.file: source.text.split("\n")})
    try:
        table = tomllib.loads(source.text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(_syntax(source, str(error))) from None
    environ = os.environ if environ is None else environ
    places = Places(source.file, source.text)
    _Words(parsed, registry, known, places, None if keep_references else environ).read(table)
    parsed.broken = bool(parsed.problems)
    return parsed


def _syntax(source: Source, text: str) -> list[Problem]:
    """Turn `… (at line 3, column 5)` into a problem with its place."""
    lines = source.text.split("\n")
    what, _, where = text.partition(" (at ")
    line, _, column = where.removeprefix("line ").rstrip(")").partition(", column ")
    known = line.isdecimal() and column.isdecimal()  # else: at end of document
    place = Place(source.file, int(line), int(column)) if known else Place(source.file, len(lines), len(lines[-1]) + 1)
    shown = lines[place.line - 1] if place.line <= len(lines) else None
    return [Problem(f"{place.file}:{place.line} - Error during parsing: {what}", place, shown)]


class _Words:
    """Turns tables into words. `rows` numbers the lines that a Corefile would have."""

    def __init__(
        self,
        parsed: Parsed,
        registry: Registry,
        known: Sequence[str],
        places: Places,
        environ: Mapping[str, str] | None,
    ) -> None:
        self.parsed, self.registry, self.known, self.places, self.environ = parsed, registry, known, places, environ
        self.rows = count(1)
        self.row = 0
        self.place = Place(parsed.file, 1)

    def read(self, table: dict[str, Any]) -> None:
        """Fill `parsed`."""
        for name, value in table.items():
            if name in SETTINGS:
                if type(value) is not int or value < 0:
                    self.complain(f"'{name}' is a count", self.places.find(None, None, name))
                else:
                    self.parsed.settings[name] = value
            elif name != "block":
                hint = nearest(name, ["block", *SETTINGS])
                self.complain(f"Unknown setting '{name}'", self.places.find(None, None, name), hint)
        blocks = table.get("block", [])
        for index, block in enumerate(blocks if isinstance(blocks, list) else [blocks]):
            self.place = self.places.find(index, None, "keys")
            if isinstance(block, dict):
                self._block(index, block)
            else:
                self.complain("'block' is a list of tables: write [[block]]", self.place)

    def complain(self, text: str, place: Place, hint: str = "") -> None:
        """Note a problem."""
        lines = self.parsed.sources[place.file]
        shown = lines[place.line - 1] if place.line <= len(lines) else None
        full = f"{place.file}:{place.line} - Error during parsing: {text}"
        self.parsed.problems.append(Problem(full, place, shown, hint))

    def word(self, value: Any) -> Token:
        """Return a word of the current row."""
        if isinstance(value, bool):
            text = "true" if value else "false"
        elif isinstance(value, (str, int, float)):
            text = str(value)
        else:
            self.complain("a word is text or a number", self.place)
            text = ""
        try:
            text = text if self.environ is None else substitute(text, self.environ)
        except EnvironmentLoop as error:
            self.complain(str(error), self.place)
        return Token(text, self.place, text.count("\n"), self.row)

    def words(self, value: Any) -> list[Token]:
        """Return the words of a list, or of a single value."""
        return [self.word(one) for one in (value if isinstance(value, list) else [value])]

    def _block(self, index: int, table: dict[str, Any]) -> None:
        self.row = next(self.rows)
        keys = [key for key in self.words(table.get("keys", [])) if key.text]
        block = Block(keys)
        for name, value in table.items():
            if name == "keys":
                continue
            place = self.places.find(index, name, None)
            if name not in self.known:
                self.complain(f"Unknown directive '{name}'", place, nearest(name, list(self.known)))
                continue
            for nth, one in enumerate(value if isinstance(value, list) else [value]):
                self.place = self.places.find(index, name, None, nth)
                block.directives.setdefault(name, []).extend(self._directive(index, name, nth, one))
        if block.keys:
            self.parsed.blocks.append(block)

    def _directive(self, index: int, name: str, nth: int, value: Any) -> list[Token]:
        """Return the words of one line of a directive with its block."""
        schema = self.registry.get(name)
        if isinstance(value, dict) and "corefile" in value:
            return self._verbatim(str(value["corefile"]))
        self.row = next(self.rows)
        found = [self.word(name)]
        if value is True:
            return found
        if not isinstance(value, dict):
            return found + self.words(value)
        if schema is None:
            return found
        left = _lines_first(schema, value)
        for option in positional(schema):
            if option.attribute in left:
                self.place = self.places.find(index, name, option.attribute, nth)
                found += self.words(left.pop(option.attribute))
        brace = self.word("{")
        lines = [line for key, one in left.items() for line in self._property(schema, index, name, nth, key, one)]
        if not lines:
            return found
        found.append(brace)
        found += [token for line in lines for token in line]
        self.row = next(self.rows)
        return [*found, self.word("}")]

    def _verbatim(self, text: str) -> list[Token]:
        rows: dict[int, int] = {}
        found = []
        for token in cut(text, self.place.file):
            line = token.place.line
            self.row = rows.setdefault(line, 0) or next(self.rows)
            rows[line] = self.row
            for inside in range(token.breaks):
                rows[line + inside + 1] = self.row
            found.append(self.word(token.text))
        return found

    def _property(
        self, schema: type[Schema], index: int, name: str, nth: int, key: str, value: Any
    ) -> Iterator[list[Token]]:
        """Yield the lines of one property."""
        self.place = self.places.find(index, name, key, nth)
        rest = other_lines(schema)
        option = properties(schema).get(key)
        if rest is not None and key == "lines" and option is None:
            for line in value if isinstance(value, list) else [value]:
                self.row = next(self.rows)
                yield self.words(line)
            return
        for words in _lines(option, value):
            self.row = next(self.rows)
            head = self.word(key)
            if isinstance(words, dict) and option is not None and isinstance(option.spec, Line):
                for unknown in words.keys() - {one.attribute for one in positional(option.spec.schema)}:
                    self.complain(f"unknown property '{unknown}'", self.place)
                ordered = [words[one.attribute] for one in positional(option.spec.schema) if one.attribute in words]
                words = [word for one in ordered for word in (one if isinstance(one, list) else [one])]
            yield [head, *self.words(words)]


def _lines_first(schema: type[Schema], table: dict[str, Any]) -> dict[str, Any]:
    """Return a table with `lines` before the properties after which other lines would be unknown."""
    rest = other_lines(schema)
    if rest is None or not isinstance(rest.spec, Rest) or not rest.spec.until or "lines" not in table:
        return dict(table)
    keys = list(table)
    if any(word in keys[: keys.index("lines")] for word in rest.spec.until):
        return {"lines": table["lines"]} | table
    return dict(table)


def _lines(option: Option | None, value: Any) -> list[Any]:
    """Return the lines that a property's value stands for, each a list of words (or a table, for `Line`)."""
    if value is True and (option is None or isinstance(option.spec, Flag) or _may_be_bare(option)):
        return [[]]
    if value is False and (option is None or isinstance(option.spec, Flag) or _may_be_bare(option)):
        return []
    if isinstance(value, list) and any(isinstance(one, (list, dict)) for one in value):
        return [one if isinstance(one, (list, dict)) else [one] for one in value]
    single = option is not None and isinstance(option.spec, Props) and option.spec.single
    if single and isinstance(value, list):
        return [[one] for one in value]
    return [value if isinstance(value, (list, dict)) else [value]]


def _may_be_bare(option: Option) -> bool:
    if isinstance(option.spec, Line):
        return not any(isinstance(one.spec, (Arg, Args)) and one.required for one in positional(option.spec.schema))
    return isinstance(option.spec, Props) and not option.spec.least
