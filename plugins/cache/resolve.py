"""Whether a reply answers its question: aliases are followed to a name with records of the type (RFC 1034 §3.6.2)."""

from __future__ import annotations

from collections.abc import Iterable

from shardns.worker.query import Query
from shardns.worker.reply import Reply
from shardns.worker.wire.codes import ANY, ANY_CLASS, CNAME, QR, Rcode
from shardns.worker.wire.message import WireReply, asks
from shardns.worker.wire.records import RRset


def resolves(query: Query, reply: Reply) -> bool:
    """Tell whether a reply resolves the question of a query."""
    if reply.rcode != Rcode.NOERROR or not reply.answer:
        return False
    name, qtype, qclass = query.name, query.qtype, query.qclass
    first = reply.answer[0]
    # Hot: what nearly every answer is, one RRset of the type.
    if first.rtype == qtype != CNAME and first.rclass == qclass and len(reply.answer) == 1 and qtype != ANY:
        return first.owner.lower() == name
    records = [r for r in reply.answer if qclass in (ANY_CLASS, r.rclass)]
    if qtype == ANY:
        return any(r.owner.lower() == name for r in records)
    if qtype == CNAME:
        return len(targets(records, name)) == 1
    end = canonical(records, name)
    return end is not None and any(r.rtype == qtype and r.owner.lower() == end for r in records)


def canonical(records: list[RRset], name: bytes) -> bytes | None:
    """Return the name at the end of the aliases; None for a loop, or an owner with two targets (RFC 2181 §10.1)."""
    seen: set[bytes] = set()
    while name not in seen:
        seen.add(name)
        found = targets(records, name)
        if len(found) > 1:
            return None
        if not found:
            return name
        name = found.pop()
    return None


def targets(records: Iterable[RRset], owner: bytes) -> set[bytes]:
    """Return the distinct targets that an owner is an alias of."""
    return {rdata.lower() for r in records if r.rtype == CNAME and r.owner.lower() == owner for rdata in r.rdatas}


def matches(query: Query, reply: Reply) -> bool:
    """Tell whether a reply is one to this question: a response that repeats it, where it came over the wire."""
    if not reply.flags & QR:
        return False
    if not isinstance(reply, WireReply) or reply.asked == (query.owner, query.qtype, query.qclass):
        return True
    return asks(reply.raw, query.owner, query.qtype, query.qclass)
