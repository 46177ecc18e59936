"""Whose PROXY protocol headers name the client."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from shardns.config import golang
from shardns.config.errors import Refuse, WrongCount
from shardns.config.schema import Draft, Prop, Props, Schema
from shardns.config.tokens import Token
from shardns.config.values import CIDR, Words
from shardns.worker.plugin import Plugin

POLICIES = ("use", "ignore", "reject", "skip")
SESSIONS = 10_240


@dataclass(frozen=True, slots=True)
class Tracking:
    """How long a header holds for the datagrams behind it, and for how many peers."""

    ttl_s: float
    most: int = SESSIONS


def policy(words: Sequence[Token], draft: Draft) -> str:
    """Read one of the policies, in any letter case."""
    word = words[0]
    if word.text.lower() not in POLICIES:
        raise WrongCount(at=word, hint=f"expected one of: {', '.join(POLICIES)}")
    return word.text.lower()


def tracking(words: Sequence[Token], draft: Draft) -> Tracking:
    """Read `TTL [MAX_SESSIONS]`."""
    try:
        ttl_s = golang.seconds(words[0].text)
    except ValueError as error:
        text = f"udp_session_tracking: invalid duration {golang.quote(words[0].text)}: {error}"
        raise Refuse(text, False, words[0], hint="expected a duration such as 30s") from None
    if len(words) == 1:
        return Tracking(ttl_s)
    try:
        most = golang.integer(words[1].text)
    except ValueError:
        most = 0
    if most < 1:
        text = f"udp_session_tracking: invalid max sessions {golang.quote(words[1].text)}: must be a positive integer"
        raise Refuse(text, False, words[1])
    return Tracking(ttl_s, most)


class Options(Schema, repeat="merge", unknown="unknown option '{}'", unknown_prefix=""):
    """Takes the client's address from the header that a proxy puts in front."""

    allow: Annotated[
        tuple[str, ...], Props(CIDR("{}: invalid CIDR address: {}", located=False), least=0, repeat="append")
    ] = ()
    "Networks of the proxies whose headers count; without any, everybody's do unless default says otherwise."

    default: Annotated[str, Prop(Words(policy, "use|ignore|reject|skip"))] = ""
    "What becomes of the headers of all others: they count, they are taken off, they end the connection, or nobody "
    "looks for them. Ignore where there are allowed networks, else use."

    udp_session_tracking: Annotated[
        Tracking | None, Props(Words(tracking, "TTL [MAX_SESSIONS]"), most=2, repeat="replace")
    ] = None
    "For how long a header on plain UDP holds for later datagrams of the same peer, and for how many peers."


class Proxyproto(Plugin[Options]):
    """Only set-up; the listener reads the headers."""

    directive = "proxyproto"


PLUGIN = Proxyproto
