"""Messages under the right ID: answers to the question, or what is wrong with them."""

from __future__ import annotations

from shardns.worker.query import Query
from shardns.worker.wire.layouts import Cut
from shardns.worker.wire.message import WireReply, asks, decode, truncated
from shardns.worker.wire.read import Malformed

from . import texts


def read(query: Query, data: bytes, limit: int, *, stream: bool) -> WireReply | str:
    """Return an answer, or what is wrong; a datagram that was cut off at `limit` octets becomes empty, with TC."""
    if not asks(data, query.owner, query.qtype, query.qclass):
        return texts.BAD_RDATA if stream and not _is_sound(data) else texts.WRONG_QUESTION
    try:
        return decode(data)
    except Cut:
        return texts.OVERFLOW if stream or len(data) < limit else truncated(data)
    except Malformed:
        return texts.BAD_RDATA


def _is_sound(data: bytes) -> bool:
    try:
        decode(data)
    except (Cut, Malformed):
        return False
    return True
