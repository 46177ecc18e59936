"""What a declaration of options says to people and editors: syntax, help, README section, JSON schema."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import textwrap
from collections.abc import Mapping
from typing import Any

from .fields import Arg, Args, Field, Flag, Line, Prop, Props, Rest
from .golang import duration_text
from .schema import Option, Schema, has_block, options_of, other_lines, positional, properties
from .value import CHOICE, DURATION, INTEGER

REPEAT = {
    "once": "Once per server block.",
    "count": "Once per server block.",
    "first": "The first line in a server block counts.",
    "last": "The last line in a server block counts.",
    "each": "Any number of lines per server block.",
    "merge": "Any number of lines per server block; later ones change what earlier ones set.",
}


def documentation(schema: type[Any]) -> dict[str, str]:
    """Return the string under each option, by attribute."""
    found: dict[str, str] = {}
    for cls in reversed(schema.__mro__):
        if cls in (object, Schema):
            continue
        try:
            body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
        except (OSError, TypeError, SyntaxError):
            continue
        found |= _strings(body) if isinstance(body, ast.ClassDef) else {}
    return found


def _strings(body: ast.ClassDef) -> dict[str, str]:
    found: dict[str, str] = {}
    attribute = ""
    for node in body.body:
        text = node.value.value if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) else None
        if isinstance(text, str) and attribute:
            found[attribute] = " ".join([*found.get(attribute, "").split(), *text.split()])
        else:
            named = isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
            attribute = node.target.id if named else ""  # type: ignore[attr-defined]  # as tested above
    return found


def summary(schema: type[Schema]) -> str:
    """Return the class's own docstring."""
    text = inspect.cleandoc(schema.__dict__.get("__doc__") or "")
    return "" if text.startswith(f"{schema.__name__}(") else text  # a dataclass without a docstring gets its signature


# Syntax --------------------------------------------------------------------------------------------------------------


def syntax(name: str, schema: type[Schema]) -> str:
    """Return the directive's syntax as the reference's READMEs write it."""
    line = " ".join([name, *(_positional(option) for option in positional(schema))])
    if not has_block(schema):
        return line
    inner = [f"    {text}" for text in _property_lines(schema)]
    return "\n".join([f"{line} {{", *inner, "}"]) if inner else line


def _property_lines(schema: type[Schema]) -> list[str]:
    lines = []
    for option in dict.fromkeys(properties(schema).values()):
        words = [option.word]
        if isinstance(option.spec, Line):
            words += [_positional(inner) for inner in positional(option.spec.schema)]
        elif isinstance(option.spec, Props) and not isinstance(option.spec, Flag):
            words.append(_words(option.spec.kind.label, option.spec.least, option.spec.most))
        lines.append(" ".join(word for word in words if word))
    rest = other_lines(schema)
    if rest is not None and isinstance(rest.spec, Rest):
        lines.append(rest.spec.kind.label)
    return lines


def _positional(option: Option) -> str:
    assert isinstance(option.spec, (Arg, Args))
    label = option.spec.kind.label
    plain = label in ("STRING", "VALUE", "INTEGER", "WORD...")
    label = option.attribute.upper() if plain else label
    if isinstance(option.spec, Arg):
        return label if option.required else f"[{label}]"
    return _words(label, option.spec.least, option.spec.most)


def _words(label: str, least: int, most: int | None) -> str:
    many = most is None or most > max(least, 1)
    label = f"{label}..." if many and not label.endswith(("...", "]")) else label
    return label if least or label.startswith("[") else f"[{label}]"


# Help and README -----------------------------------------------------------------------------------------------------


def help_text(name: str, schema: type[Schema]) -> str:
    """Return what `shardns help NAME` prints."""
    about = [text for text in (summary(schema), REPEAT[schema.rules.repeat]) if text]
    parts = [name, *about, textwrap.indent(syntax(name, schema), "    ")]
    described = [f"{word}\n{textwrap.indent(textwrap.fill(text, 90), '    ')}" for word, text in _options(schema)]
    return "\n\n".join(parts + described) + "\n"


