"""A server block while it is set up: what directives read from it and change in it."""

from __future__ import annotations

import os.path
from dataclasses import dataclass, field
from typing import Any, NoReturn

from .errors import Place, Problem, Refuse
from .model import UNLIMITED, WILDCARD, Directive, Encryption, Endpoint, Key, ServerBlock, Timeouts
from .tokens import Token


@dataclass(eq=False)
class Draft:
    """Given to value types, `check` and `shape`.

    `hosts`, `root`, `debug`, `stacktrace`, `timeouts`, `sockets`, `by_name` and `filters` become those of the
    `ServerBlock`; directives are set up in chain order, for each directive all blocks in the order of the file.
    `blocks` are the drafts of the whole file (this one too), `shared` is a notebook that they have in common.
    `heads` are the first words of the properties of the line that is being read.
    """

    file: str = "Corefile"
    index: int = 0
    keys: tuple[Key, ...] = (Key("dns", b"\0", 53),)
    place: Place | None = None
    root: str = ""
    hosts: tuple[str, ...] = (WILDCARD,)
    debug: bool = False
    stacktrace: bool = False
    timeouts: Timeouts = UNLIMITED
    sockets: int = 0
    by_name: bool = False
    encryption: Encryption | None = None
    filters: list[str] = field(default_factory=list)
    endpoints: list[Endpoint] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    blocks: list[Draft] = field(default_factory=list)
    shared: dict[str, Any] = field(default_factory=dict)
    sources: dict[str, list[str]] = field(default_factory=dict)
    present: frozenset[str] = frozenset()
    directives: list[Directive] = field(default_factory=list)
    directive: str = ""
    heads: dict[str, Token] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.blocks = self.blocks or [self]

    @property
    def zones(self) -> tuple[bytes, ...]:
        """The block's zones, lower-case wire form."""
        return tuple(key.zone for key in self.keys)

    def path(self, name: str) -> str:
        """Join a relative file name to the block's `root`."""
        if not self.root or os.path.isabs(name):
            return name
        return os.path.normpath(os.path.join(self.root, name))

    def options(self, directive: str) -> Any | None:
        """Return the options of a directive that was set up before in this block, else None."""
        return next((found.options for found in self.directives if found.name == directive), None)

    def warn(self, text: str) -> None:
        """Have `[WARNING] plugin/DIRECTIVE: text` printed once."""
        line = f"[WARNING] plugin/{self.directive}: {text}" if self.directive else f"[WARNING] {text}"
        if line not in self.warnings:
            self.warnings.append(line)

    def serve(self, address: str, required: bool = True, complaint: str = "") -> None:
        """Ask for an HTTP address of the directive that is being set up."""
        endpoint = Endpoint(self.directive, address, required, complaint)
        if endpoint not in self.endpoints:
            self.endpoints.append(endpoint)

    def fail(self, text: str, *, located: bool = False, at: Token | None = None, hint: str = "") -> NoReturn:
        """Refuse the directive."""
        raise Refuse(text, located, at, hint=hint)

    def source_line(self, place: Place) -> str | None:
        """Return the text of a line, None where the file is not known."""
        lines = self.sources.get(place.file, [])
        return lines[place.line - 1] if place.line <= len(lines) else None

    def problem(self, text: str, place: Place | None, hint: str = "") -> Problem:
        """Return a problem with its source line."""
        return Problem(text, place, self.source_line(place) if place else None, hint)

    def block(self) -> ServerBlock:
        """Return the finished block."""
        return ServerBlock(
            self.index, self.keys, tuple(self.directives), self.hosts, self.root, self.debug, self.stacktrace,
            self.timeouts, self.sockets, self.by_name, tuple(self.filters), self.encryption, self.place,
        )  # fmt: skip
