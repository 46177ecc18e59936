"""The metrics of queries that went to gRPC upstreams and were answered there."""

from __future__ import annotations

from shardns.worker.metrics import Counter, Histogram

REQUESTS = Counter("grpc_requests_total", "Counter of requests made per upstream.", ("to",))
RESPONSES = Counter("grpc_responses_total", "Counter of requests made per upstream.", ("rcode", "to"))
DURATION = Histogram("grpc_request_duration_seconds", "Histogram of the time each request took.", ("to",))
