"""Decides by expressions whether a server block takes a query.

1. The decision is made before the chain, by the mux; in the chain the plugin passes everything on.
2. An answer is memorised for the clients whose queries come to the same decision; where that cannot be told from the
   client's address, not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any

from shardns.config import expression
from shardns.config.errors import Refuse
from shardns.config.expression import BadExpression, ExpressionError, Program
from shardns.config.expression.queries import QUERY
from shardns.config.schema import Arg, Draft, Props, Schema
from shardns.config.tokens import Token
from shardns.config.values import STRING, Words
from shardns.worker.address import Address
from shardns.worker.environment import CLIENT, VARYING, environment, frozen, names
from shardns.worker.plugin import Gate, Metadata, Outcome, Source
from shardns.worker.query import Query


def program(words: Sequence[Token], draft: Draft) -> Program:
    """Compile an expression; its words are joined with single blanks."""
    try:
        return expression.compile(" ".join(word.text for word in words), QUERY)
    except BadExpression as error:
        raise Refuse(str(error), located=False, at=words[0] if words else None) from None


class Options(Schema, repeat="once"):
    """Decides by expressions whether the server block takes a query."""

    name: Annotated[str, Arg(STRING(), brace=False)]
    "The view's name, for metrics and metadata."

    expr: Annotated[tuple[Program, ...], Props(Words(program, "EXPRESSION"), least=0)] = ()
    "The block takes a query only if this is true; of several expressions all must be."

    def shape(self, draft: Draft) -> None:
        """Let other blocks serve the same zones."""
        draft.filters.append(self.name)


class View(Gate[Options], Source[Options], Metadata):
    """A gate in front of its block."""

    directive = "view"
    repeatable = True

    def prepare(self) -> None:
        """Sort out what the decision depends on."""
        self.programs = self.options.expr
        self.names = frozenset[str]().union(*map(names, self.programs))
        self.varying = self.names & VARYING

    @property
    def view_name(self) -> str:
        """The `view` label of the block's metrics."""
        return self.options.name

    def admits(self, query: Query) -> bool:
        """Tell whether every expression is true of a query."""
        decided = self.judge(environment(query))
        if self.varying == {CLIENT}:
            request = query.request
            request.guards = [*(request.guards or ()), (self.guard(query), decided)]
        elif self.varying:
            query.once()
        return decided

    def judge(self, values: dict[str, Any]) -> bool:
        """Tell whether every expression is true; one that fails or is not a boolean is not."""
        try:
            return all(program.run(values) is True for program in self.programs)
        except ExpressionError:
            return False

    def guard(self, query: Query) -> Callable[[Address], bool]:
        """Return the decision about the same query of other clients."""
        fixed = frozen(query, self.names - {CLIENT})
        return lambda peer: self.judge({**fixed, CLIENT: lambda: peer.ip})

    def answer(self, query: Query) -> Outcome:
        """Leave the query to what stands below."""
        return None

    def describe(self, query: Query) -> Iterable[tuple[str, Any]]:
        """Offer the view's name."""
        yield "view/name", lambda: self.options.name


PLUGIN = View
