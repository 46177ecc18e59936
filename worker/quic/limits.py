"""What a QUIC listener allows: the options of its first server block, and what holds without any."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from shardns.config.model import Model, listeners

STREAMS = 256  # of a connection at a time
QUERIES = 1024  # of a listener that wait for an answer at a time
CONNECTIONS = 200  # of a listener


@dataclass(frozen=True, slots=True)
class Limits:
    """`streams` a connection (0: the library's own number), `connections` of the listener over all workers (0: any
    number), `queries` that wait for an answer in this worker.
    """

    streams: int = STREAMS
    connections: int = CONNECTIONS
    queries: int = QUERIES

    @classmethod
    def of(cls, model: Model, index: int, slots: int) -> Limits:
        """Return the limits of a listener by its index."""
        listening = listeners(model)[index]
        block = model.blocks[listening.blocks[0]]
        directive = block.directive(listening.transport)
        options: Any = directive.options if directive is not None else None
        queries = getattr(options, "worker_pool_size", QUERIES)
        return cls(
            getattr(options, "max_streams", STREAMS),
            getattr(options, "max_connections", CONNECTIONS),
            max(1, -(-queries // slots)),
        )
