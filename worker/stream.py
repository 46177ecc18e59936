"""Answers of several messages (zone transfers), and what is put on a finished message: its signature.

1. The messages of a stream are made one by one as the client takes them; nothing is held between two of them but the
   place in the zone.
2. Making a message may take several steps, each below a millisecond, so that other queries are answered in between.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .reply import Reply
from .wire.write import write

if TYPE_CHECKING:
    from .query import Query


SLICE_S = 0.001  # of the event loop for a transfer at a time


class Stream(Reply):
    """A reply that is the first of several. `parts` gives the others, and None after each step without one."""

    __slots__ = ("parts",)

    def __init__(self, first: Reply, parts: Iterator[Reply | None]) -> None:
        super().__init__(
            first.rcode, first.flags, first.answer, first.authority, first.additional, first.edns, first.opcode,
            first.compress,
        )  # fmt: skip
        self.parts = parts

    def replace(self, **parts: Any) -> Stream:
        """Return a copy whose first message differs; the others are as they were."""
        return Stream(super().replace(**parts), self.parts)

    def without_edns(self) -> Stream:
        """Return a copy that leaves the OPT record to the core."""
        return Stream(super().without_edns(), self.parts)


class Flow(bytes):
    """The first message of a stream as it goes out, without its ID; `rest` gives the others.

    `rest` gives None after each step without a message.
    """

    rest: Iterator[bytes | None]


def _rest(query: Query, stream: Stream) -> Iterator[bytes | None]:
    for part in stream.parts:
        yield None if part is None else seal(query, part)


def seal(query: Query, reply: Reply) -> bytes:
    """Return one message as it goes out, signed where the query was."""
    out = write(query, reply)
    signer = query.request.signer
    return out if signer is None else signer.sign(out)


def sealed(query: Query, reply: Reply) -> bytes:
    """Return the answer to a query that was signed or has an answer of several messages: then it is a Flow."""
    out = seal(query, reply)
    if isinstance(reply, Stream):
        out = Flow(out)
        out.rest = _rest(query, reply)
    return out


def framed(ident: bytes, answer: bytes) -> bytes:
    """Return an answer with its length and ID in front."""
    return (len(answer) + 2).to_bytes(2, "big") + ident + answer


def fill(rest: Iterator[bytes | None], ident: bytes, out: list[bytes]) -> bool:
    """Make messages of a stream for one slice of time; returns whether there may be more."""
    until = time.monotonic() + SLICE_S
    for message in rest:
        if message is not None:
            out.append(framed(ident, message))
        if time.monotonic() >= until:
            return True
    return False
