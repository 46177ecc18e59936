"""grpc: what becomes of queries that upstreams answer, refuse, or leave lying."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, cast

import pytest

pytest.importorskip("grpc")
from shardns.plugins.grpc.grpc import Grpc
from shardns.plugins.grpc.options import Options
from shardns.worker.reply import Reply, ServFail
from shardns.worker.scope import Scope
from shardns.worker.shared import Cells
from shardns.worker.site import Site
from tests.bench.run import free_port
from tests.certify import certify
from tests.plugins.grpc_peer import Peer, failing
from tests.plugins.peer import answer
from tests.plugins.whole import counted
from tests.worker.fakes import FakeSite, query


@asynccontextmanager
async def running(text: str, *, last: bool = True) -> AsyncIterator[Grpc]:
    """Return the plugin for a line, `last` in its chain or not."""
    cells = Cells(bytearray(4096), 1, 0)
    site = FakeSite(shared=lambda name, directive="": cells.shared(0, directive, name), plugins=[])
    plugin = Grpc(Options.read(text), cast(Site, site))
    site.__dict__["plugins"] = [plugin] if last else [plugin, plugin.upstreams]
    scope = Scope(cast(Any, None))
    await plugin.tend(scope)
    try:
        yield plugin
    finally:
        await scope.close()
        await asyncio.sleep(0)


async def ask(plugin: Grpc, name: str = "a.example.", **more: Any) -> Any:
    return await cast(Awaitable[Any], plugin.answer(query(name, **more)))


async def failure(plugin: Grpc) -> str:
    with pytest.raises(ServFail) as caught:
        await ask(plugin)
    return caught.value.text


def test_an_upstream_answers() -> None:
    async def main() -> None:
        with Peer() as peer:
            async with running(f"grpc . {peer.address}") as plugin:
                before = counted("grpc_requests_total", peer.address)
                found = await ask(plugin)
                assert isinstance(found, Reply) and found.answer[0].rdatas == (b"\xc0\0\2\1",)
                assert peer.seen == [query("a.example.").wire]
                assert 4 < peer.deadlines[0] <= 5
                assert counted("grpc_requests_total", peer.address) == before + 1
                assert counted("grpc_responses_total", "NOERROR", peer.address) == before + 1

    asyncio.run(main())


def test_all_calls_go_over_one_connection() -> None:
    async def main() -> None:
        with Peer() as peer:
            async with running(f"grpc . {peer.address}") as plugin:
                found = await asyncio.gather(*[ask(plugin, f"n{number}.example.") for number in range(300)])
                assert all(isinstance(one, Reply) and one.answer for one in found)
                assert len(set(peer.peers)) == 1

    asyncio.run(main())


def test_a_unix_socket_is_asked(tmp_path: Path) -> None:
    async def main() -> None:
        with Peer(address=f"unix://{tmp_path}/g.sock"):
            async with running(f"grpc . unix://{tmp_path}/g.sock") as plugin:
                assert (await ask(plugin)).answers == 1

    asyncio.run(main())


def test_upstreams_are_asked_over_tls(tmp_path: Path) -> None:
    pair = certify(tmp_path)

    async def main() -> None:
        with Peer(pair=(pair.key.read_bytes(), pair.certificate.read_bytes())) as peer:
            lines = f"tls {pair.certificate}\n tls_servername"
            async with running(f"grpc . {peer.address} {{\n {lines} dns.test\n}}") as plugin:
                assert (await ask(plugin)).answers == 1
            async with running(f"grpc . {peer.address} {{\n tls {pair.certificate}\n}}") as plugin:
                assert (await ask(plugin)).answers == 1  # the address stands in the certificate
            async with running(f"grpc . {peer.address} {{\n {lines} other.test\n}}") as plugin:
                assert "ertificate" in await failure(plugin)
            async with running(f"grpc . {peer.address} {{\n tls_servername dns.test\n}}") as plugin:
                assert "ertificate" in await failure(plugin)  # the system does not know the authority

    asyncio.run(main())


def test_not_found_is_an_answer() -> None:
    async def main() -> None:
        with Peer(failing("NOT_FOUND", "no such name")) as peer:
            async with running(f"grpc . {peer.address}") as plugin:
                found = await ask(plugin)
                assert (found.rcode, len(found.answer)) == (3, 0)
                assert counted("grpc_requests_total", peer.address) == 0
            async with running(f"grpc . {peer.address} {{\n fallthrough\n}}", last=False) as plugin:
                assert await ask(plugin) is None

    asyncio.run(main())


def test_the_next_upstream_is_asked_where_one_fails() -> None:
    async def main() -> None:
        with Peer(failing("UNKNOWN", "100% wrong")) as first, Peer() as second:
            line = f"grpc . {first.address} {second.address} {{\n policy sequential\n}}"
            async with running(line) as plugin:
                assert (await ask(plugin)).answers == 1
                assert len(first.seen) == len(second.seen) == 1
                assert first.deadlines[0] <= 5 and second.deadlines[0] <= 5
            async with running(f"grpc . {first.address} {first.address}") as plugin:
                assert await failure(plugin) == "rpc error: code = Unknown desc = 100% wrong"
                assert len(first.seen) == 3

    asyncio.run(main())


def test_nobody_is_there() -> None:
    async def main() -> None:
        port = free_port()
        async with running(f"grpc . 127.0.0.1:{port}") as plugin:
            text = (
                'rpc error: code = Unavailable desc = connection error: desc = "transport: Error while dialing: '
                f'dial tcp 127.0.0.1:{port}: connect: connection refused"'
            )
            assert await failure(plugin) == text
            assert await failure(plugin) == text  # at once: it is left in peace for a while
            with Peer(address=f"127.0.0.1:{port}"):
                await asyncio.sleep(1.1)
                assert (await ask(plugin)).answers == 1
        async with running(f"grpc . 127.0.0.1:{port} {{\n fallthrough\n}}", last=False) as plugin:
            assert await ask(plugin) is None
        async with running(f"grpc . 127.0.0.1:{port} {{\n fallthrough\n}}") as plugin:
            assert "connection refused" in await failure(plugin)
        async with running(f"grpc . tls://127.0.0.1:{port}") as plugin:
            assert "too many colons" in await failure(plugin)

    asyncio.run(main())


def test_no_upstreams_are_an_error_of_their_own() -> None:
    async def main() -> None:
        async with running("grpc . 127.0.0.1 {\n fallthrough\n policy round_robin\n}") as plugin:
            plugin.upstreams.clear()
            assert await failure(plugin) == "no healthy gRPC proxies"

    asyncio.run(main())


def test_an_upstream_that_says_nothing_costs_the_time_there_is() -> None:
    async def main() -> None:
        with closing(socket.create_server(("127.0.0.1", 0))) as mute:
            async with running(f"grpc . 127.0.0.1:{mute.getsockname()[1]}") as plugin:
                asked = query("a.example.")
                began = time.monotonic()
                asked.request.deadline = began + 0.3
                with pytest.raises(ServFail) as caught:
                    await cast(Awaitable[Any], plugin.answer(asked))
                assert caught.value.text == "rpc error: code = DeadlineExceeded desc = context deadline exceeded"
                assert 0.3 <= time.monotonic() - began < 1

    asyncio.run(main())


def test_a_slow_call_is_given_up_and_others_go_on() -> None:
    async def main() -> None:
        def script(wire: bytes, context: Any) -> bytes:
            if b"slow" in wire:
                time.sleep(1)
            return answer(wire)

        with Peer(script) as peer:
            async with running(f"grpc . {peer.address}") as plugin:
                slow = query("slow.example.")
                slow.request.deadline = time.monotonic() + 0.3
                waiting = asyncio.ensure_future(cast(Awaitable[Any], plugin.answer(slow)))
                assert (await ask(plugin)).answers == 1
                with pytest.raises(ServFail):
                    await waiting
                assert (await ask(plugin)).answers == 1
                assert len(set(peer.peers)) == 1

    asyncio.run(main())


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (b"x" * 65536, "received message larger than max"),
        (b"garbage", "dns: "),
        (b"", "dns: "),
        (bytes.fromhex("1234 8180 0001 0001 0000 0000 0161076578616d706c6500 0001 0001 7f"), "dns: "),
    ],
)
def test_what_cannot_be_read_is_an_error(reply: bytes, expected: str) -> None:
    async def main() -> None:
        with Peer(lambda wire, context: reply) as peer:
            async with running(f"grpc . {peer.address}") as plugin:
                assert expected in await failure(plugin)

    asyncio.run(main())


def test_an_answer_to_another_question_is_not_passed_on() -> None:
    async def main() -> None:
        with Peer(lambda wire, context: answer(query("b.example.").wire)) as peer:
            async with running(f"grpc . {peer.address}") as plugin:
                assert (await ask(plugin)).rcode == 1
        with Peer(lambda wire, context: wire) as peer:  # QR is not set
            async with running(f"grpc . {peer.address}") as plugin:
                assert (await ask(plugin)).rcode == 1

    asyncio.run(main())


def test_nxdomain_falls_through_where_the_line_says_so() -> None:
    async def main() -> None:
        with Peer(lambda wire, context: answer(wire, 3)) as peer:
            line = f"grpc . {peer.address} {{\n fallthrough b.example\n}}"
            async with running(line, last=False) as plugin:
                assert (await ask(plugin)).rcode == 3
                assert await ask(plugin, "x.b.example.") is None
            async with running(line) as plugin:
                assert (await ask(plugin, "x.b.example.")).rcode == 3

    asyncio.run(main())


def test_names_that_are_not_the_line_s_go_on() -> None:
    async def main() -> None:
        text = "grpc example 127.0.0.1 {\n except no.example\n}"
        async with running(text, last=False) as plugin:
            for name in ("org.", "no.example.", "a.no.example."):
                assert plugin.answer(query(name)) is None
        async with running(text) as plugin:
            with pytest.raises(ServFail) as caught:
                plugin.answer(query("org."))
            assert caught.value.text == ""  # silently, as in the reference
        async with running("grpc example 127.0.0.1 {\n except example\n}", last=False) as plugin:
            assert plugin.takes(b"\7example\0") and not plugin.takes(b"\1a\7example\0")

    asyncio.run(main())


def test_policies_put_upstreams_in_order() -> None:
    async def main() -> None:
        line = "grpc . 127.0.0.1:1 127.0.0.1:2 127.0.0.1:3 {\n policy"
        async with running(f"{line} round_robin\n}}") as plugin:
            p0, p1, p2 = plugin.upstreams
            assert [plugin.order() for _ in range(3)] == [[p1, p0, p2], [p2, p0, p1], [p0, p1, p2]]
        async with running(f"{line} sequential\n}}") as plugin:
            assert plugin.order() == plugin.upstreams
        async with running(f"{line} random\n}}") as plugin:
            leaders = {plugin.order()[0].text for _ in range(100)}
            assert leaders == {"127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"}

    asyncio.run(main())


def test_a_connection_that_ends_is_replaced() -> None:
    async def main() -> None:
        port = free_port()
        async with running(f"grpc . 127.0.0.1:{port}") as plugin:
            for _ in range(3):
                with Peer(address=f"127.0.0.1:{port}"):
                    assert (await ask(plugin)).answers == 1

    asyncio.run(main())
