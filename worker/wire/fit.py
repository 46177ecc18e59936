"""Cutting a reply to a client's size while it is still a Reply: what a follow-up lookup gets to see."""

from __future__ import annotations

from ..query import Query
from ..reply import Reply
from .codes import TC
from .compress import compress
from .records import RRset, Section, section
from .write import opt, question


def cut(query: Query, reply: Reply) -> Reply:
    """Return the reply with as many records as the client's size allows, TC set where some are missing."""
    limit = query.size_limit
    extra = len(opt(query, reply))
    asked = question(query)
    plain = 12 + len(asked) + len(reply.answer.wire) + len(reply.authority.wire) + len(reply.additional.wire) + extra
    if plain <= limit:
        return reply
    packed = compress(asked, (reply.answer, reply.authority, reply.additional), limit - 12 - extra)
    if not packed.cut:
        return reply
    an, ns, ar = packed.counts
    return reply.replace(
        flags=reply.flags | TC,
        answer=_first(reply.answer, an),
        authority=_first(reply.authority, ns),
        additional=_first(reply.additional, ar),
    )


def _first(records: Section, count: int) -> Section:
    kept: list[RRset] = []
    for rrset in records:
        if count <= 0:
            break
        kept.append(rrset if len(rrset.rdatas) <= count else rrset.replace(rdatas=rrset.rdatas[:count]))
        count -= len(rrset.rdatas)
    return section(kept)
