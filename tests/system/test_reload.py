"""Reloads under load: nobody notices, whoever asks after `Reloading complete` gets the new answer."""

from __future__ import annotations

import signal
import statistics
import time
from itertools import pairwise

import pytest

from . import kernel
from .conftest import Make
from .harness import COMPLETE, Server
from .load import Findings, has_dnsperf

pytestmark = [
    pytest.mark.system,
    pytest.mark.alone,
    pytest.mark.skipif(not has_dnsperf(), reason="dnsperf is not installed"),
]

DEFAULT_BUFFER = "from shardns.master import where; where.RECEIVE_BYTES = 212992 // 2"  # the kernel doubles it
LENGTHS = [
    pytest.param(6, 5.0, id="short", marks=pytest.mark.brief),
    pytest.param(30, 30.0, id="long", marks=pytest.mark.long),
]


class Reloads:
    """When reload after reload was asked for and had completed, by generation."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.asked: dict[int, float] = {}
        self.complete: dict[int, float] = {}
        self.dropped = 0  # datagrams at full sockets, between signals and the ends of reloads

    def run(self, count: int, seconds: float) -> None:
        """Reload so often, evenly spread, to a changed configuration each time; by SIGHUP and SIGUSR1 in turn."""
        begin = time.monotonic()
        for n in range(2, count + 2):
            self.server.configure(self.server.tagged(n))
            before = kernel.drops(self.server.port)
            self.asked[n] = self.server.signal((signal.SIGHUP, signal.SIGUSR1)[n % 2])
            self.complete[n] = self.server.wait_printed(COMPLETE, n - 1)
            self.dropped += kernel.drops(self.server.port) - before
            time.sleep(max(0.0, begin + (n - 1) * seconds / count - time.monotonic()))

    def took(self, findings: Findings) -> list[float]:
        """Return how long each took from the signal to the first new answer (s)."""
        return [findings.first(n, asked) for n, asked in self.asked.items()]

    def judge(self, findings: Findings) -> None:
        """Nothing mixed, nothing old."""
        assert [one for one in findings.replies if one.generation < 0] == []
        newest = [(at, n) for n, at in self.complete.items()]
        for (since, n), (end, _) in pairwise([*newest, (float("inf"), 0)]):
            old = [one for one in findings.replies if since < one.sent < end and one.generation < n]
            assert old == [], f"older than {n} after it was complete"


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("count", "seconds"), LENGTHS)
def test_no_query_is_lost_in_reloads(make: Make, count: int, seconds: float) -> None:
    server = make().start()
    reloads = Reloads(server)
    with server.loading(seconds + 2) as load, server.checking() as findings:
        reloads.run(count, seconds)
    reloads.judge(findings)
    assert (len(findings.lost), load.outcome().lost) == (0, 0), load.outcome().text
    assert load.outcome().rcodes.count("%") == 2  # NOERROR and NXDOMAIN, nothing else
    took = sorted(reloads.took(findings))
    print("signal to first new answer, s:", [round(one, 3) for one in took], load.outcome().qps, "q/s")
    assert statistics.median(took) <= 0.4


@pytest.mark.timeout(150)
@pytest.mark.parametrize(
    ("count", "seconds", "rate"),
    [
        pytest.param(6, 5.0, 8_000, id="short", marks=pytest.mark.brief),
        pytest.param(30, 30.0, 20_000, id="long", marks=pytest.mark.long),
    ],
)
def test_the_systems_default_receive_buffer_is_enough(make: Make, count: int, seconds: float, rate: int) -> None:
    # It holds 277 datagrams. A busy machine pauses us for longer now and then, with or without a reload: a run in which
    # datagrams were dropped between reloads, too, says nothing.
    for _ in range(3):
        server = make(before=DEFAULT_BUFFER, first=True).start()
        reloads = Reloads(server)
        with server.loading(seconds + 2, rate=rate) as load, server.checking() as findings:
            reloads.run(count, seconds)
        reloads.judge(findings)
        dropped = kernel.drops(server.port)
        assert len(findings.lost) + load.outcome().lost <= dropped, load.outcome().text
        print("dropped in reloads:", reloads.dropped, "in all:", dropped)
        server.close()
        if not reloads.dropped:
            return
        assert dropped > reloads.dropped, "dropped in reloads and never else"
    pytest.skip("the machine is too busy: datagrams are dropped without a reload, too")


def test_who_asks_is_told_when_it_is_served(server: Server) -> None:
    for n in range(2, 7):
        server.configure(server.tagged(n))
        assert server.reload().returncode == 0
        assert server.ask() == {n}
