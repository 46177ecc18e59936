"""One `forward` line in a worker: which names it takes, how it chooses among its upstreams, what it hands on."""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence

from shardns.worker.hexdump import dump
from shardns.worker.query import Query
from shardns.worker.reply import Refused
from shardns.worker.shared import Shared
from shardns.worker.site import Site
from shardns.worker.wire.codes import RD
from shardns.worker.wire.message import WireReply
from shardns.worker.wire.names import to_text, within

from .counters import JOINED, REJECTED
from .engine import Engine
from .errand import Errand
from .options import Options
from .pace import Pace, fastest
from .pool import Terms
from .secure import Security, upstream_of
from .upstream import Cells, Check, Upstream

ATTEMPTS_PER_UPSTREAM = 2
HEDGE_S = 0.03  # until it is known how long answers take
LEAST_HEDGE_S = 0.005
Key = bytes | Query
_NUMBERS = struct.Struct("!HHH")
MOST_WAITING = 16_384  # queries of a block under way in one worker: mute upstreams must not eat its memory


class Line:
    """Built in `prepare`; `start` follows in the running loop. `next_line` is the line below, None for the last."""

    def __init__(self, options: Options, site: Site, index: int) -> None:
        self.options = options
        self.next_line: Line | None = None
        self.zone = options.zone
        self.all_names = options.zone == b"\0" and not options.except_zones
        security = Security(options)
        self.upstreams = [
            upstream_of(
                target, _terms(options), _check(options),
                Cells(*(_shared(site, index, f"{what} {target}") for what in ("fails", "lease"))), security,
            )
            for target in options.targets
        ]  # fmt: skip
        several = len(self.upstreams) > 1
        self.hedges = options.hedge is not None and several
        self._fastest = options.policy == "fastest" and several
        if self.hedges or self._fastest:
            for upstream in self.upstreams:
                upstream.pace = Pace()
        self._turn = site.shared(f"{index} turn", "forward")
        self._busy = site.shared_sum(f"{index} busy", "forward")
        self._busy.reset()
        self._limit = options.max_concurrent
        self._random = random.Random()
        self.read_timeout_s = options.read_timeout
        given = options.max_connect_attempts
        self.max_attempts = ATTEMPTS_PER_UPSTREAM * len(self.upstreams) if given is None else given
        self.failfast = options.failfast
        self.failover = frozenset(options.failover)
        self._next = frozenset(options.next)
        self.prefer_udp = options.prefer_udp and not options.force_tcp
        self.engine: Engine
        self._under_way: dict[Key, Errand] = {}

    def start(self, engine: Engine) -> None:
        """Get ready for connections."""
        self.engine = engine
        for upstream in self.upstreams:
            upstream.start(engine)

    def takes(self, name: bytes) -> bool:
        """Tell whether the line is about this name."""
        if self.all_names:
            return True
        if not within(name, self.zone):
            return False
        return name == self.zone or not any(within(name, zone) for zone in self.options.except_zones)

    def forward(self, query: Query) -> Errand:
        """Send a query on its way, or let it join the same question. Raises Refused where too many are under way."""
        engine = self.engine
        if engine.waiting >= MOST_WAITING:
            raise self._reject(MOST_WAITING)
        if self._limit:
            self._busy.add(1)
            if self._busy.get() > self._limit:
                self._busy.add(-1)
                raise self._reject(self._limit)
        engine.waiting += 1
        key = question_key(query)
        errand = self._under_way.get(key)
        if errand is not None:
            errand.askers += 1
            JOINED.inc()
        else:
            errand = self._under_way[key] = Errand(self, query, key)
            errand.begin()
        if query.request.metadata is not None and errand.upstream is not None:
            query.note("forward/upstream", errand.label)
        return errand

    def _reject(self, most: int) -> Refused:
        REJECTED.inc()
        return Refused(f"concurrent queries exceeded maximum {most}")

    def leave(self, errand: Errand) -> None:
        """Free the places of those whose question has found its outcome."""
        self._under_way.pop(errand.key, None)
        self.engine.waiting -= errand.askers
        if self._limit:
            self._busy.add(-errand.askers)

    def order(self) -> Sequence[Upstream]:
        """Return the upstreams in the order of the policy, but those that failed a probe last."""
        upstreams = self.upstreams
        if len(upstreams) == 1:
            return upstreams
        order = self._by_policy(upstreams)
        suspects = [upstream for upstream in order if upstream.suspect]
        if not suspects:
            return order
        return [upstream for upstream in order if upstream not in suspects] + suspects

    def _by_policy(self, upstreams: list[Upstream]) -> list[Upstream]:
        count = len(upstreams)
        match self.options.policy:
            case "sequential":
                return upstreams
            case "round_robin":
                first = (self._turn.add(1) + 1) % count
                return [upstreams[first], *upstreams[:first], *upstreams[first + 1 :]]
            case "fastest":
                return fastest(self._shuffled(upstreams))
        return self._shuffled(upstreams)

    def _shuffled(self, upstreams: list[Upstream]) -> list[Upstream]:
        if len(upstreams) == 2:
            return upstreams if self._random.random() < 0.5 else upstreams[::-1]
        return self._random.sample(upstreams, len(upstreams))

    def hedge_delay_s(self) -> float:
        """Return after what time a second upstream is asked: as given, or what the best one nearly always keeps."""
        if self.options.hedge:
            return self.options.hedge
        usual = [u.pace.usual_s for u in self.upstreams if u.pace is not None and not u.down]
        known = [time_s for time_s in usual if time_s is not None]
        return min(max(min(known, default=HEDGE_S), LEAST_HEDGE_S), self.read_timeout_s / 2)

    def any_upstream(self) -> Upstream:
        """Return one at random."""
        return self._random.choice(self.upstreams)

    def streams(self, query: Query) -> bool:
        """Tell whether a query goes over TCP."""
        if self.options.force_tcp:
            return True
        return not self.options.prefer_udp and query.request.via == "tcp"

    # The line below ---------------------------------------------------------------------------------------------

    def hands_on(self, reply: WireReply) -> bool:
        """Tell whether this answer sends the query to the next line, where there is one."""
        if reply.rcode in self._next:
            return True
        return self.options.next_on_nodata and reply.rcode == 0 and not reply.answers

    def following(self, name: bytes) -> Line | None:
        """Return the next line that is about a name."""
        line = self.next_line
        while line is not None and not line.takes(name):
            line = line.next_line
        return line

    def dump(self, query: Query, wire: bytes) -> None:
        """Log an answer to another question while `debug` is on."""
        text = f"Wrong reply for id: {query.id}, {to_text(query.owner)} {query.qtype}"
        dump(text, query.id.to_bytes(2, "big") + wire[2:])

    def stop(self) -> None:
        """Close what waits, probe no more."""
        for upstream in self.upstreams:
            upstream.stop()


def question_key(query: Query) -> Key:
    """Return what queries have in common that one answer serves: all but ID and letter case."""
    wire, request = query.wire, query.request
    if request.alone or request.tsig is not None or request.deadline is not None:
        return query
    # Octets, since those are hashed once. No query's own begin with 0xfe or 0xff (QR is set).
    if wire:
        parts = (wire[2:12], query.name, wire[query.end - 4 :])
    else:
        edns = query.edns
        numbers = _NUMBERS.pack(query.flags, query.qtype, query.qclass)
        parts = (b"\xff", query.name, numbers if edns is None else numbers + edns.wire)
    return b"".join(parts) if request.via == "udp" else b"".join((b"\xfe", *parts))


def _shared(site: Site, index: int, name: str) -> Shared:
    return site.shared(f"{index} {name}", "forward")


def _terms(options: Options) -> Terms:
    return Terms(options.expire, options.max_age, options.max_idle_conns, options.read_timeout, options.source_address)


def _check(options: Options) -> Check:
    health = options.health_check
    return Check(health.domain, RD if health.recursion else 0, health.interval, options.max_fails, options.force_tcp)
