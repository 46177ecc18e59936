"""Tells clients their own address, port and transport, in the additional section of an empty answer."""

from __future__ import annotations

from shardns.config.schema import Schema
from shardns.worker.plugin import Outcome, Source
from shardns.worker.query import Query
from shardns.worker.wire.codes import AAAA, SRV, A
from shardns.worker.wire.names import MAX_NAME_BYTES, ROOT
from shardns.worker.wire.records import RRset, Section


class Options(Schema, repeat="first"):
    """Tells clients their address, port and transport."""


class Whoami(Source[Options]):
    """Answers every query that reaches it; nothing below it is ever asked."""

    directive = "whoami"

    def answer(self, query: Query) -> Outcome:
        """Answer with an address record of the client and an SRV record of its port, both with TTL 0."""
        request = query.request
        peer = request.peer
        owner = query.owner
        if request.family == 1:
            rrsets = [RRset(owner, A, 0, (peer.packed,), query.qclass)]
        else:  # IPv4 clients of a proxy count as IPv6 clients on UDP (spec proxyproto)
            rrsets = [RRset(owner, AAAA, 0, (peer.packed_v6,), query.qclass)]
        place = b"\x04_" + request.via.encode() + owner
        if len(place) <= MAX_NAME_BYTES:  # RFC 1035 §2.3.4: there is no such name below the longest ones
            rdata = bytes(4) + peer.port.to_bytes(2, "big") + ROOT
            rrsets.append(RRset(place, SRV, 0, (rdata,), query.qclass))
        return query.reply(additional=Section(rrsets), aa=True)


PLUGIN = Whoami
