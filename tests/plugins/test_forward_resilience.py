"""Forwarding where upstreams are dead, slow or flapping: who is asked first, who as well, who not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

from shardns.plugins.forward import pace
from shardns.plugins.forward.options import Options
from shardns.plugins.forward.pace import HALF_LIFE_S, Pace
from shardns.worker import metrics
from tests.plugins.forwarding import address, ask, failure, running
from tests.plugins.peer import Peer, Script, answer, awaited, free_port
from tests.plugins.small import options, refusal
from tests.worker.fakes import query

pytestmark = pytest.mark.system


def probes_fail(script: Callable[[bytes], list[bytes]]) -> Script:
    """Return a script that is silent to health probes."""
    return lambda wire, via: [] if b"test" not in wire else script(wire)


def asked(peer: Peer) -> int:
    """Return how many queries but health probes a peer has seen."""
    return sum(b"test" in name for name in peer.names())


def delayed(peer: Peer, delay_s: float) -> None:
    """Have a peer answer late."""

    def script(wire: bytes, via: str) -> list[bytes]:
        port = peer.ports[-1]
        asyncio.get_running_loop().call_later(delay_s, lambda: peer.send(answer(wire), port))
        return []

    peer.script = script


async def until(what: Callable[[], bool]) -> None:
    """Wait for something to be true."""
    while not what():
        await asyncio.sleep(0.02)


@awaited
async def test_who_failed_a_probe_is_asked_last_until_it_answers_one() -> None:
    async with Peer(probes_fail(lambda wire: [])) as bad, Peer() as good:
        text = f"forward . 127.0.0.1:{bad.port} 127.0.0.1:{good.port} {{\npolicy sequential\nread_timeout 50ms\n}}"
        async with running(text) as forward:
            upstream = forward.lines[0].upstreams[0]
            for number in range(2):  # a time-out alone changes nothing: clients can bring it about
                await ask(forward, query(f"a{number}.test."))
            assert (asked(bad), asked(good)) == (2, 2)
            await until(lambda: upstream.suspect)
            for number in range(3):
                await ask(forward, query(f"b{number}.test."))
            assert (asked(bad), asked(good)) == (2, 5)
            bad.script = lambda wire, via: [answer(wire)]
            await until(lambda: not upstream.suspect)
            await ask(forward, query("c.test."))
            assert (asked(bad), asked(good)) == (3, 5)


@awaited
async def test_without_probes_nobody_is_asked_last() -> None:
    async with Peer(lambda wire, via: []) as bad, Peer() as good:
        block = "{\npolicy sequential\nread_timeout 20ms\nmax_fails 0\n}"
        async with running(f"forward . 127.0.0.1:{bad.port} 127.0.0.1:{good.port} {block}") as forward:
            for number in range(3):
                await ask(forward, query(f"a{number}.test."))
            assert (asked(bad), asked(good)) == (3, 3)


@awaited
async def test_fastest_asks_whoever_answers_soonest() -> None:
    async with Peer() as slow, Peer() as fast:
        delayed(slow, 0.03)
        text = f"forward . 127.0.0.1:{slow.port} 127.0.0.1:{fast.port} {{\npolicy fastest\n}}"
        async with running(text) as forward:
            for number in range(30):
                await ask(forward, query(f"a{number}.test."))
            assert asked(slow) <= 2 and asked(fast) >= 28


@awaited
async def test_fastest_leaves_who_falls_silent_before_the_time_is_over() -> None:
    async with Peer(lambda wire, via: []) as silent, Peer() as good:
        delayed(good, 0.01)
        text = f"forward . 127.0.0.1:{silent.port} 127.0.0.1:{good.port} {{\npolicy fastest\n}}"
        async with running(text) as forward:
            waiting = [asyncio.ensure_future(ask(forward, query("a.test.")))]
            while not asked(silent):
                await asyncio.sleep(0.02)
                waiting.append(asyncio.ensure_future(ask(forward, query(f"a{len(waiting)}.test."))))
            await asyncio.sleep(0.05)
            before = asked(silent)
            await asyncio.gather(*(ask(forward, query(f"b{number}.test.")) for number in range(20)))
            assert asked(silent) == before
            await asyncio.gather(*waiting)


@pytest.mark.parametrize("line", ["hedge", "hedge 30ms"])
@awaited
async def test_a_second_upstream_is_asked_where_the_first_takes_long(line: str) -> None:
    async with Peer() as slow, Peer() as good:
        delayed(slow, 0.3)
        text = f"forward . 127.0.0.1:{slow.port} 127.0.0.1:{good.port} {{\npolicy sequential\n{line}\n}}"
        async with running(text) as forward:
            began = time.monotonic()
            first = query("a.test.")
            first.request.metadata = {}
            assert address(await ask(forward, first)) == b"\xc0\0\2\1"
            assert time.monotonic() - began < 0.25
            assert first.metadata("forward/upstream") == f"127.0.0.1:{good.port}"
            assert (asked(slow), asked(good)) == (1, 1)
            hedges = metrics.declared["forward_hedged_queries_total"]
            assert metrics.values[hedges.cell(f"127.0.0.1:{good.port}")] == 1
            await asyncio.sleep(0.35)  # the late answer is heard of nobody any more
            engine = forward.lines[0].engine
            assert (engine.waiting, engine.hedges, forward.lines[0]._under_way) == (0, 0, {})
            assert all(not s.pending for u in forward.lines[0].upstreams for s in u.udp.open)


@awaited
async def test_a_quick_answer_needs_no_second_query() -> None:
    async with Peer() as one, Peer() as two:
        text = f"forward . 127.0.0.1:{one.port} 127.0.0.1:{two.port} {{\npolicy sequential\nhedge 100ms\n}}"
        async with running(text) as forward:
            for number in range(5):
                await ask(forward, query(f"a{number}.test."))
            await asyncio.sleep(0.15)
            assert (asked(one), asked(two)) == (5, 0)


@pytest.mark.parametrize(("delay_s", "good"), [(0.1, True), (0.5, False)])
@awaited
async def test_the_second_answer_counts_where_the_first_upstream_has_failed(delay_s: float, good: bool) -> None:
    async with Peer(lambda wire, via: []) as mute, Peer() as slow:
        delayed(slow, delay_s)
        block = "{\npolicy sequential\nhedge 100ms\nread_timeout 150ms\nmax_connect_attempts 1\n}"
        async with running(f"forward . 127.0.0.1:{mute.port} 127.0.0.1:{slow.port} {block}") as forward:
            if good:
                assert address(await ask(forward, query("a.test."))) == b"\xc0\0\2\1"
            else:
                assert "i/o timeout" in await failure(forward, query("a.test."))
            assert (asked(mute), asked(slow)) == (1, 1)


@awaited
async def test_both_answers_failing_is_one_failure() -> None:
    tos = " ".join(f"127.0.0.1:{free_port()}" for _ in range(2))
    block = "{\nhedge 1ms\nmax_fails 0\nmax_connect_attempts 0\n}"
    async with running(f"forward . {tos} {block}") as forward:
        late = query("a.test.")
        late.request.deadline = asyncio.get_running_loop().time() + 0.1
        assert "connection refused" in await failure(forward, late)
        assert (forward.lines[0].engine.waiting, forward.lines[0].engine.hedges) == (0, 0)


def test_options() -> None:
    (one,) = options(Options, "forward . 127.0.0.1 {\npolicy fastest\nhedge\n}")
    assert (one.policy, one.hedge) == ("fastest", 0.0)
    assert options(Options, "forward . 127.0.0.1 {\nhedge 20ms\n}")[0].hedge == 0.02
    assert options(Options, "forward . 127.0.0.1")[0].hedge is None
    assert refusal(Options, "forward . 127.0.0.1 {\nhedge 0s\n}").endswith("hedge must be positive: 0s")


def test_the_pace_of_an_upstream(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(pace, "monotonic", lambda: now[0])

    def exchange(found: Pace, took_s: float) -> None:
        one = object()
        found.began(one)
        now[0] += took_s
        found.answered(one)

    found = Pace()
    assert found.estimate_s(now[0]) == 0.0 and found.usual_s is None
    for took_s in [0.01] * 95 + [0.2] * 5:
        exchange(found, took_s)
    assert found.usual_s == pytest.approx(0.2)
    assert 0.01 < found.estimate_s(now[0]) < 0.2
    for _ in range(128):
        exchange(found, 0.01)
    assert found.usual_s == pytest.approx(0.01) and round(found.estimate_s(now[0]), 3) == 0.01
    assert round(found.estimate_s(now[0] + HALF_LIFE_S), 3) == 0.005
    lost = object()
    found.began(lost)
    now[0] += 1.0
    assert found.estimate_s(now[0]) == pytest.approx(1.0)  # what is waited for counts
    found.failed(lost, 2.0)
    assert found.estimate_s(now[0]) == pytest.approx(2.0)
