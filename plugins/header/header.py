"""Sets and clears header flags of queries on their way down and of replies on their way up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Final

from shardns.config.errors import Refuse, WrongCount, nearest
from shardns.config.schema import Draft, Rest, Schema
from shardns.config.tokens import Token
from shardns.config.values import Words
from shardns.worker.plugin import Layer, Steps
from shardns.worker.query import Query
from shardns.worker.reply import Reply
from shardns.worker.stream import Stream
from shardns.worker.wire.codes import AA, RA, RD

FLAGS: Final = {"aa": AA, "ra": RA, "rd": RD}
_PREFIX: Final = "setting up rule: "


@dataclass(frozen=True, slots=True)
class Rule:
    """Flags to set or clear, in queries or in replies."""

    selector: str
    state: bool
    flags: tuple[str, ...]


def rule(words: Sequence[Token], draft: Draft) -> Rule | None:
    """Read `query|response set|clear FLAG...`; None where an earlier line of the directive is in force."""
    if _key(draft) in draft.shared:
        return None
    selector = words[0].text.lower()
    if selector not in ("query", "response"):
        text = f"invalid selector={selector} should be query or response"
        raise Refuse(_PREFIX + text, False, words[0], hint=nearest(selector, ("query", "response")))
    if len(words) < 2 or not words[1].text:
        raise Refuse(f"{_PREFIX}no flag action provided", False, words[0], hint="expected set or clear")
    action = words[1].text.lower()
    if len(words) < 3:
        text = "invalid length for flags, at least one should be provided"
        raise Refuse(_PREFIX + text, False, words[1], hint=nearest("", list(FLAGS)))
    if action not in ("set", "clear"):
        raise Refuse(f"{_PREFIX}unknown flag action={action}, should be set or clear", False, words[1])
    for word in words[2:]:
        if word.text.lower() not in FLAGS:
            text = f"unknown/unsupported flag={word.text.lower()}"
            raise Refuse(_PREFIX + text, False, word, hint=nearest(word.text.lower(), list(FLAGS)))
    return Rule(selector, action == "set", tuple(word.text.lower() for word in words[2:]))


def _key(draft: Draft) -> str:
    return f"header/{draft.index}"


class Options(Schema, repeat="each", surplus="again"):
    """Sets and clears the header flags aa, ra and rd of queries and replies."""

    flags: Annotated[tuple[Rule | None, ...], Rest(Words(rule, "query|response set|clear FLAG..."))] = ()
    "Set or clear flags (aa, ra, rd) in queries before the plugins below see them, or in the replies of these plugins. "
    "Rules are applied in order. The first line of the directive that has any counts."

    def check(self, draft: Draft) -> None:
        """Note that there are rules."""
        if self.flags:
            draft.shared.setdefault(_key(draft), True)

    def shape(self, draft: Draft) -> None:
        """Refuse the directive where none of its lines has a rule."""
        if _key(draft) not in draft.shared:
            raise WrongCount


class Header(Layer[tuple[Options, ...]]):
    """Answers that the core makes of a failure do not pass here, but they show the changed RD."""

    directive = "header"
    repeatable = True

    def prepare(self) -> None:
        """Turn the rules into masks."""
        rules = next((line.flags for line in self.options if line.flags), ())
        known = [rule for rule in rules if rule is not None]
        self.query_keep, self.query_set = masks(rule for rule in known if rule.selector == "query")
        self.reply_keep, self.reply_set = masks(rule for rule in known if rule.selector == "response")

    def around(self, query: Query) -> Steps:
        """Change the query, ask below, change the reply."""
        flags = (query.flags & self.query_keep) | self.query_set
        if flags != query.flags:
            query.show(flags=flags)
            query = query.ask(flags=flags)
        outcome = yield query
        yield self.changed(outcome) if isinstance(outcome, Reply) else outcome

    def changed(self, reply: Reply) -> Reply:
        """Return a reply with its flags set and cleared, in all messages that it has."""
        flags = (reply.flags & self.reply_keep) | self.reply_set
        found = reply if flags == reply.flags else reply.replace(flags=flags)
        if isinstance(found, Stream):
            return Stream(found, (part and self.changed(part) for part in found.parts))
        return found


def masks(rules: Iterable[Rule]) -> tuple[int, int]:
    """Return which flags stay, and which are set; the last rule for a flag wins."""
    last = {flag: rule.state for rule in rules for flag in rule.flags}
    keep = 0xFFFF & ~sum(FLAGS[flag] for flag in last)
    return keep, sum(FLAGS[flag] for flag, state in last.items() if state)


PLUGIN = Header
