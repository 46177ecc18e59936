"""Looks at a zone file as `shardns zone` does: all that is wrong with it, its syntax and what it says."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shardns.config.errors import Problem

from ..wire.names import from_text, to_text
from .contents import Contents
from .located import Collector, Lines, LocatedReader, TooMany
from .rdata import ascii_text
from .rules import RULES, Finding, step
from .sources import Sources

_LEADING: Final = re.compile(
    rb'^(?:\$ORIGIN[ \t]+([^\s;]+)|([^\s;$]*)(?:[ \t]+[0-9a-z]+){0,2}[ \t]+SOA[ \t])', re.I | re.M
)  # fmt: skip
_ENDINGS: Final = (".zone", ".db", ".signed")


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was found in a zone file. `syntax` are those of the `errors` that kept lines from being read."""

    path: str
    contents: Contents
    syntax: tuple[Problem, ...]
    errors: tuple[Problem, ...]
    warnings: tuple[Problem, ...]

    def summary(self) -> str:
        """Describe the zone in a line."""
        count = sum(1 for _ in self.contents.records)
        return f"{self.path}: zone {to_text(self.contents.origin)}, serial {self.contents.serial}, {count} records"


def inspect(sources: Sources, path: str, origin: bytes, previous: Contents | None = None) -> Inspection:
    """Read a zone file and judge it, against what was served before if that is given; raises OSError for the file."""
    lines = Lines(sources)
    sink = Collector(origin)
    syntax: list[Problem] = []
    try:
        for _ in LocatedReader(lines, path, origin, sink, syntax).read():
            pass
    except TooMany:
        pass
    zone = Contents(origin, sink.records)
    findings = [one for rule in RULES for one in rule(zone) if not (syntax and one.absence)]
    if previous is not None and not syntax:
        findings += step(previous, zone)
    wrong = [_problem(lines, one, path) for one in findings if not one.warning]
    warnings = [_problem(lines, one, path) for one in findings if one.warning]
    return Inspection(path, zone, tuple(syntax), (*syntax, *wrong), tuple(warnings))


def _problem(lines: Lines, finding: Finding, path: str) -> Problem:
    record = finding.record
    if record is None:
        return Problem(f"{path}: {finding.text}", hint=finding.hint)
    return lines.problem(finding.text, record.file, record.line, hint=finding.hint)


def origin_of(data: bytes, path: str) -> bytes:
    """Guess a zone's origin: the owner of its SOA record, a leading $ORIGIN, or what the file is named after.

    Raises ValueError where none of them is a domain name.
    """
    origin: bytes | None = None
    for match in _LEADING.finditer(data):
        directive, owner = match.groups()
        if directive is None:
            named = _absolute(owner, origin) if owner not in (b"", b"@") else origin
            if named is not None:
                return named
            break
        origin = _absolute(directive, origin)
    if origin is not None:
        return origin
    name = Path(path).name.removeprefix("db.")
    for ending in _ENDINGS:
        name = name.removesuffix(ending)
    return from_text(name if name.endswith(".") else f"{name}.").lower()


def _absolute(word: bytes, origin: bytes | None) -> bytes | None:
    if origin is None and not word.endswith(b"."):
        return None
    try:
        return from_text(ascii_text(word), origin or b"\0").lower()
    except ValueError:
        return None
