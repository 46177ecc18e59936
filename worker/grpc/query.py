"""A DNS message that came by gRPC: screened as everywhere, refused by a status, answered by the dispatch."""

from __future__ import annotations

from collections.abc import Awaitable

from ..dispatch import Answer, Dispatch
from ..ends import Ends
from ..memo import Memo
from ..query import Query, Request
from ..wire.read import complaint, read
from .wire import MAX_MESSAGE_BYTES, CallError, Status


def resolve(
    dispatch: Dispatch, ends: Ends, memo: Memo | None, wire: bytes, now: float, until: float
) -> Answer | Awaitable[Answer]:
    """Return the answer without its ID, None where nothing is written, perhaps after a while. Raises CallError."""
    size = len(wire)
    if size > MAX_MESSAGE_BYTES:
        raise CallError(Status.UNKNOWN, f"dns message exceeds size limit: {size}")
    if memo is not None and size > 12:
        found = memo.get(wire[2:], now, ends.sender, (wire[0] << 8) | wire[1])
        if found is not None:
            return found
    request = Request(dispatch.listener, ends.sender, ends.family, "tcp", now, size)
    request._local = ends.local
    if until < now + 3600:
        request.deadline = until
    query = read(wire, request)
    if not isinstance(query, Query):
        raise CallError(Status.UNKNOWN, complaint(wire))
    return dispatch.answer(query, wire, request, memo)
