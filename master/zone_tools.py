"""The subcommand `zone`: `check`, `print` and `diff` for zone files. They open no socket and need no configuration."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final

from shardns.config.errors import Problem
from shardns.worker.wire.names import from_text, to_text
from shardns.worker.zone.contents import Contents
from shardns.worker.zone.inspect import Inspection, inspect, origin_of
from shardns.worker.zone.listing import difference, rows, serials
from shardns.worker.zone.rules import step
from shardns.worker.zone.sources import Sources

from .flags import Flag, FlagError, HelpWanted, Parsed, parse_anywhere

USAGE: Final = (
    "zone check [--json] [--previous OLD] FILE [ORIGIN]",
    "zone print FILE [ORIGIN]",
    "zone diff OLD NEW [ORIGIN]",
)
_CHECK_FLAGS: Final = (
    Flag("json", False, "One JSON object"),
    Flag("previous", "", "Zone file served before: a changed zone needs a higher serial"),
)


class Unreadable(Exception):
    """A zone file that cannot be opened, or whose origin nobody knows."""


def zone(line: Sequence[str]) -> int:
    """Check, print or compare zone files: 0 where all is good, 1 where not, 2 for a wrong command line."""
    try:
        if line and line[0] in _COMMANDS:
            command, flags, least = _COMMANDS[line[0]]
            parsed = parse_anywhere(flags, line[1:])
            if not least <= len(parsed.rest) <= least + 1:
                raise FlagError(f"zone {line[0]}: wrong number of arguments")
            return command(parsed)
        parse_anywhere((), line)
        raise FlagError(f"zone: unknown command {line[0]!r}" if line else "zone: expected check, print or diff")
    except HelpWanted:
        print(_usage(), file=sys.stderr)
        return 0
    except FlagError as error:
        print(f"{error}\n{_usage()}", file=sys.stderr)
        return 2
    except Unreadable as error:
        print(error, file=sys.stderr)
        return 1


def _usage() -> str:
    return "\n".join(("Usage:", *(f"  shardns {one}" for one in USAGE)))


def _check(parsed: Parsed) -> int:
    try:
        origin = _origin(*parsed.rest)
        previous = parsed.text("previous")
        old = _readable(_inspect(previous, origin)) if previous else None
        found = _inspect(parsed.rest[0], origin, old)
    except Unreadable as error:
        if not parsed.on("json"):
            raise
        problems = [_row(Problem(str(error)))]
        print(json.dumps({"ok": False, "file": parsed.rest[0], "problems": problems, "warnings": []}, indent=2))
        return 1
    if parsed.on("json"):
        print(json.dumps(_report(found), indent=2))
    else:
        shown = [str(one) for one in found.errors] + [f"Warning: {one}" for one in found.warnings]
        print("\n".join([*shown, found.summary() if not found.errors else _verdict(found)]))
    return 1 if found.errors else 0


def _verdict(found: Inspection) -> str:
    count = len(found.errors)
    zone_text = to_text(found.contents.origin)
    return f"{found.path}: zone {zone_text} has {count} problem{'' if count == 1 else 's'}"


def _report(found: Inspection) -> dict[str, Any]:
    return {
        "ok": not found.errors,
        "file": found.path,
        "origin": to_text(found.contents.origin),
        "serial": found.contents.serial,
        "records": sum(1 for _ in found.contents.records),
        "problems": [_row(one) for one in found.errors],
        "warnings": [_row(one) for one in found.warnings],
    }


def _row(problem: Problem) -> dict[str, Any]:
    place = problem.place._asdict() if problem.place else None
    return {"text": problem.text, "place": place, "source": problem.source_line, "hint": problem.hint}


def _print(parsed: Parsed) -> int:
    zone_contents = _readable(_inspect(parsed.rest[0], _origin(*parsed.rest)))
    for text in rows(zone_contents):
        print(text)
    return 0


def _diff(parsed: Parsed) -> int:
    old_path, new_path, *given = parsed.rest
    origin = _origin(new_path, *given)
    old, new = (_readable(_inspect(path, origin)) for path in (old_path, new_path))
    print(serials(old, new))
    for text in difference(old, new):
        print(text)
    stuck = [one.text for one in step(old, new)]
    if stuck:
        print("\n".join(stuck), file=sys.stderr)
    return 1 if stuck else 0


def _origin(path: str, given: str = "") -> bytes:
    try:
        if given:
            return from_text(given if given.endswith(".") else f"{given}.").lower()
        return origin_of(Sources().read(path), path)
    except ValueError:
        text = f"{given!r} is no domain name" if given else f"{path}: the zone's name is unknown; give it as ORIGIN"
        raise Unreadable(text) from None
    except OSError as error:
        raise _unopened(path, error) from None


def _inspect(path: str, origin: bytes, previous: Contents | None = None) -> Inspection:
    try:
        return inspect(Sources(), path, origin, previous)
    except OSError as error:
        raise _unopened(path, error) from None


def _unopened(path: str, error: OSError) -> Unreadable:
    return Unreadable(f"open {path}: {(error.strerror or str(error)).lower()}")


def _readable(found: Inspection) -> Contents:
    """Return the contents of a zone all lines of which could be read."""
    if found.syntax:
        raise Unreadable("\n".join(str(one) for one in found.syntax))
    return found.contents


_COMMANDS: Final[dict[str, tuple[Callable[[Parsed], int], Sequence[Flag], int]]] = {
    "check": (_check, _CHECK_FLAGS, 1),
    "print": (_print, (), 1),
    "diff": (_diff, (), 2),
}