def readme_section(name: str, schema: type[Schema]) -> str:
    """Return the `## Syntax` section of the directive's README, in Markdown."""
    block = f"~~~ corefile\n{syntax(name, schema)}\n~~~"
    listed = [f"* `{word}` {text}" for word, text in _options(schema)]
    parts = ["## Syntax", block, REPEAT[schema.rules.repeat], *(["\n".join(listed)] if listed else [])]
    return "\n\n".join(parts) + "\n"


def _options(schema: type[Schema]) -> list[tuple[str, str]]:
    """Return each option's word and what there is to say about it."""
    texts = documentation(schema)
    found = []
    for option in options_of(schema):
        if isinstance(option.spec, (Arg, Args)):
            word = _positional(option)
            word = word.strip("[]") if word.count("[") == 1 else word
        elif isinstance(option.spec, Rest):
            word = option.spec.kind.label
        else:
            word = option.word
        said = [texts.get(option.attribute, ""), _default(option)]
        found.append((word, " ".join(text for text in said if text)))
        if isinstance(option.spec, Line):
            found += [(f"{word} {inner}", text) for inner, text in _options(option.spec.schema)]
    return found


def _default(option: Option) -> str:
    spec, default = option.spec, option.default
    if isinstance(spec, (Flag, Line, Rest, Args)) or default in (None, "", (), dataclasses.MISSING, False):
        return ""
    if isinstance(spec, Field) and isinstance(spec.value, DURATION):
        return f"Default {duration_text(default)}."
    return f"Default {default}." if isinstance(default, (str, int, float)) else ""


# JSON schema ---------------------------------------------------------------------------------------------------------


def json_schema(schemas: Mapping[str, type[Schema] | None]) -> dict[str, Any]:
    """Return the JSON schema of a TOML configuration; directives that are not built are left out."""
    directives = {name: _line_schema(schema) for name, schema in schemas.items() if schema is not None}
    block = {
        "type": "object",
        "required": ["keys"],
        "additionalProperties": False,
        "properties": {"keys": {"type": "array", "items": {"type": "string"}}} | directives,
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "shardns configuration",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "workers": {"type": "integer", "minimum": 0},
            "block": {"type": "array", "items": block},
        },
    }


def _line_schema(schema: type[Schema]) -> dict[str, Any]:
    """Describe a directive: true, words, a table, or a list of tables."""
    texts = documentation(schema)
    members: dict[str, Any] = {"corefile": {"type": "string"}}
    for option in options_of(schema):
        described = {"description": texts[option.attribute]} if option.attribute in texts else {}
        key = option.attribute if isinstance(option.spec, (Arg, Args)) else option.word
        if isinstance(option.spec, Rest):
            members["lines"] = {"type": "array", "items": {"type": ["array", "string"]}} | described
        else:
            members[key] = _member(option) | described
    table = {"type": "object", "properties": members, "additionalProperties": False}
    about = summary(schema)
    choices: dict[str, Any] = {"anyOf": [{"const": True}, {"type": "string"}, table, {"type": "array", "items": table}]}
    return choices | ({"description": about} if about else {})


def _member(option: Option) -> dict[str, Any]:
    spec = option.spec
    if isinstance(spec, Flag):
        return {"type": "boolean"}
    if isinstance(spec, Line):
        return {"type": ["string", "array", "object", "boolean"]}
    one = _word_schema(spec)
    if (
        isinstance(spec, (Arg, Prop))
        and not spec.kind.whole
        and not (isinstance(spec, Prop) and spec.repeat == "append")
    ):
        return one
    return {"anyOf": [one, {"type": "boolean"}, {"type": "array"}]}


def _word_schema(spec: Field) -> dict[str, Any]:
    kind = spec.kind
    if isinstance(kind, INTEGER):
        # A word may also be text, such as a reference to the environment.
        return {"anyOf": [kind.schema(), {"type": "string", "pattern": "\\{[%$]"}, {"type": "string"}]}
    if isinstance(kind, CHOICE) and not kind.fold:
        return {"anyOf": [kind.schema(), {"type": "string", "pattern": "\\{[%$]"}]}
    return {"type": ["string", "number"]}
