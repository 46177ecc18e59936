"""The subcommands that need no server: `check`, `convert`, `help`. They open no socket."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from shardns.config.check import problems_json, report, report_json
from shardns.config.convert import to_corefile, to_toml
from shardns.config.describe import help_text
from shardns.config.errors import ConfigError
from shardns.config.load import load
from shardns.config.source import find, from_flag

from .checker import TRANSPORTS, Registry
from .flags import Flag, FlagError, HelpWanted, Parsed, parse, usage


def check(line: Sequence[str]) -> int:
    """Print what each file would serve or everything that is wrong with it: 0 where all are good, else 1."""
    flags = (Flag("json", False, "One JSON object for each file"), Flag("p", 53, "Default port of plain DNS"))
    parsed = _parsed("check", flags, line, ends_with="FILE...", least=0)
    if isinstance(parsed, int):
        return parsed
    status = 0
    for file in parsed.rest or [""]:
        status |= _check_one(file, parsed.number("p"), as_json=parsed.on("json"))
    return status


def _check_one(file: str, port: int, *, as_json: bool) -> int:
    registry = Registry()
    try:
        source = from_flag(file) if file else find(port=port)
        model = load(source, registry, registry.order, port=port, transports=TRANSPORTS)
    except ConfigError as error:
        print(problems_json(error) if as_json else error)
        return 1
    print(report_json(model) if as_json else report(model).rstrip("\n"))
    return 0


def convert(line: Sequence[str]) -> int:
    """Print a configuration in the other language."""
    flags = (Flag("to", "toml", "toml or corefile"),)
    parsed = _parsed("convert", flags, line, ends_with="FILE", least=1, most=1)
    if isinstance(parsed, int):
        return parsed
    registry = Registry()
    try:
        source = from_flag(parsed.rest[0])
        if parsed.text("to") == "corefile":
            text = to_corefile(source, registry, registry.order)
        else:
            text = to_toml(source, registry, registry.order)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 1
    sys.stdout.write(text)
    return 0


def explain(line: Sequence[str]) -> int:
    """Print a directive's syntax and options; without a name, all directives."""
    parsed = _parsed("help", (), line, ends_with="[PLUGIN]", least=0, most=1)
    if isinstance(parsed, int):
        return parsed
    registry = Registry()
    if not parsed.rest:
        print("\n".join(sorted(registry.order)))
        return 0
    name = parsed.rest[0]
    if name not in registry:
        print(f"unknown plugin '{name}'", file=sys.stderr)
        return 1
    schema = registry[name]
    if schema is None:
        print(f"plugin/{name}: not implemented yet", file=sys.stderr)
        return 1
    print(help_text(name, schema).rstrip("\n"))
    return 0


def _parsed(
    command: str, flags: Sequence[Flag], line: Sequence[str], *, ends_with: str, least: int, most: int | None = None
) -> Parsed | int:
    """Return the parsed line, or the exit status where there is nothing to do."""
    shown = usage(f"shardns {command}", flags).replace(":", f" [flags] {ends_with}:" if flags else f" {ends_with}", 1)
    try:
        parsed = parse(flags, line)
        if len(parsed.rest) < least or (most is not None and len(parsed.rest) > most):
            raise FlagError(f"{command}: expected {ends_with}")
        if "to" in parsed.values and parsed.values["to"] not in ("toml", "corefile"):
            raise FlagError(f'invalid value "{parsed.text("to")}" for flag -to: toml or corefile')
    except HelpWanted:
        print(shown, file=sys.stderr)
        return 0
    except FlagError as error:
        print(f"{error}\n{shown}", file=sys.stderr)
        return 2
    return parsed
