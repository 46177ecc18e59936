"""The options of `transfer`: each line is a rule of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from shardns.config.errors import Refuse
from shardns.config.golang import quote
from shardns.config.names import from_text
from shardns.config.schema import Args, Draft, Prop, Props, Schema
from shardns.config.tokens import Token
from shardns.config.values import ZONES, Convert, Words, is_ip
from shardns.worker.zone.peers import Peer, peer

ANYONE = ("*", 0)
INNER = "plugin/transfer: "


def _to(word: str, draft: Draft) -> Peer:
    try:
        return ANYONE if word == "*" else peer(word)
    except ValueError as error:
        raise Refuse(str(error), located=False) from None


def _source(words: Sequence[Token], draft: Draft) -> str:
    if not is_ip(words[0].text):
        raise Refuse(f"invalid source address {quote(words[0].text)}", located=True, inner=INNER)
    return words[0].text


def _key(word: str, draft: Draft) -> bytes:
    return from_text(word).lower()


class Options(Schema, repeat="each", unknown="unknown property {q}", unknown_inner="plugin/transfer: "):
    """Gives zones away by AXFR and IXFR, and tells other servers of changes (NOTIFY)."""

    zones: Annotated[tuple[bytes, ...], Args(ZONES(), block_zones=True)] = ()
    "Zones of this rule; without any, those of the server block. The rule with the longest matching zone counts."

    to: Annotated[tuple[Peer, ...], Props(Convert(_to, "ADDRESS"))] = ()
    "Who may transfer: `*` for everybody, or addresses, which also get NOTIFY messages (port 53 if none is given)."

    source: Annotated[
        str | None,
        Prop(
            Words(_source, "ADDRESS"),
            repeat="once",
            twice=Refuse("source already specified", located=True, inner=INNER),
        ),
    ] = None
    "The local address of NOTIFY messages."

    key: Annotated[bytes | None, Prop(Convert(_key, "NAME"))] = None
    "The key of this block's `tsig` that NOTIFY messages are signed with."

    def check(self, draft: Draft) -> None:
        """Refuse a rule for nobody."""
        if not self.to:
            raise Refuse("'to' is required", located=True, inner=INNER)
