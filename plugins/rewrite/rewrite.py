"""Changes queries before the plugins below see them, and their answers afterwards.

1. What the plugins below and the log above see is the changed query; the client sees its own question, except where
   only `continue` rules matched that do nothing to the answer.
2. A failure below is answered here, so that the rules for answers reach it; the failure is reported all the same.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from shardns.worker import log
from shardns.worker.dispatch import failed
from shardns.worker.plugin import Layer, Steps
from shardns.worker.query import Query
from shardns.worker.reply import Drop, Failure, Reply, ServFail
from shardns.worker.stream import Stream
from shardns.worker.wire.codes import CNAME, TC
from shardns.worker.wire.names import from_text, to_text
from shardns.worker.wire.records import RRset
from shardns.worker.wire.write import registered_options

from .answer import Answer, Records, undone
from .options import Options
from .rules import LocalRule
from .state import State, Targets, Ttls


class Rewrite(Layer[tuple[Options, ...]]):
    """One walk over the rules a query."""

    directive = "rewrite"
    repeatable = True

    def prepare(self) -> None:
        """Have the core give back the options that rules put into queries."""
        self.rules = [options.rule for options in self.options if options.rule is not None]
        registered_options.update(rule.code for rule in self.rules if isinstance(rule, LocalRule))

    def around(self, query: Query) -> Steps:
        """Change the query, ask below, change the answer."""
        state = State.of(query)
        stopped = self.walk(state)
        asked = self.changed(state)
        request = query.request
        reverting = stopped or bool(state.actions)
        if asked is not query:
            request.rewritten = asked
            if not reverting and (asked.name, asked.qtype, asked.qclass) != (query.name, query.qtype, query.qclass):
                query.once()
                request.shown = asked
            else:
                query.show(edns=undone(asked.edns, state.actions))
        if not reverting:
            yield (yield asked)
            return
        outcome: Reply | Drop
        try:
            outcome = yield asked
        except Failure as failure:
            query.once()  # a failure passes
            request.fault = failure
            outcome = failed(asked, failure)
        if isinstance(outcome, Reply) and state.actions:
            outcome = yield from self.reverted(asked, outcome, state)
            if isinstance(outcome, Stream):
                outcome = Stream(outcome, (part and further(part, state) for part in outcome.parts))
        yield outcome

    def walk(self, state: State) -> bool:
        """Apply the rules in order; tell whether one that stops has matched."""
        for rule in self.rules:
            before = state.name
            if not rule.apply(state):
                continue
            if state.name != before:
                try:
                    state.wire = from_text(state.name)
                except ValueError:
                    raise ServFail(f"invalid name after rewrite: {state.name}") from None
            if not rule.again:
                return True
        return False

    def changed(self, state: State) -> Query:
        """Return the query as the rules left it: the same one where nothing has changed."""
        query = state.query
        name = None if state.wire == query.name else state.wire
        if name is None and (state.qtype, state.qclass, state.edns) == (query.qtype, query.qclass, query.edns):
            return query
        return query.ask(name=name, qtype=state.qtype, qclass=state.qclass, edns=state.edns)

    def reverted(self, asked: Query, reply: Reply, state: State) -> Generator[Any, Any, Reply]:
        """Return the answer after all actions; what they have to look up is yielded."""
        answer = Answer(reply)
        for targets, records in answer.act(state.actions):
            yield from self.retarget(asked, answer, targets, records)
        request = asked.request
        if any(isinstance(action, Ttls) for action in state.actions):
            request.end = request.until  # these TTLs do not simply count down
        return answer.done()

    def retarget(self, asked: Query, answer: Answer, targets: Targets, records: Records) -> Generator[Any, Any, None]:
        """Change the target of a CNAME record, and let what it leads to take the place of what followed."""
        old = to_text(records.rdatas[0])
        new = targets.change(old)
        if new is None:
            return
        try:
            name = from_text(new)
            found = self.site.lookup(asked, name.lower(), asked.qtype)
            if not isinstance(found, (Reply, Drop)):
                found = yield found
        except (Failure, ValueError) as failure:
            log.error(f"upstream lookup failed: {failure}")
            return
        asked.request.rewritten = asked.ask(name=name.lower())
        if not isinstance(found, Reply):
            log.error("upstream lookup returned nil")
            return
        kept: list[Records] = []
        for one in answer.answer:
            if one.rtype == CNAME:
                kept.append(one)
                if to_text(one.rdatas[0]) == old:
                    one.rdatas = [name, *one.rdatas[1:]]
                    break
        answer.answer = [*kept, *(copied(rrset) for rrset in found.answer)]
        answer.flags = (answer.flags & ~TC) | (found.flags & TC)


def further(part: Reply, state: State) -> Reply:
    """Return a further message of a zone transfer after all actions; CNAME targets in it stay as they are."""
    answer = Answer(part)
    for _ in answer.act(state.actions):
        pass
    return answer.done()


def copied(rrset: RRset) -> Records:
    """Return an RRset in the form that can be changed."""
    return Records(rrset.owner, rrset.rtype, rrset.rclass, rrset.ttl, list(rrset.rdatas))


PLUGIN = Rewrite
