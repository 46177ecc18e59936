"""A query while the rules walk over it, and the actions that wait for its answer."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from shardns.worker.query import Query
from shardns.worker.reply import Drop, Reply
from shardns.worker.wire.edns import Edns

from .texts import Change

OPT_SIZE: Final = 4096  # octets; what an OPT record says that a rule adds
Lookup = Callable[[Query, bytes, int], "Reply | Drop | Awaitable[Reply | Drop]"]


@dataclass
class State:
    """What the query is by now. `name` is lower-case text, `wire` the same in wire form once a rule has changed it."""

    query: Query
    name: str
    qtype: int
    qclass: int
    edns: Edns | None
    wire: bytes | None = None
    actions: list[Action] = field(default_factory=list)

    @classmethod
    def of(cls, query: Query) -> State:
        """Begin with the query as it came."""
        return cls(query, query.name_text, query.qtype, query.qclass, query.edns)

    def opt(self) -> Edns:
        """Return the OPT record; the query gets one if it has none."""
        if self.edns is None:
            self.edns = Edns(OPT_SIZE)
        return self.edns

    def set_options(self, options: tuple[tuple[int, bytes], ...]) -> None:
        """Replace the options of the OPT record."""
        self.edns = dataclasses.replace(self.opt(), options=options)


class Action(Protocol):
    """What a rule does with an answer."""


@dataclass(frozen=True, slots=True)
class Owners:
    """Change owner names."""

    change: Change


@dataclass(frozen=True, slots=True)
class Values:
    """Change the names that records hold."""

    change: Change


@dataclass(frozen=True, slots=True)
class Ttls:
    """Bring TTLs (s) into a range."""

    low: int
    high: int

    def within(self, ttl: int) -> int:
        """Return the nearest TTL of the range."""
        return min(max(ttl, self.low), self.high)


@dataclass(frozen=True, slots=True)
class Rcodes:
    """Replace one response code by another."""

    old: int
    new: int


@dataclass(frozen=True, slots=True)
class Targets:
    """Change the target of a CNAME record, and resolve the new one instead."""

    change: Callable[[str], str | None]


@dataclass(frozen=True, slots=True)
class Option:
    """Undo a change of an EDNS option: put `value` back, or take the option out where there was none."""

    code: int
    value: bytes | None

    def undo(self, edns: Edns) -> Edns:
        """Return the OPT record with the first such option as it was."""
        for at, (code, _) in enumerate(edns.options):
            if code == self.code:
                kept = () if self.value is None else ((code, self.value),)
                return dataclasses.replace(edns, options=edns.options[:at] + kept + edns.options[at + 1 :])
        return edns
