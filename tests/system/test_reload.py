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
from .load import Findings, Outcome, has_dnsperf

pytestmark = [pytest.mark.system, pytest.mark.skipif(not has_dnsperf(), reason="dnsperf is not installed")]

DEFAULT_BUFFER = "from shardns.master import where; where.RECEIVE_BYTES = 212992 // 2"  # the kernel doubles it
LENGTHS = [pytest.param(6, 5.0, id="short"), pytest.param(30, 30.0, id="long", marks=pytest.mark.long)]


class Reloads:
    """When reload after reload was asked for and had completed, by generation."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.asked: dict[int, float] = {}
        self.complete: dict[int, float] = {}

    def run(self, count: int, seconds: float) -> None:
        """Reload so often, evenly spread, to a changed configuration each time; by SIGHUP and SIGUSR1 in turn."""
        begin = time.monotonic()
        for n in range(2, count + 2):
            self.server.configure(self.server.tagged(n))
            self.asked[n] = self.server.signal((signal.SIGHUP, signal.SIGUSR1)[n % 2])
            self.complete[n] = self.server.wait_printed(COMPLETE, n - 1)
            time.sleep(max(0.0, begin + (n - 1) * seconds / count - time.monotonic()))

    def took(self, findings: Findings) -> list[float]:
        """Return how long each took from the signal to the first new answer (s)."""
        return [findings.first(n, asked) for n, asked in self.asked.items()]

    def judge(self, findings: Findings, outcome: Outcome) -> None:
        """Nothing lost, nothing mixed, nothing old."""
        dropped = kernel.drops(self.server.port)
        assert (len(findings.lost), outcome.lost, dropped) == (0, 0, 0), outcome.text
        assert [one for one in findings.replies if one.generation < 0] == []
        newest = [(at, n) for n, at in self.complete.items()]
        for (since, n), (until, _) in pairwise([*newest, (float("inf"), 0)]):
            old = [one for one in findings.replies if since < one.sent < until and one.generation < n]
            assert old == [], f"older than {n} after it was complete"


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("count", "seconds"), LENGTHS)
@pytest.mark.parametrize("before", ["", DEFAULT_BUFFER], ids=["large-buffer", "default-buffer"])
def test_no_query_is_lost_in_reloads(make: Make, before: str, count: int, seconds: float) -> None:
    server = make(before=before).start()
    reloads = Reloads(server)
    with server.loading(seconds + 2) as load, server.checking() as findings:
        reloads.run(count, seconds)
    reloads.judge(findings, load.outcome())
    assert load.outcome().qps > 15_000 and load.outcome().rcodes.count("%") == 2
    print("signal to new answer:", sorted(round(one, 3) for one in reloads.took(findings)))
    assert statistics.median(reloads.took(findings)) <= 0.4
