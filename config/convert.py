"""Writes a configuration in the other language: Corefile → TOML, TOML → Corefile, with the same meaning.

1. Snippets and imports are written out; `{$NAME}` stays as it is.
2. A directive is written as a table only if the table reads back as the same words; else as `corefile` text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tomli_w

from .cursor import Cursor
from .errors import ConfigError, Refuse
from .fields import Arg, Flag, Line, Props
from .load import Parsed, Registry, parse
from .schema import Schema, has_block, other_lines, properties
from .share import share, take
from .source import Source
from .tokens import Token, cut
from .toml import parse_toml
from .value import INTEGER


def to_toml(source: Source, registry: Registry, order: Sequence[str], environ: Mapping[str, str] | None = None) -> str:
    """Return a Corefile as TOML; raises ConfigError where its structure is broken."""
    known = list(dict.fromkeys((*order, *registry)))
    parsed = parse(source, known, environ, keep_references=True)
    if parsed.problems:
        raise ConfigError(parsed.problems)
    tables = _tables(parsed, registry, known)
    # TOML reads CR LF inside multi-line strings as LF.
    return tomli_w.dumps({"block": tables}, multiline_strings="\r" not in source.text)


def to_corefile(source: Source, registry: Registry, order: Sequence[str]) -> str:
    """Return TOML as a Corefile; raises ConfigError where it cannot be read."""
    parsed = parse_toml(source, registry, list(dict.fromkeys((*order, *registry))), keep_references=True)
    if parsed.problems:
        raise ConfigError(parsed.problems)
    return corefile_text(parsed)


def _tables(parsed: Parsed, registry: Registry, order: Sequence[str]) -> list[dict[str, Any]]:
    tables = []
    for block in parsed.blocks:
        table: dict[str, Any] = {"keys": [key.text for key in block.keys]}
        for name in sorted(block.directives, key=order.index):
            lines = split_lines(block.directives[name])
            values = [_value(name, line, registry) for line in lines]
            table[name] = values[0] if len(values) == 1 else [_as_table(name, one) for one in values]
        tables.append(table)
    return tables


def _as_table(name: str, value: Any) -> Any:
    return value if isinstance(value, dict) else {"corefile": name}


def split_lines(tokens: Sequence[Token]) -> list[list[Token]]:
    """Cut a directive's words into its lines, each with its block."""
    lines: list[list[Token]] = []
    depth = 0
    for token in tokens:
        if not lines or (not depth and token.text != "{" and not token.follows(lines[-1][-1])):
            lines.append([])
        depth += (token.text == "{") - (token.text == "}" and depth > 0)
        lines[-1].append(token)
    return lines


def _value(name: str, line: list[Token], registry: Registry) -> Any:
    """Return a directive's line as a TOML value: true, a table, or verbatim."""
    if len(line) == 1:
        return True
    schema = registry.get(name)
    table = None if schema is None else _table(schema, line)
    if table is not None and _reads_back(name, table, line, registry):
        return table
    return {"corefile": _text(line)}


def _reads_back(name: str, table: dict[str, Any], line: list[Token], registry: Registry) -> bool:
    """Tell whether a table gives the words of the line again, with the same line ends."""
    text = tomli_w.dumps({"block": [{"keys": ["."], name: table}]})
    try:
        again = parse_toml(Source("x.toml", text), registry, [name], keep_references=True)
    except ConfigError:
        return False
    if again.problems or not again.blocks:
        return False
    return words_and_rows(again.blocks[0].directives[name]) == words_and_rows(line)


def words_and_rows(tokens: Sequence[Token]) -> list[tuple[str, bool]]:
    """Return words and whether each stands on its predecessor's line."""
    pairs = zip([None, *tokens], tokens, strict=False)
    return [(token.text, before is not None and token.follows(before)) for before, token in pairs]


def _table(schema: type[Schema], line: list[Token]) -> dict[str, Any] | None:
    """Give the words of a line their names; None where they do not fit the schema."""
    cursor = Cursor(line)
    cursor.next()
    table: dict[str, Any] = {}
    try:
        for option, own in share(schema, line[0], cursor.remaining()):
            if own:
                words = [_typed(option.spec, token.text) for token in own]
                table[option.attribute] = words[0] if isinstance(option.spec, Arg) else words
        if cursor.opens() and has_block(schema):
            while cursor.next_property():
                _property(schema, cursor, table)
    except Refuse:
        return None
    return table


def _typed(spec: Any, word: str) -> str | int:
    """Return a number for a word that is one and is read as one."""
    if (
        isinstance(getattr(spec, "value", None), INTEGER)
        and word.removeprefix("-").isdecimal()
        and str(int(word)) == word
    ):
        return int(word)
    return word


def _property(schema: type[Schema], cursor: Cursor, table: dict[str, Any]) -> None:
    head = cursor.value.text
    option = properties(schema).get(head)
    if option is None:
        if other_lines(schema) is None:
            raise Refuse("unknown")
        table.setdefault("lines", []).append([head, *(token.text for token in cursor.remaining())])
        return
    words: list[Any]
    if isinstance(option.spec, Line):
        words = [token.text for token in cursor.remaining()]
    else:
        assert isinstance(option.spec, Props)
        words = [_typed(option.spec, token.text) for token in take(option.spec, cursor)]
    single = isinstance(option.spec, Props) and option.spec.single and len(words) == 1
    value: Any = True if isinstance(option.spec, Flag) or not words else words[0] if single else words
    if head not in table:
        table[head] = value
        return
    before = table[head]
    many = isinstance(before, list) and bool(before) and (single or isinstance(before[0], list))
    table[head] = [*before, value] if many else [before, value]


# Writing a Corefile --------------------------------------------------------------------------------------------------


def corefile_text(parsed: Parsed) -> str:
    """Return blocks as Corefile text; raises ConfigError for a word that a Corefile cannot hold."""
    shown = []
    for block in parsed.blocks:
        lines = [" ".join(quoted(key.text) for key in block.keys) + " {"]
        for tokens in block.directives.values():
            for line in split_lines(tokens):
                lines.append(_text(line, "    "))
        shown.append("\n".join([*lines, "}"]))
    return "\n\n".join(shown) + "\n"


def _text(line: Sequence[Token], indent: str = "") -> str:
    """Return the words of a directive as lines of text."""
    rows: list[list[str]] = []
    starts: list[str] = []
    before: Token | None = None
    inside = False
    for token in line:
        if before is None or not token.follows(before):
            rows.append([])
            deeper = "    " if inside and token.text != "}" else ""
            starts.append(indent + deeper)
        inside = inside or token.text == "{"
        rows[-1].append(quoted(token.text))
        before = token
    return "\n".join(start + " ".join(row) for start, row in zip(starts, rows, strict=True))


def quoted(word: str) -> str:
    """Return a word as it must stand in a Corefile; raises ConfigError where no quoting gives it back."""
    for text in (word, '"' + word.replace('"', '\\"') + '"'):
        found = cut(f"{text} x", "")
        if [token.text for token in found] == [word, "x"]:
            return text
    raise ConfigError(f"a Corefile cannot hold the word {word!r}: it ends in a backslash or has one before a quote")
