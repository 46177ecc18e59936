"""Builds replies from templates of records, chosen by zone, class, type, regular expression and conditions."""

from __future__ import annotations

from collections.abc import Awaitable, Generator

from shardns.worker.metrics import Counter
from shardns.worker.plugin import Outcome, Source
from shardns.worker.query import Query
from shardns.worker.reply import Drop, Failure, Reply, ServFail
from shardns.worker.wire.codes import AAAA, CNAME, TC, A, Rcode
from shardns.worker.wire.edns import DO, EDE, Edns
from shardns.worker.wire.names import within
from shardns.worker.wire.records import RRset, section

from .go import Template as Text
from .go import TemplateError
from .options import ExtendedError, Options
from .record import BadRecord, record
from .stanza import Match, Stanza

EDNS_SIZE = 4096  # octets; what the reference puts beside an extended error
_LABELS = ("server", "zone", "view", "class", "type")
_WHERE = (*_LABELS, "section", "template")

matches = Counter("template_matches_total", "Counter of template regex matches.", _LABELS)
template_failures = Counter("template_template_failures_total", "Counter of go template failures.", _WHERE)
record_failures = Counter("template_rr_failures_total", "Counter of mis-templated RRs.", _WHERE)

Lookups = Generator[bytes, Reply | None, Reply]


class Template(Source[tuple[Options, ...]]):
    """All `template` lines of a server block, tried from top to bottom."""

    directive = "template"
    repeatable = True

    def prepare(self) -> None:
        """Prepare the stanzas."""
        self.stanzas = [Stanza(options) for options in self.options]
        self.zones = tuple({zone for options in self.options for zone in options.zones})

    def answer(self, query: Query) -> Outcome | Awaitable[Outcome]:
        """Answer from the first stanza that takes the query. Raises ServFail where one fails or must not be passed."""
        if not any(within(query.name, zone) for zone in self.zones):
            return None
        for stanza in self.stanzas:
            if not stanza.repeatable:
                query.once()
            match = stanza.match(query)
            if match is not None:
                labels = (query.request.listener.label, match.zone, self.site.view, match.qclass, match.qtype)
                matches.inc(*labels)
                query.request.series.append(matches.cell(*labels))
                if stanza.options.rcode == Rcode.SERVFAIL:
                    raise ServFail
                return self.follow(query, compose(query, stanza, match, labels))
        return None

    def follow(self, query: Query, steps: Lookups) -> Outcome | Awaitable[Outcome]:
        """Make the lookups that a reply in the making asks for, waiting only if one has to be waited for."""
        try:
            target = next(steps)
            while True:
                try:
                    found = self.site.lookup(query, target, query.qtype)
                except Failure:
                    found = Drop()
                if not isinstance(found, (Reply, Drop)):
                    return self.follow_later(query, steps, found)
                target = steps.send(found if isinstance(found, Reply) else None)
        except StopIteration as done:
            reply: Reply = done.value
            return reply

    async def follow_later(self, query: Query, steps: Lookups, waiting: Awaitable[Reply | Drop]) -> Outcome:
        """The same, after the first lookup that has to be waited for."""
        try:
            found = await waiting
        except Failure:
            found = Drop()
        try:
            target = steps.send(found if isinstance(found, Reply) else None)
        except StopIteration as done:
            reply: Reply = done.value
            return reply
        # One that waits comes after another: the rest is the same again, from the next target.
        outcome = self.follow(query, _again(target, steps))
        return outcome if outcome is None or isinstance(outcome, (Reply, Drop)) else await outcome


def _again(target: bytes, steps: Lookups) -> Lookups:
    found = yield target
    while True:
        try:
            target = steps.send(found)
        except StopIteration as done:
            reply: Reply = done.value
            return reply
        found = yield target


def compose(query: Query, stanza: Stanza, match: Match, labels: tuple[str, ...]) -> Lookups:
    """Render the sections; yields the targets of aliases to look up, returns the reply. Raises ServFail."""
    flags = 0
    answer: list[RRset] = []
    for text in stanza.answer:
        made = rendered(text, "answer", match, labels)
        answer.append(made)
        if made.rtype == CNAME and query.qtype in (A, AAAA):
            found = yield made.rdatas[0]
            if found is not None:
                flags = found.flags & TC
                answer += found.answer
    rest = [[rendered(text, name, match, labels) for text in texts] for name, texts in stanza.sections()]
    additional, authority = map(section, rest)
    edns = extended(stanza.options.ederror)
    return query.reply(stanza.options.rcode, section(answer), authority, additional, aa=True, flags=flags, edns=edns)


def rendered(text: Text, part: str, match: Match, labels: tuple[str, ...]) -> RRset:
    """Return the record of a template; raises ServFail."""
    try:
        return record(text.run(match.data))
    except TemplateError as error:
        template_failures.inc(*labels, part, str(text))
        raise ServFail(str(error)) from None
    except BadRecord as error:
        record_failures.inc(*labels, part, str(text))
        raise ServFail(str(error)) from None


def extended(error: ExtendedError | None) -> Edns | None:
    """Return the OPT record that carries an extended error."""
    if error is None:
        return None
    option = error.code.to_bytes(2, "big") + error.text.encode("utf-8", "surrogateescape")
    return Edns(EDNS_SIZE, flags=DO, options=((EDE, option),))


PLUGIN = Template
