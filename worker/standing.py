"""Metrics without labels that every scrape shows, from zero on, whether or not the plugin they belong to is in use.

The reference registers the metrics of all its plugins when it starts; here a plugin that is not used is not loaded.
A plugin that is loaded declares the same metric and counts into the same cells.
"""

from __future__ import annotations

from .metrics import SLIM, Counter, Gauge, Histogram


def declare() -> None:
    """Declare them, in a process that answers scrapes."""
    Counter("forward_healthcheck_broken_total", "Counter of the number of complete failures of the healthchecks.")
    Counter(
        "forward_max_concurrent_rejects_total",
        "Counter of the number of queries rejected because the concurrent queries were at maximum.",
    )
    Histogram("health_request_duration_seconds", "Histogram of the time (in seconds) each request took.", buckets=SLIM)
    Counter("health_request_failures_total", "The number of times the health check failed.")
    Gauge("hosts_reload_timestamp_seconds", "The timestamp of the last reload of hosts file.")
    Counter("local_localhost_requests_total", "Counter of special localhost subdomain requests.")
    Counter("reload_failed_total", "Counter of the number of failed reload attempts.")
