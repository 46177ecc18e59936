"""The metrics of forwarding. Those of the proxy are shared with other plugins that speak to upstreams."""

from __future__ import annotations

from shardns.worker.metrics import Counter, Histogram

PROXY_NAME = "forward"

BROKEN = Counter("forward_healthcheck_broken_total", "Counter of the number of complete failures of the healthchecks.")
REJECTED = Counter(
    "forward_max_concurrent_rejects_total",
    "Counter of the number of queries rejected because the concurrent queries were at maximum.",
)
DURATION = Histogram(
    "proxy_request_duration_seconds",
    "Histogram of the time each request took.",
    ("proxy_name", "to", "rcode"),
)
PROBE_FAILURES = Counter(
    "proxy_healthcheck_failures_total", "Counter of the number of failed healthchecks.", ("proxy_name", "to")
)
HEDGES = Counter(
    "forward_hedged_queries_total",
    "Counter of the queries sent to a second upstream because the first one took long.",
    ("to",),
)
JOINED = Counter(
    "forward_joined_queries_total",
    "Counter of the queries that got the answer to the same question of another client.",
)
HITS = Counter(
    "proxy_conn_cache_hits_total",
    "Counter of connection cache hits per upstream and protocol.",
    ("proxy_name", "to", "proto"),
)
MISSES = Counter(
    "proxy_conn_cache_misses_total",
    "Counter of connection cache misses per upstream and protocol.",
    ("proxy_name", "to", "proto"),
)
