"""Leaves authority and additional data out of positive answers."""

from __future__ import annotations

from shardns.config.schema import Schema
from shardns.worker.classify import Kind, classify
from shardns.worker.plugin import Layer, Steps
from shardns.worker.query import Query
from shardns.worker.reply import Failure, Reply, ServFail
from shardns.worker.wire.records import EMPTY


class Options(Schema, repeat="first"):
    """Leaves authority and additional data out of positive answers."""


class Minimal(Layer[Options]):
    """Denials, delegations and errors pass as they are."""

    directive = "minimal"
    repeatable = True

    def around(self, query: Query) -> Steps:
        """Cut a positive answer down to its answer section.

        Where nothing was answered and nothing is to be said about it, the client gets SERVFAIL, whatever was meant.
        """
        try:
            outcome = yield query
        except Failure as failure:
            if failure.text:
                raise
            raise ServFail from failure
        if not isinstance(outcome, Reply):
            raise ServFail
        if outcome.edns is not None and outcome.edns.do:
            query.once()  # what kind of answer it is depends on the time: signatures in it may run out
        if classify(query, outcome) is Kind.NOERROR:
            outcome = outcome.replace(authority=EMPTY, additional=EMPTY).without_edns()
        yield outcome


PLUGIN = Minimal
