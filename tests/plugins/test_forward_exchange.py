"""Forwarding against upstreams on loopback: transports, pools, failures, health, chains."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from shardns.plugins.forward.forward import Forward
from shardns.plugins.forward.resolve import lookup
from shardns.worker import log, metrics
from shardns.worker.reply import Refused, ServFail
from shardns.worker.shared import Cells
from shardns.worker.wire.codes import NS, TC
from shardns.worker.wire.edns import Edns
from tests.plugins.forwarding import address, ask, failure, running
from tests.plugins.peer import Peer, answer, awaited, free_port
from tests.worker.fakes import query

pytestmark = pytest.mark.system


@awaited
async def test_a_udp_query_goes_out_as_it_came_under_a_new_id() -> None:
    async with Peer() as peer, running(f"forward . 127.0.0.1:{peer.port}") as forward:
        asked = query("WWW.example.org.", opt=Edns(1400, flags=0x8000))
        reply = await ask(forward, asked)
        assert address(reply) == b"\xc0\0\2\1"
        assert peer.seen[0][1][2:] == asked.wire[2:]


@awaited
async def test_a_changed_query_is_built_from_its_parts() -> None:
    async with Peer() as peer, running(f"forward . 127.0.0.1:{peer.port}") as forward:
        asked = query("a.test.", opt=Edns(1400)).ask(name=b"\1b\4test\0")
        await ask(forward, asked)
        assert peer.seen[0][1][2:] == b"\1\0\0\1\0\0\0\0\0\1\1b\4test\0\0\1\0\1" + Edns(1400).wire


@pytest.mark.parametrize(
    ("lines", "via", "upstream"),
    [
        ("", "udp", "udp"), ("", "tcp", "tcp"), ("force_tcp", "udp", "tcp"), ("prefer_udp", "tcp", "udp"),
        ("force_tcp\nprefer_udp", "tcp", "tcp"), ("force_tcp\nprefer_udp", "udp", "tcp"),
    ],
)  # fmt: skip
@awaited
async def test_the_transport_follows_client_and_options(lines: str, via: str, upstream: str) -> None:
    async with Peer() as peer, running(f"forward . 127.0.0.1:{peer.port} {{\n{lines}\n}}") as forward:
        await ask(forward, query("a.test.", via=via))
        assert [seen for seen, _ in peer.seen] == [upstream]


async def asked_in_turns(forward: Forward, peer: Peer, count: int) -> None:
    """Ask for several names, each in a turn of its own, before the first answer comes."""
    script, peer.script = peer.script, lambda wire, via: []
    tasks = []
    first = len(peer.seen)
    for number in range(count):
        tasks.append(asyncio.ensure_future(ask(forward, query(f"a{number}.test."))))
        while len(peer.seen) <= first + number:
            await asyncio.sleep(0)
    peer.script = script
    for (_, wire), port in zip(peer.seen[first:], peer.ports[first:], strict=True):
        peer.send(answer(wire), port)
    await asyncio.gather(*tasks)


@awaited
async def test_sockets_are_used_again_in_the_order_of_their_return() -> None:
    async with Peer() as peer, running(f"forward . 127.0.0.1:{peer.port}") as forward:
        await asked_in_turns(forward, peer, 3)
        for _ in range(4):
            await ask(forward, query("a.test."))
        assert len(set(peer.ports)) == 3
        assert peer.ports[3:] == [*peer.ports[:3], peer.ports[0]]
        to = f"127.0.0.1:{peer.port}"
        hits, misses = (
            metrics.declared["proxy_conn_cache_hits_total"],
            metrics.declared["proxy_conn_cache_misses_total"],
        )
        assert metrics.values[hits.cell("forward", to, "udp")] == 4
        assert metrics.values[misses.cell("forward", to, "udp")] == 3


@awaited
async def test_queries_of_one_turn_leave_over_one_socket_and_sockets_change() -> None:
    async with Peer() as peer, running(f"forward . 127.0.0.1:{peer.port}") as forward:
        for burst in range(6):
            await asyncio.gather(*(ask(forward, query(f"a{burst}x{i}.test.")) for i in range(50)))
        assert [peer.ports.count(port) for port in dict.fromkeys(peer.ports)] == [150, 150]
        misses = metrics.declared["proxy_conn_cache_misses_total"]
        assert metrics.values[misses.cell("forward", f"127.0.0.1:{peer.port}", "udp")] == 1
        assert len(forward.lines[0].upstreams[0].udp.open) == 0


@awaited
async def test_the_same_question_is_asked_once_however_many_want_to_know() -> None:
    async with Peer() as peer, running(f"forward . 127.0.0.1:{peer.port}") as forward:
        spellings = ["www.test.", "WWW.test.", "wWw.TEST."] * 100
        replies = await asyncio.gather(*(ask(forward, query(name)) for name in spellings))
        assert len(peer.seen) == 1 and {address(reply) for reply in replies} == {b"\xc0\0\2\1"}
        await asyncio.gather(
            ask(forward, query("a.test.")), ask(forward, query("a.test.", 28)), ask(forward, query("b.test.")),
            ask(forward, query("a.test.", via="tcp")), ask(forward, query("a.test.", flags=0)),
            ask(forward, query("a.test.", opt=Edns(1232))),
        )  # fmt: skip
        assert len(peer.seen) == 7
        assert forward.lines[0].engine.waiting == 0 and not forward.lines[0]._under_way


@awaited
async def test_no_more_than_max_idle_conns_are_kept() -> None:
    text = "forward . 127.0.0.1:{} {{\nmax_idle_conns 2\n}}"
    async with Peer() as peer, running(text.format(peer.port)) as forward:
        await asked_in_turns(forward, peer, 3)
        assert len(forward.lines[0].upstreams[0].udp.pool.idle) == 2


@awaited
async def test_expire_0_means_a_new_socket_each_time() -> None:
    async with Peer() as peer, running(f"forward . 127.0.0.1:{peer.port} {{\nexpire 0s\n}}") as forward:
        for _ in range(3):
            await ask(forward, query("a.test."))
            await asyncio.sleep(0.001)
        assert len(set(peer.ports)) == 3


@awaited
async def test_runts_foreign_ids_and_broken_foreign_messages_are_skipped() -> None:
    def script(wire: bytes, via: str) -> list[bytes]:
        foreign = bytes((wire[0] ^ 1,)) + wire[1:2]
        return [wire[:3], foreign + answer(wire)[2:], foreign + answer(wire)[2:-3], answer(wire)]

    async with Peer(script) as peer, running(f"forward . 127.0.0.1:{peer.port}") as forward:
        assert address(await ask(forward, query("a.test."))) == b"\xc0\0\2\1"


@awaited
async def test_a_datagram_that_is_too_long_becomes_an_empty_answer_with_tc() -> None:
    def script(wire: bytes, via: str) -> list[bytes]:
        head = answer(wire)
        return [head[:7] + b"\x28" + head[8:-16] + head[-16:] * 40]

    async with Peer(script) as peer, running(f"forward . 127.0.0.1:{peer.port}") as forward:
        reply = await ask(forward, query("a.test."))
        assert reply.flags & TC and not reply.answers
        assert (await ask(forward, query("a.test.", opt=Edns(1232)))).answers == 40
        assert len(set(peer.ports)) == 1


@awaited
async def test_prefer_udp_asks_again_over_tcp_after_a_truncated_answer() -> None:
    def script(wire: bytes, via: str) -> list[bytes]:
        return [answer(wire, flags=0x8280 if via == "udp" else 0x8080)]

    async with Peer(script) as peer:
        async with running(f"forward . 127.0.0.1:{peer.port} {{\nprefer_udp\n}}") as forward:
            assert not (await ask(forward, query("a.test."))).tc
        async with running(f"forward . 127.0.0.1:{peer.port}") as forward:
            assert (await ask(forward, query("a.test."))).tc
        assert [via for via, _ in peer.seen] == ["udp", "tcp", "udp"]


@awaited
async def test_prefer_udp_goes_back_to_udp_for_the_next_attempt() -> None:
    def script(wire: bytes, via: str) -> list[bytes] | None:
        return [answer(wire, flags=0x8280)] if via == "udp" else None

    async with Peer(script) as first, Peer() as second:
        line = f"forward . 127.0.0.1:{first.port} 127.0.0.1:{second.port} {{\npolicy sequential\nprefer_udp\n}}"
        async with running(line) as forward:
            assert not (await ask(forward, query("a.test."))).tc
        assert [via for via, _ in first.seen][:2] == ["udp", "tcp"]
        assert [via for via, _ in second.seen] == ["udp"]


@awaited
async def test_streams_are_used_again_and_a_closed_one_is_replaced_silently() -> None:
    async with Peer() as peer, running(f"forward . 127.0.0.1:{peer.port} {{\nforce_tcp\n}}") as forward:
        for _ in range(3):
            await ask(forward, query("a.test."))
        assert peer.streams == 1
        peer.hang_up()
        await ask(forward, query("a.test."))
        assert peer.streams == 2
        assert ("udp", b"") not in peer.seen and not peer.names("udp")


@awaited
async def test_a_stream_closed_in_the_middle_of_a_reused_exchange_costs_no_attempt() -> None:
    state = {"count": 0}

    def script(wire: bytes, via: str) -> list[bytes] | None:
        state["count"] += 1
        return None if state["count"] == 2 else [answer(wire)]

    text = "forward . 127.0.0.1:{} {{\nforce_tcp\nmax_connect_attempts 1\n}}"
    async with Peer(script) as peer, running(text.format(peer.port)) as forward:
        await ask(forward, query("a.test."))
        assert address(await ask(forward, query("a.test."))) == b"\xc0\0\2\1"
        assert state["count"] == 3


@awaited
async def test_a_fresh_stream_that_is_closed_is_an_error() -> None:
    text = "forward . 127.0.0.1:{} {{\nforce_tcp\nmax_connect_attempts 1\n}}"
    async with Peer(lambda wire, via: None) as peer, running(text.format(peer.port)) as forward:
        assert await failure(forward, query("a.test.")) == "EOF"


@pytest.mark.parametrize(("cap", "ports", "attempts"), [("", 1, 2), ("", 3, 6), ("1", 3, 1), ("10", 2, 10)])
@awaited
async def test_a_closed_port_costs_as_many_attempts_as_allowed(cap: str, ports: int, attempts: int) -> None:
    closed = [free_port() for _ in range(ports)]
    tos = " ".join(f"127.0.0.1:{port}" for port in closed)
    line = f"max_connect_attempts {cap}" if cap else ""
    text = f"forward . {tos} {{\nforce_tcp\nmax_fails 0\npolicy sequential\n{line}\n}}"
    async with running(text) as forward:
        last = closed[(attempts - 1) % ports]
        text = await failure(forward, query("a.test."))
        assert text == f"dial tcp 127.0.0.1:{last}: connect: connection refused"
        misses = metrics.declared["proxy_conn_cache_misses_total"]
        assert sum(metrics.values[misses.cell("forward", f"127.0.0.1:{p}", "tcp")] for p in closed) == attempts


@awaited
async def test_without_a_cap_attempts_go_on_until_the_deadline() -> None:
    async with running(f"forward . 127.0.0.1:{free_port()} {{\nmax_fails 0\nmax_connect_attempts 0\n}}") as forward:
        asked = query("a.test.")
        asked.request.deadline = asyncio.get_running_loop().time() + 0.1
        assert "connection refused" in await failure(forward, asked)


@awaited
async def test_a_mute_upstream_is_a_timeout_in_the_words_of_the_reference() -> None:
    text = "forward . 127.0.0.1:{} {{\nread_timeout 60ms\nmax_connect_attempts 1\nmax_fails 0\n}}"
    async with Peer(lambda wire, via: []) as peer, running(text.format(peer.port)) as forward:
        text = await failure(forward, query("a.test."))
        assert text == f"read udp 127.0.0.1:{peer.ports[0]}->127.0.0.1:{peer.port}: i/o timeout"
        text = await failure(forward, query("a.test.", via="tcp"))
        assert text.startswith("read tcp 127.0.0.1:") and text.endswith(f"->127.0.0.1:{peer.port}: i/o timeout")
        assert len(forward.lines[0].upstreams[0].udp.open) == 0


def garbage(wire: bytes) -> list[bytes]:
    """What a liar may send under the right ID before the true answer comes."""
    true = answer(wire)
    longer = bytes((true[12] + 1,)) + b"x" + true[13:]
    return [
        true[:12],  # no question at all
        true[:4] + b"\0\2" + true[6:],
        true[:12] + longer,
        true.replace(b"test", b"tent"),
        wire,  # a query
        true[:-7],  # cut off
        true[:-16] + b"\x40" + true[-15:],
        true[:2] + bytes(len(true) - 2),
        true[:12] + bytes(200),
    ]


@pytest.mark.parametrize("number", range(9))
@awaited
async def test_garbage_is_skipped_and_the_true_answer_taken(number: int) -> None:
    def script(wire: bytes, via: str) -> list[bytes]:
        return [garbage(wire)[number]] * 3 + [answer(wire)]

    text = "forward . 127.0.0.1:{} {{\nmax_connect_attempts 1\n}}"
    async with Peer(script) as peer, running(text.format(peer.port)) as forward:
        assert address(await ask(forward, query("a.test."))) == b"\xc0\0\2\1"
        assert len(peer.seen) == 1


@awaited
async def test_an_upstream_that_sends_nothing_but_garbage_has_not_answered() -> None:
    def script(wire: bytes, via: str) -> list[bytes]:
        return garbage(wire)[5:7]

    text = "forward . 127.0.0.1:{} {{\nmax_connect_attempts 1\nread_timeout 50ms\n}}"
    async with Peer(script) as peer, running(text.format(peer.port)) as forward:
        assert "i/o timeout" in await failure(forward, query("a.test."))


@awaited
async def test_answers_to_another_question_and_no_other_are_formerr() -> None:
    def script(wire: bytes, via: str) -> list[bytes]:
        return [answer(wire).replace(b"test", b"tent")]

    text = "forward . 127.0.0.1:{} {} {{\npolicy sequential\nread_timeout 50ms\n}}"
    async with Peer(script) as peer, Peer() as good:
        async with running(text.format(peer.port, "")) as forward:
            assert (await ask(forward, query("a.test."))).rcode == 1
            assert len(peer.names()) == 1
        async with running(text.format(peer.port, f"127.0.0.1:{good.port}")) as forward:
            assert address(await ask(forward, query("a.test."))) == b"\xc0\0\2\1"


@awaited
async def test_an_answer_to_another_question_is_dumped_in_debug_mode() -> None:
    lines: list[str] = []

    def script(wire: bytes, via: str) -> list[bytes]:
        return [answer(wire).replace(b"test", b"tent")]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log, "debugging", True)
        patch.setattr(log, "debug", lines.append)
        text = "forward . 127.0.0.1:{} {{\nread_timeout 50ms\n}}"
        async with Peer(script) as peer, running(text.format(peer.port)) as forward:
            await ask(forward, query("A.test."))
    head, first, *_ = lines[0].split("\n")
    assert head == "Wrong reply for id: 4660, A.test. 1"
    assert first.startswith("debug: 000000 12 34 ")  # the client's ID


@awaited
async def test_idle_sockets_are_swept_and_a_stopped_line_opens_none() -> None:
    async with Peer() as peer, running(f"forward . 127.0.0.1:{peer.port} {{\nexpire 20ms\n}}") as forward:
        await ask(forward, query("a.test."))
        await ask(forward, query("a.test.", via="tcp"))
        upstream = forward.lines[0].upstreams[0]
        assert len(upstream.udp.open) == len(upstream.tcp.open) == 1
        await asyncio.sleep(0.03)
        forward._sweep()
        assert len(upstream.udp.open) == len(upstream.tcp.open) == 0
        forward._stop()
        assert await failure(forward, query("a.test.")) == "proxy: transport stopped"


@awaited
async def test_host_names_are_looked_up_through_the_resolvers_in_turn() -> None:
    def script(wire: bytes, via: str) -> list[bytes]:
        return [answer(wire) if wire[-4:] == b"\0\1\0\1" else answer(wire, 3)]

    async with Peer(script) as peer:
        resolvers = [f"127.0.0.1:{free_port()}", f"127.0.0.1:{peer.port}"]
        assert await asyncio.to_thread(lookup, "ns.test", resolvers) == ["192.0.2.1"]
        with pytest.raises(OSError, match=r'no addresses found for "ns.test": read udp .*: read: connection refused'):
            await asyncio.to_thread(lookup, "ns.test", resolvers[:1])


@awaited
async def test_failover_asks_each_upstream_once_and_passes_the_last_answer_on() -> None:
    def fails(rcode: int) -> Peer:
        return Peer(lambda wire, via: [answer(wire, rcode)])

    async with fails(2) as bad, fails(5) as worse, Peer() as good:
        tos = f"127.0.0.1:{bad.port} 127.0.0.1:{worse.port}"
        block = "{\npolicy sequential\nfailover ServFail Refused\n}"
        async with running(f"forward . {tos} {block}") as forward:
            assert (await ask(forward, query("a.test."))).rcode == 5
        async with running(f"forward . {tos} 127.0.0.1:{good.port} {block}") as forward:
            assert (await ask(forward, query("a.test."))).rcode == 0
        assert (len(bad.seen), len(worse.seen), len(good.seen)) == (2, 2, 1)


@awaited
async def test_round_robin_starts_at_the_second_upstream() -> None:
    async with Peer() as a, Peer() as b, Peer() as c:
        tos = " ".join(f"127.0.0.1:{peer.port}" for peer in (a, b, c))
        async with running(f"forward . {tos} {{\npolicy round_robin\n}}") as forward:
            await ask(forward, query("a.test."))
            assert [len(p.seen) for p in (a, b, c)] == [0, 1, 0]
            upstreams = forward.lines[0].upstreams
            assert forward.lines[0].order() == [upstreams[2], upstreams[0], upstreams[1]]
            assert forward.lines[0].order() == upstreams


@awaited
async def test_next_and_next_on_nodata_hand_a_query_to_the_following_line() -> None:
    def nodata(wire: bytes, via: str) -> list[bytes]:
        return [answer(wire, 3)[:3] + bytes((answer(wire)[3] & 0xF0,)) + answer(wire, 3)[4:]]

    async with Peer(lambda wire, via: [answer(wire, 3)]) as first, Peer(nodata) as second, Peer() as third:
        lines = [
            f"forward . 127.0.0.1:{first.port} {{\nnext NXDOMAIN\n}}",
            f"forward other 127.0.0.1:{third.port}",
            f"forward . 127.0.0.1:{second.port} {{\nnext_on_nodata\n}}",
            f"forward . 127.0.0.1:{third.port} {{\nnext NOERROR\n}}",
        ]
        async with running("\n".join(lines)) as forward:
            assert address(await ask(forward, query("a.test."))) == b"\xc0\0\2\1"
            assert (len(first.seen), len(second.seen), len(third.seen)) == (1, 1, 1)
        async with running("\n".join(lines[:2])) as forward:
            assert await ask(forward, query("a.test.")) is None


@awaited
async def test_queries_above_max_concurrent_are_refused_and_the_place_is_given_back() -> None:
    release = asyncio.Event()
    held: list[bytes] = []

    def script(wire: bytes, via: str) -> list[bytes]:
        if release.is_set():
            return [answer(wire)]
        held.append(wire)
        return []

    text = "forward . 127.0.0.1:{} {{\nmax_concurrent 1\nread_timeout 100ms\nmax_connect_attempts 1\n}}"
    async with Peer(script) as peer, running(text.format(peer.port)) as forward:
        waiting = asyncio.ensure_future(ask(forward, query("a.test.")))
        await asyncio.sleep(0.02)
        with pytest.raises(Refused, match="concurrent queries exceeded maximum 1"):
            await ask(forward, query("b.test."))
        with pytest.raises(ServFail):
            await waiting
        release.set()
        assert (await ask(forward, query("c.test."))).rcode == 0


@awaited
async def test_a_query_dropped_once_has_its_upstream_probed_once() -> None:
    def script(wire: bytes, via: str) -> list[bytes]:
        return [answer(wire)] if wire[12:17] == b"\0\0\2\0\1" else []

    block = "read_timeout 50ms\nmax_connect_attempts 1"
    async with Peer(script) as peer:
        async with running(f"forward . 127.0.0.1:{peer.port} {{\n{block}\n}}") as forward:
            await failure(forward, query("a.test."))
            await asyncio.sleep(0.05)
            probe = peer.seen[1][1]
            assert probe[2:] == b"\1\0\0\1\0\0\0\0\0\0" + b"\0" + NS.to_bytes(2, "big") + b"\0\1"
            assert len(peer.seen) == 2
        async with running(f"forward . 127.0.0.1:{peer.port} {{\n{block}\nmax_fails 0\n}}") as forward:
            await failure(forward, query("a.test."))
            await asyncio.sleep(0.05)
            assert len(peer.seen) == 3
        text = f"{block}\nhealth_check 1s no_rec domain Probe.test"
        async with running(f"forward . 127.0.0.1:{peer.port} {{\n{text}\n}}") as forward:
            await failure(forward, query("a.test."))
            await asyncio.sleep(0.05)
            assert peer.seen[4][1][2:] == b"\0\0\0\1\0\0\0\0\0\0\5probe\4test\0\0\2\0\1"


@awaited
async def test_an_upstream_is_down_after_more_failed_probes_than_max_fails() -> None:
    port = free_port()
    block = "max_fails 1\nhealth_check 10ms\nmax_connect_attempts 1\nfailfast_all_unhealthy_upstreams"
    async with running(f"forward . 127.0.0.1:{port} {{\n{block}\n}}") as forward:
        assert "connection refused" in await failure(forward, query("a.test."))
        upstream = forward.lines[0].upstreams[0]
        while not upstream.down:
            await asyncio.sleep(0.01)
        assert await failure(forward, query("a.test.")) == "no healthy proxies"


@awaited
async def test_with_all_upstreams_down_one_is_tried_all_the_same() -> None:
    async with Peer(lambda wire, via: []) as peer:
        block = "max_fails 1\nread_timeout 50ms\nhealth_check 10s"
        async with running(f"forward . 127.0.0.1:{peer.port} {{\n{block}\n}}") as forward:
            forward.lines[0].upstreams[0].cells.fails.set(2)
            assert "i/o timeout" in await failure(forward, query("a.test."))
            assert len([name for name in peer.names() if b"test" in name]) == 1


@awaited
async def test_only_one_process_probes_an_upstream() -> None:
    memory = bytearray(8192)
    async with Peer(lambda wire, via: []) as peer:
        text = f"forward . 127.0.0.1:{peer.port} {{\nread_timeout 50ms\nmax_connect_attempts 1\nhealth_check 10s\n}}"
        async with running(text, Cells(memory, 2, 0)) as one, running(text, Cells(memory, 2, 1)) as two:
            await asyncio.gather(failure(one, query("a.test.")), failure(two, query("a.test.")))
            await asyncio.sleep(0.1)
            assert len([name for name in peer.names() if b"test" not in name]) == 1


@awaited
async def test_the_source_address_is_bound() -> None:
    async with Peer() as peer:
        async with running(f"forward . 127.0.0.1:{peer.port} {{\nsource_address 127.0.0.9\n}}") as forward:
            await ask(forward, query("a.test."))
        text = f"forward . 127.0.0.1:{peer.port} {{\nsource_address 192.0.2.77\nmax_connect_attempts 1\n}}"
        async with running(text) as forward:
            assert await failure(forward, query("a.test.")) == (
                f"dial udp 192.0.2.77:0->127.0.0.1:{peer.port}: bind: cannot assign requested address"
            )


@pytest.mark.parametrize("limit", ["MOST_BUSY", "MAX_OPEN"])
@awaited
async def test_past_the_limit_of_sockets_queries_share_them(limit: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(f"shardns.plugins.forward.udp.{limit}", 4)
        async with Peer() as peer, running(f"forward . 127.0.0.1:{peer.port}") as forward:
            await asked_in_turns(forward, peer, 40)
            assert len(set(peer.ports)) == 4


@awaited
async def test_a_used_socket_that_reports_an_error_does_not_cost_the_next_query_an_attempt() -> None:
    text = "forward . 127.0.0.1:{} {{\nmax_connect_attempts 1\n}}"
    async with Peer(tcp=False) as peer, running(text.format(peer.port)) as forward:
        await ask(forward, query("a.test."))
        line = forward.lines[0].upstreams[0].udp
        (connection,) = line.open
        peer.close()
        await asyncio.sleep(0.01)
        connection._sock.send(b"nobody there")
        await asyncio.sleep(0)  # the error stands at the socket when the next query goes out
        line.engine.loop.remove_reader(connection._descriptor)
        async with Peer(port=peer.port, tcp=False):
            assert address(await ask(forward, query("b.test."))) == b"\xc0\0\2\1"


@awaited
async def test_the_upstream_is_noted_and_the_exchange_timed() -> None:
    async with Peer() as peer, running(f"forward . 127.0.0.1:{peer.port}") as forward:
        asked = query("a.test.")
        asked.request.metadata = {}
        await ask(forward, asked)
        assert asked.metadata("forward/upstream") == f"127.0.0.1:{peer.port}"
        duration = cast(metrics.Histogram, metrics.declared["proxy_request_duration_seconds"])
        cell = duration.cell("forward", f"127.0.0.1:{peer.port}", "NOERROR")
        assert sum(metrics.values[cell : cell + duration.sum_at]) == 1
        assert 0 < metrics.values[cell + duration.sum_at] < 1
