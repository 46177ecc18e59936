"""Messages under the right ID: answers to the question, or what is wrong with them."""

from __future__ import annotations

from shardns.worker.query import Query
from shardns.worker.wire.layouts import Cut
from shardns.worker.wire.message import WireReply, asked_plainly, asks, decode, truncated
from shardns.worker.wire.read import Malformed

from . import texts


def read(query: Query, data: bytes, limit: int, *, stream: bool) -> WireReply | str:
    """Return an answer, or what is wrong; a datagram that was cut off at `limit` octets becomes empty, with TC."""
    owner, qtype, qclass = query.owner, query.qtype, query.qclass
    owner_end = 0
    if asked_plainly(data, owner, qtype, qclass):
        owner_end = 12 + len(owner)
    elif not asks(data, owner, qtype, qclass):
        return texts.BAD_RDATA if stream and not _is_sound(data) else texts.WRONG_QUESTION
    try:
        reply = decode(data, owner_end)
    except Cut:
        return texts.OVERFLOW if stream or len(data) < limit else truncated(data)
    except Malformed:
        return texts.BAD_RDATA
    reply.asked = (owner, qtype, qclass)
    return reply


def _is_sound(data: bytes) -> bool:
    try:
        decode(data)
    except (Cut, Malformed):
        return False
    return True
