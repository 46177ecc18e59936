"""Reads zone text for people: every record with its place, and all syntax problems instead of the first.

1. Only the full grammar reads here, entry by entry, so that each record knows the line it began on; the server's
   faster way accepts the same.
2. Behind a broken entry reading goes on at the next one; where an entry has no end, at the next line.
3. What a $GENERATE stands for has the place of the directive.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from shardns.config.errors import Place, Problem

from . import tokens
from .errors import Bad, Token, quoted
from .sources import Sources
from .text import Reader

MAX_PROBLEMS: Final = 100  # then reading stops: the file is hardly a zone
_FIXED: Final = 10  # octets of a record before its rdata


class Record(NamedTuple):
    """One record, its names in lower case as the server keeps them, and where it began."""

    owner: bytes
    rtype: int
    rclass: int
    ttl: int
    rdata: bytes
    file: str
    line: int


class Lines:
    """The lines of files, to be shown under a problem."""

    def __init__(self, sources: Sources) -> None:
        self.sources = sources
        self._rows: dict[str, list[bytes]] = {}

    def row(self, file: str, line: int) -> bytes:
        """Return a line without its end."""
        rows = self._rows.get(file)
        if rows is None:
            rows = self._rows[file] = self.sources.read(file).split(b"\n")
        return rows[line - 1].rstrip(b"\r") if 0 < line <= len(rows) else b""

    def problem(self, text: str, file: str, line: int, column: int = 0, hint: str = "") -> Problem:
        """Make a problem; column 0 is the first word of the line, others count octets from 1."""
        row = self.row(file, line)
        if not column:
            column = len(row) - len(row.lstrip()) + 1
        shown = len(row[: column - 1].decode("utf-8", "replace")) + 1
        return Problem(text, Place(file, line, shown), row.decode("utf-8", "replace"), hint)


class Collector:
    """Takes the records of a reader; `file` and `line` are the place of the entry being read."""

    def __init__(self, origin: bytes) -> None:
        self.origin = origin
        self.entries: list[bytes] = []
        self.count = 0
        self.file = ""
        self.line = 0
        self.records: list[Record] = []

    def add_record(self, owner: bytes, record: bytes) -> None:
        """Take one record."""
        rtype, rclass, ttl = (int.from_bytes(record[a:b], "big") for a, b in ((0, 2), (2, 4), (4, 8)))
        self.records.append(Record(owner.lower(), rtype, rclass, ttl, record[_FIXED:], self.file, self.line))
        self.count += 1


class TooMany(Exception):
    """More problems than anybody reads."""


class LocatedReader(Reader):
    """A reader that notes what is wrong and goes on."""

    def __init__(self, lines: Lines, path: str, origin: bytes, sink: Collector, problems: list[Problem]) -> None:
        super().__init__(lines.sources, path, origin, sink)
        self.lines = lines
        self.collector = sink
        self.problems = problems

    def read(self, data: bytes | None = None) -> Iterator[None]:
        """Read everything; raises OSError for the file itself, and `TooMany`."""
        data = self.sources.read(self.path) if data is None else data
        at, line = 0, 1
        while at < len(data):
            if not self.generated:
                self.collector.file, self.collector.line = self.path, line
            try:
                words, at, after = tokens.entry(data, at, line)
            except Bad as bad:
                self._note(bad)
                at = data.find(b"\n", at) + 1 or len(data)
                line += 1
                continue
            try:
                more = self._entry(words)
            except Bad as bad:
                self._note(bad)
            else:
                if more is not None:
                    yield from more
            line = after

    def _sub(self, path: str, origin: bytes) -> Reader:
        reader = LocatedReader(self.lines, path, origin, self.collector, self.problems)
        reader.default = self.default
        reader.depth = self.depth + 1
        return reader

    def _note(self, bad: Bad) -> None:
        token = bad.token
        file, line = self.collector.file, self.collector.line
        text = bad.text.strip()
        if text == "unbalanced brace":
            column = self.lines.row(file, line).find(b"(") + 1
            self._add(self.lines.problem(text, file, line, column, "this parenthesis is never closed"))
            return
        if token is None:
            self._add(self.lines.problem(text, file, line))
            return
        if token.kind != tokens.NEWLINE and token.text.decode("latin-1") != text:
            text = f"{text}: {quoted(token.text)}"
        if self.generated:
            self._add(self.lines.problem(text, file, line, hint="in a line that this directive generates"))
        else:
            row = self.lines.row(file, token.line)
            self._add(self.lines.problem(text, file, token.line, _column(row, token)))

    def _add(self, problem: Problem) -> None:
        self.problems.append(problem)
        if len(self.problems) >= MAX_PROBLEMS:
            raise TooMany


def _column(row: bytes, token: Token) -> int:
    """Return where a word starts: what a token carries is where the reference says it ends (`tokens`)."""
    if token.kind == tokens.NEWLINE:
        return len(row.rstrip()) + 1
    for end in (token.column - 1, token.column):
        start = end - len(token.text)
        if start >= 0 and row[start:end] == token.text:
            return start + 1
    return max(1, min(token.column, len(row)))
