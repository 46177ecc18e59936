"""What the cache wants to know of a reply: its kind, its least TTL, whether it resolves the question, its template.

A reply that came over the wire is looked at record by record in one pass, without making RRsets: 6 µs less a miss.
What is unusual about it, and replies of other makers, go the long way; both find the same.
"""

from __future__ import annotations

import struct
from typing import Final

from shardns.worker.classify import DELEGATION, MINIMAL_TTL_S, NODATA, NOERROR, NXDOMAIN, Kind, classify, minimal_ttl
from shardns.worker.query import Query
from shardns.worker.reply import Reply
from shardns.worker.wire.codes import ANY, ANY_CLASS, AXFR, CNAME, IXFR, NS, RRSIG, SOA, Rcode
from shardns.worker.wire.message import Record, WireReply
from shardns.worker.wire.packed import MARK, Template, template

from .resolve import resolves

LONGEST_TTL_S: Final = 1 << 32
_TYPE_CLASS = struct.Struct("!HH")
_TRANSFERS: Final = (AXFR, IXFR)
_OK: Final = int(Rcode.NOERROR)
_NO_NAME: Final = int(Rcode.NXDOMAIN)

# Kind, least TTL (s) as far as it counts for the kind, whether the question is resolved, whether there is an SOA record
# in the authority section, template. A plain tuple, since this is once a miss.
Survey = tuple[Kind, int, bool, bool, Template]


def survey(query: Query, reply: Reply, wall: float) -> Survey:
    """Look at a reply; `wall` is the time of day, which signatures are compared with."""
    found = _of_records(query, reply) if isinstance(reply, WireReply) else None
    if found is not None:
        return found
    kind = classify(query, reply, wall)
    blank = template(reply.answer, reply.authority, reply.additional)
    has_soa = any(rrset.rtype == SOA for rrset in reply.authority)
    return kind, minimal_ttl(reply, kind, LONGEST_TTL_S), resolves(query, reply), has_soa, blank


def _of_records(query: Query, reply: WireReply) -> Survey | None:
    """The short way; None for what is unusual."""
    qtype, rcode = query.qtype, reply.rcode
    if reply.opcode or qtype in _TRANSFERS:
        return None
    answers, authorities, additionals = reply.received
    if reply.opt_end and any(record[1] == RRSIG for section in reply.received for record in section):
        return None
    has_soa = right = False
    least: list[int] = []
    an = _marked(answers, least) if answers else b""
    ns = ar = b""
    marks = an.count(MARK)
    if authorities or additionals:
        ns, ar = _marked(authorities, least), _marked(additionals, least)
        marks += ns.count(MARK) + ar.count(MARK)
    if marks != len(least):
        return None
    ttl_s = min(least) if least else MINIMAL_TTL_S
    if rcode == _OK and answers:
        kind = NOERROR
        right = _right(query, reply, answers)
        has_soa = bool(authorities) and any(record[1] == SOA for record in authorities)
    elif answers:
        return None
    else:
        types = [record[1] for record in authorities]
        has_soa = SOA in types
        if rcode == _NO_NAME:
            kind = NXDOMAIN
        elif rcode == _OK:
            kind = _of_authority(has_soa, types) if types else NOERROR
        else:
            return None
        if kind is DELEGATION:
            ttl_s = MINIMAL_TTL_S
    counts = (len(answers), len(authorities), len(additionals))
    return kind, ttl_s, right, has_soa, Template(MARK, (an, ns, ar), counts)


def _of_authority(has_soa: bool, types: list[int]) -> Kind:
    return NODATA if has_soa else DELEGATION if NS in types else NOERROR


def _marked(records: list[Record], ttls: list[int]) -> bytes:
    """Return records as a template holds them; their TTLs go to the list."""
    if len(records) == 1:  # hot: the commonest answer
        owner, rtype, rclass, ttl, rdata = records[0]
        ttls.append(ttl)
        return b"".join((owner, _TYPE_CLASS.pack(rtype, rclass), MARK, len(rdata).to_bytes(2, "big"), rdata))
    parts: list[bytes] = []
    for owner, rtype, rclass, ttl, rdata in records:
        ttls.append(ttl)
        parts += (owner, _TYPE_CLASS.pack(rtype, rclass), MARK, len(rdata).to_bytes(2, "big"), rdata)
    return b"".join(parts)


def _right(query: Query, reply: WireReply, answers: list[Record]) -> bool:
    """Tell whether the answers resolve the question."""
    qtype, qclass = query.qtype, query.qclass
    owner, rtype, rclass, _, _ = answers[0]
    if rtype != qtype or rclass != qclass or qtype in (ANY, CNAME) or qclass == ANY_CLASS or len(answers) > 1:
        return resolves(query, reply)
    return owner.lower() == query.name
