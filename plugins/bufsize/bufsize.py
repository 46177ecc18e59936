"""Lowers the UDP size that clients advertise, so that answers are not sent in fragments."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Annotated

from shardns.config.errors import WrongCount
from shardns.config.golang import integer
from shardns.config.schema import Arg, Draft, Schema
from shardns.config.tokens import Token
from shardns.config.values import Words
from shardns.worker.plugin import Layer, Steps
from shardns.worker.query import Query

DEFAULT = 1232  # octets; DNS flag day 2020
LEAST = 512  # RFC 6891 §6.2.3
MOST = 4096


def size(words: Sequence[Token], draft: Draft) -> int:
    """Return the size; whatever is wrong with it, the reference complains about the number of arguments."""
    try:
        number = integer(words[0].text)
    except ValueError:
        number = 0
    if not LEAST <= number <= MOST:
        raise WrongCount(at=words[0], hint=f"expected an integer from {LEAST} to {MOST}")
    return number


class Options(Schema, repeat="first", block="again", inner="plugin/bufsize: "):
    """Lowers the UDP size that clients advertise."""

    size: Annotated[int, Arg(Words(size, "SIZE"))] = DEFAULT
    "Largest size in octets that a client may ask for, from 512 to 4096."


class Bufsize(Layer[Options]):
    """Everything below sees the lowered size, upstreams too, and the client is told of it."""

    directive = "bufsize"
    repeatable = True

    def around(self, query: Query) -> Steps:
        """Lower the size; it is never raised, and a query without OPT record gets none."""
        edns = query.edns
        limit = self.options.size
        if edns is None or edns.size <= limit:
            yield (yield query)
            return
        lowered = dataclasses.replace(edns, size=limit)
        query.show(edns=lowered)
        yield (yield query.ask(edns=lowered))


PLUGIN = Bufsize
