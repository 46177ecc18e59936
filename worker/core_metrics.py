"""The query metrics of spec core §8: what `prometheus` counts around a chain, and what the core counts without one."""

from __future__ import annotations

from bisect import bisect_left
from time import monotonic
from typing import Final, NamedTuple

from . import metrics
from .metrics import DURATIONS, SIZES, Counter, Histogram
from .query import Query
from .reply import Reply
from .wire.codes import RCODE_TEXT, TYPE_TEXT
from .wire.names import to_text
from .wire.write import opt, uncompressed_size

_ZONE = ("server", "zone", "view")
requests: Final = Counter(
    "dns_requests_total",
    "Counter of DNS requests made per zone, protocol and family.",
    labels=(*_ZONE, "proto", "family", "type"),
)
duration: Final = Histogram(
    "dns_request_duration_seconds",
    "Histogram of the time (in seconds) each request took per zone.",
    labels=_ZONE,
    buckets=DURATIONS,
)
request_size: Final = Histogram(
    "dns_request_size_bytes",
    "Size of the EDNS0 UDP buffer in bytes (64K for TCP) per zone and protocol.",
    labels=(*_ZONE, "proto"),
    buckets=SIZES,
)
do_requests: Final = Counter("dns_do_requests_total", "Counter of DNS requests with DO bit set per zone.", labels=_ZONE)
response_size: Final = Histogram(
    "dns_response_size_bytes",
    "Size of the returned response in bytes.",
    labels=(*_ZONE, "proto"),
    buckets=SIZES,
)
responses: Final = Counter(
    "dns_responses_total", "Counter of response status codes.", labels=(*_ZONE, "rcode", "plugin")
)
panics: Final = Counter("panics_total", "A metrics that counts the number of panics.")
https_responses: Final = Counter(
    "dns_https_responses_total",
    "Counter of DoH responses per server and http status code.",
    labels=("server", "status"),
)
https3_responses: Final = Counter(
    "dns_https3_responses_total",
    "Counter of DoH3 responses per server and http status code.",
    labels=("server", "status"),
)
quic_responses: Final = Counter(
    "dns_quic_responses_total",
    "Counter of DoQ responses per server and QUIC application code.",
    labels=("server", "status"),
)

DROPPED: Final = "dropped"
runtime_zones: dict[int, set[bytes]] = {}
"""Zones that `auto` serves at present, by the index of its server block: they become zone labels as well."""

_TYPES: Final = frozenset({
    "A", "AAAA", "CNAME", "DNSKEY", "DS", "MX", "NSEC", "NSEC3", "NS", "PTR", "RRSIG", "SOA", "SRV", "TXT", "HTTPS",
    "SVCB", "IXFR", "AXFR", "ANY",
})  # fmt: skip
_SUM: Final = len(SIZES) + 1
_DURATION_SUM: Final = len(DURATIONS) + 1
_FASTEST_S: Final = DURATIONS[0]
_MAX_KNOWN: Final = 16384
_Key = tuple[str, bytes, str, str, int, int, int, bool, str, int, int]
_known: dict[_Key, Cells] = {}
metrics.caches.append(_known)


class Cells(NamedTuple):
    """The cells that one kind of query counts into; `do` is 0 where DO is clear.

    Sizes are part of the kind, so their buckets are known; `series` is what a repetition counts.
    """

    requests: int
    responses: int
    do: int
    duration: int
    duration_sum: int
    in_bucket: int
    in_sum: int
    out_bucket: int
    out_sum: int
    series: tuple[int, ...]


def type_label(qtype: int) -> str:
    """Return the `type` label: common types by name, else `other`."""
    text = TYPE_TEXT.get(qtype, "")
    return text if text in _TYPES else "other"


def rcode_label(rcode: int) -> str:
    """Return the `rcode` label."""
    return RCODE_TEXT.get(rcode) or f"RCODE{rcode}"


def report(
    query: Query, server: str, zone: bytes, view: str, qtype: int, rcode: int, plugin: str, size: int, took_s: float
) -> None:
    """Count one query. `zone` is a wire name, or empty for what the core dropped; `size` the reply's octets.

    Nearly all of its time goes into the cells themselves. A repetition from the memo is in the first time bucket.
    """
    request = query.request
    edns = query.edns
    asked_size = request.size_bytes
    key = (
        server, zone, view, request.via, request.family, qtype, rcode, edns is not None and edns.do, plugin,
        asked_size, size,
    )  # fmt: skip
    cells = _known.get(key)
    if cells is None:
        cells = _cells(key)
    asked, answered, do, time_cell, time_sum, in_bucket, in_sum, out_bucket, out_sum, series = cells
    values = metrics.values
    values[asked] += 1
    values[answered] += 1
    values[time_cell if took_s <= _FASTEST_S else time_cell + bisect_left(DURATIONS, took_s)] += 1
    values[time_sum] += took_s
    values[in_bucket] += 1
    values[in_sum] += asked_size
    values[out_bucket] += 1
    values[out_sum] += size
    if do:
        values[do] += 1
    if not request.once:
        request.series += series


def _cells(key: _Key) -> Cells:
    server, zone, view, via, family, qtype, rcode, do, plugin, asked_size, size = key
    place = (server, to_text(zone) if zone else DROPPED, view)
    asked = requests.cell(*place, via, str(family), type_label(qtype))
    answered = responses.cell(*place, rcode_label(rcode), plugin)
    do_cell = do_requests.cell(*place) if do else 0
    time_cell, in_cell, out_cell = (
        duration.cell(*place),
        request_size.cell(*place, via),
        response_size.cell(*place, via),
    )
    in_bucket, out_bucket = in_cell + bisect_left(SIZES, asked_size), out_cell + bisect_left(SIZES, size)
    series = (asked, answered, time_cell, in_bucket, out_bucket, *((do_cell,) if do else ()))
    amounts = (~(in_cell + _SUM), asked_size, ~(out_cell + _SUM), size)
    cells = Cells(
        asked, answered, do_cell, time_cell, time_cell + _DURATION_SUM, in_bucket, in_cell + _SUM, out_bucket,
        out_cell + _SUM, series + amounts,
    )  # fmt: skip
    if len(_known) >= _MAX_KNOWN:  # the sizes, types and rcodes of a scan; the cells themselves are few
        _known.clear()
    _known[key] = cells
    return cells


def count_dropped(query: Query, reply: Reply) -> None:
    """Count what the core answers without a chain."""
    request = query.request
    size = uncompressed_size(query, reply) + (0 if reply.edns is not None else len(opt(query, reply)))
    took_s = max(0.0, monotonic() - request.started)
    report(query, request.listener.label, b"", "", query.qtype, reply.rcode, "", size, took_s)


def count_panic() -> None:
    """Count a panic that was caught."""
    panics.inc()
