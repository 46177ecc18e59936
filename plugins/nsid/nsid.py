"""Adds a server identifier to the answers to queries that ask for one (RFC 5001)."""

from __future__ import annotations

import socket
from typing import Annotated

from shardns.config.schema import Args, Schema
from shardns.config.values import STRING
from shardns.worker.plugin import Layer, Steps
from shardns.worker.query import Query
from shardns.worker.reply import Reply
from shardns.worker.stream import Stream
from shardns.worker.wire.edns import DO, Edns

NSID = 3  # RFC 5001 §2.1


class Options(Schema, repeat="once", block="again"):
    """Adds a server identifier to the answers to queries that ask for one."""

    words: Annotated[tuple[str, ...], Args(STRING("DATA"))] = ()
    "The identifier; several words are joined with single blanks. Without any it is the name of the host."


class Nsid(Layer[Options]):
    """The presence of the option in the query decides, not what it holds."""

    directive = "nsid"
    repeatable = True
    transparent = True

    def prepare(self) -> None:
        """Settle the identifier."""
        text = " ".join(self.options.words) if self.options.words else host()
        self.identifier = text.encode(errors="surrogateescape")

    def around(self, query: Query) -> Steps:
        """Put the identifier into what comes from below; failures have no answer yet and stay as they are."""
        outcome = yield query
        edns = query.edns
        if edns is not None and isinstance(outcome, Reply) and any(code == NSID for code, _ in edns.options):
            outcome = self.shown(outcome, edns)
        yield outcome

    def shown(self, reply: Reply, asked: Edns) -> Reply:
        """Return a reply with the identifier, in all messages that it has."""
        found = reply.replace(edns=self.identified(reply.edns or Edns(asked.size, flags=DO)))
        if isinstance(reply, Stream):
            return Stream(found, (part and self.shown(part, asked) for part in reply.parts))
        return found

    def identified(self, edns: Edns) -> Edns:
        """Return the OPT record with every NSID option in it set, or with one added."""
        options = [(code, self.identifier if code == NSID else value) for code, value in edns.options]
        if all(code != NSID for code, _ in options):
            options.append((NSID, self.identifier))
        return Edns(edns.size, edns.version, edns.rcode_high, edns.flags, tuple(options))


def host() -> str:
    """Return the name of the host, `localhost` where it has none."""
    try:
        return socket.gethostname() or "localhost"
    except OSError:
        return "localhost"


PLUGIN = Nsid
