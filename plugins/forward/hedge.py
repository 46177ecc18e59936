"""Queries beside the first: where an upstream takes longer than usual another one is asked as well, then the next."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Final

from shardns.worker.wire.message import WireReply

from .asker import Asker
from .counters import HEDGES
from .engine import Engine

if TYPE_CHECKING:
    from .errand import Errand
    from .upstream import Upstream

MOST_UNDER_WAY: Final = 4096  # in a worker: where all upstreams fall silent, more queries help nobody


class Hedge(Asker):
    """Waits for its moment; `upstream` is who was asked then. Costs no attempt, and its failure none either."""

    _reply: WireReply
    _started: float

    def __init__(self, errand: Errand, engine: Engine, delay_s: float) -> None:
        self._errand = errand
        self._engine = engine
        self.upstream: Upstream | None = None
        self.limit = errand.limit
        self.timeout_s = errand.timeout_s
        self.until = errand.until
        self.bucket = engine.moments.add(self, delay_s)

    def withdraw(self) -> None:
        """Ask nobody any more."""
        self.bucket.discard(self)

    def expire(self) -> None:
        """The moment has come; later, the time for the answer is over."""
        if self.upstream is not None:
            super().expire()
            return
        found = self._errand.another() if self._engine.hedges < MOST_UNDER_WAY else None
        if found is None:
            self._errand.other_failed(self)
            return
        self.upstream, stream = found
        self._engine.hedges += 1
        self._started = monotonic()
        HEDGES.inc(self.upstream.text)
        if self.upstream.pace is not None:
            self.upstream.pace.began(self)
        self.upstream.ask(self, stream)

    def message(self, ident: int) -> bytes:
        """Return the same query under this ID."""
        return self._errand.message(ident)

    def arrived(self, data: bytes, *, stream: bool) -> str | None:
        """Read the answer."""
        found = self._errand.read(data, stream=stream)
        if isinstance(found, str):
            return found
        self._reply = found
        return None

    def proceed(self) -> None:
        """Offer the answer."""
        upstream = self._ended()
        upstream.answered(self, self._reply.rcode, monotonic() - self._started)
        self._errand.other_arrived(self, upstream, self._reply)

    def failed(self, text: str) -> None:
        """Have the upstream probed."""
        self._ended().failed(self)
        self._errand.other_failed(self)

    def _ended(self) -> Upstream:
        self._engine.hedges -= 1
        assert self.upstream is not None
        return self.upstream
