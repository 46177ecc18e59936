"""A DNS message that came by gRPC: screened as everywhere, refused by a status, answered by the dispatch."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Final

from ..dispatch import Answer, Dispatch
from ..ends import Ends
from ..memo import Memo
from ..query import Query, Request
from ..wire.codes import Opcode
from ..wire.read import read
from .wire import MAX_MESSAGE_BYTES, CallError, Status

REJECTED: Final = "dns request rejected"
UNREADABLE: Final = "dns: buffer size too small"


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
        raise CallError(Status.UNKNOWN, UNREADABLE if size < 12 or _is_admissible(wire) else REJECTED)
    return dispatch.answer(query, wire, request, memo)


def _is_admissible(wire: bytes) -> bool:
    """Tell whether a header passes the screening (spec core §4.1), so that it is the body that cannot be read."""
    opcode = (wire[2] >> 3) & 15
    questions, answers, authorities, additionals = (int.from_bytes(wire[at : at + 2], "big") for at in range(4, 12, 2))
    within = questions == 1 and answers <= 1 and authorities <= 1 and additionals <= 2
    return not wire[2] & 0x80 and opcode in (Opcode.QUERY, Opcode.NOTIFY) and within
