"""The answer on its way back: the actions of the rules that matched, on every record, in reverse order."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from shardns.worker.reply import Reply
from shardns.worker.wire.codes import CNAME, DNAME, MX, NAPTR, NS, PTR, SOA, SRV
from shardns.worker.wire.edns import Edns
from shardns.worker.wire.names import from_text, to_text
from shardns.worker.wire.records import RRset, Section, section

from .state import Action, Option, Owners, Rcodes, Targets, Ttls, Values
from .texts import Change

# Octets before the name in the rdata of the types whose names are changed.
_NAME_AT: Final = {SRV: 6, MX: 2, CNAME: 0, NS: 0, DNAME: 0, PTR: 0, SOA: 0}


@dataclass
class Records:
    """An RRset that can be changed."""

    owner: bytes
    rtype: int
    rclass: int
    ttl: int
    rdatas: list[bytes]

    def rrset(self) -> RRset:
        """Return what it is by now."""
        return RRset(self.owner, self.rtype, self.ttl, tuple(self.rdatas), self.rclass)


class Answer:
    """A reply that can be changed. `records` are all of it in the order in which actions see them."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.rcode = reply.rcode
        self.flags = reply.flags
        self.edns = reply.edns
        self.authority, self.answer, self.additional = (
            [Records(r.owner, r.rtype, r.rclass, r.ttl, list(r.rdatas)) for r in part]
            for part in (reply.authority, reply.answer, reply.additional)
        )

    def done(self) -> Reply:
        """Return the changed reply."""
        return self.reply.replace(
            rcode=self.rcode,
            flags=self.flags,
            edns=self.edns,
            answer=_section(self.answer),
            authority=_section(self.authority),
            additional=_section(self.additional),
        )

    def act(self, actions: Sequence[Action]) -> Iterator[tuple[Targets, Records]]:
        """Do everything; yields each CNAME record whose target is to be looked at, in its turn."""
        seen = False
        of_message = [action for action in reversed(actions) if isinstance(action, (Rcodes, Option))]
        for records in [*self.authority, *self.answer, *self.additional]:
            seen = True
            for action in reversed(actions):
                if isinstance(action, Targets):
                    if records.rtype == CNAME:
                        yield action, records
                else:
                    self.on_records(action, records)
            for action in of_message * len(records.rdatas):
                self.on_message(action)
        if self.edns is not None:
            seen = True
            for action in reversed(actions):
                if isinstance(action, Ttls):
                    self.on_opt(action)
                else:
                    self.on_message(action)
        if not seen:
            for action in of_message:
                self.on_message(action)

    def on_records(self, action: Action, records: Records) -> None:
        """Do one thing to one RRset."""
        match action:
            case Owners(change):
                records.owner = changed(records.owner, change)
            case Values(change):
                records.rdatas = [changed_value(records.rtype, rdata, change) for rdata in records.rdatas]
            case Ttls():
                records.ttl = action.within(records.ttl)

    def on_opt(self, action: Ttls) -> None:
        """Bring the TTL field of the OPT record into the range: it is a record as any other to the reference."""
        edns = self.edns
        assert edns is not None
        ttl = action.within((edns.rcode_high << 24) | (edns.version << 16) | edns.flags)
        self.edns = dataclasses.replace(edns, rcode_high=ttl >> 24, version=(ttl >> 16) & 255, flags=ttl & 0xFFFF)

    def on_message(self, action: Action) -> None:
        """Do one thing to the message itself: the response code, or an option; once for each record."""
        match action:
            case Rcodes():
                if self.rcode == action.old:
                    self.rcode = action.new
            case Option():
                self.edns = None if self.edns is None else action.undo(self.edns)


def undone(edns: Edns | None, actions: Sequence[Action]) -> Edns | None:
    """Return the query's OPT record as the client shall see it again."""
    for action in reversed(actions):
        if isinstance(action, Option) and edns is not None:
            edns = action.undo(edns)
    return edns


def _section(records: list[Records]) -> Section:
    return section(one.rrset() for one in records)


def changed(name: bytes, change: Change) -> bytes:
    """Return a wire name after a change of its text; one that would be no name stays as it is."""
    text = to_text(name)
    new = change.apply(text)
    if new == text:
        return name
    try:
        return from_text(new)
    except ValueError:
        return name


def value_span(rtype: int, rdata: bytes) -> tuple[int, int] | None:
    """Return where in the rdata the name stands that an answer rule may change."""
    if rtype == NAPTR:
        at = 4
        for _ in range(3):
            at += rdata[at] + 1
    else:
        found = _NAME_AT.get(rtype)
        if found is None:
            return None
        at = found
    end = at
    while rdata[end]:
        end += rdata[end] + 1
    return at, end + 1


def changed_value(rtype: int, rdata: bytes, change: Change) -> bytes:
    """Return rdata after a change of the name in it."""
    span = value_span(rtype, rdata)
    if span is None:
        return rdata
    return rdata[: span[0]] + changed(rdata[span[0] : span[1]], change) + rdata[span[1] :]
