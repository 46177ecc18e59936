"""Answers every ANY query with the minimal HINFO of RFC 8482, whatever the name."""

from __future__ import annotations

from shardns.config.schema import Schema
from shardns.worker.plugin import Outcome, Source
from shardns.worker.query import Query
from shardns.worker.wire.codes import ANY, HINFO, IN
from shardns.worker.wire.records import RRset, Section

TTL_S = 8482  # a pun on the RFC's number, kept as the reference has it
RDATA = b"\x0dANY obsoleted\x0cSee RFC 8482"


class Options(Schema, repeat="first"):
    """Gives a minimal answer to ANY queries."""


class AnyType(Source[Options]):
    """RFC 8482 §4.2: one synthesised HINFO instead of everything that exists at the name."""

    directive = "any"
    repeatable = True

    def answer(self, query: Query) -> Outcome:
        """Answer ANY; every other type is somebody else's."""
        if query.qtype != ANY:
            return None
        return query.reply(answer=Section([RRset(query.owner, HINFO, TTL_S, (RDATA,), IN)]))


PLUGIN = AnyType
