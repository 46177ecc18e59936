"""Forwarding over HTTPS against upstreams on loopback: messages, multiplexing, what the upstream may do to us."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
from pathlib import Path

import pytest

from shardns.plugins.forward.forward import Forward
from shardns.plugins.forward.secure import HttpsUpstream
from shardns.worker import metrics
from shardns.worker.h2 import frames
from tests.certify import Pair, issue
from tests.plugins.doh_peer import Asked, DohPeer, Says, good
from tests.plugins.forwarding import address, ask, failure, running
from tests.plugins.peer import answer, awaited, free_port
from tests.worker.fakes import query

pytestmark = pytest.mark.system


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return issue(tmp_path, "localhost", "127.0.0.1")


def served(pair: Pair) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)
    return context


def line(peer: DohPeer | int, pair: Pair, *more: str, name: str = "") -> str:
    port = peer if isinstance(peer, int) else peer.port
    lines = "\n".join((f"tls {pair.certificate}", *more))
    return f"forward . https://127.0.0.1{name}:{port} {{\n{lines}\n}}"


def upstream(forward: Forward) -> HttpsUpstream:
    found = forward.lines[0].upstreams[0]
    assert isinstance(found, HttpsUpstream)
    return found


BOTH = pytest.mark.parametrize("protocols", [("h2", "http/1.1"), ("http/1.1",), ()], ids=["h2", "h11", "no-alpn"])
ONCE = ("max_connect_attempts 1", "max_fails 0")


@BOTH
@pytest.mark.parametrize("method", ["POST", "GET"])
@awaited
async def test_a_query_is_one_request_with_id_0(protocols: tuple[str, ...], method: str, pair: Pair) -> None:
    async with (
        DohPeer(served(pair), protocols=protocols) as peer,
        running(line(peer, pair, f"doh_method {method}")) as forward,
    ):
        for via in ("udp", "tcp"):
            asked = query("WWW.example.org.", via=via)
            assert address(await ask(forward, asked)) == b"\xc0\0\2\1"
            seen = peer.seen[-1]
            assert seen.message == b"\0\0" + asked.wire[2:]
            assert (seen.method, seen.path, seen.authority) == (method, "/dns-query", f"127.0.0.1:{peer.port}")
            assert seen.http == ("2" if "h2" in protocols else "1.1")
        assert peer.connections == 1


@awaited
async def test_many_queries_share_a_connection(pair: Pair) -> None:
    async with DohPeer(served(pair)) as peer, running(line(peer, pair)) as forward:
        await ask(forward, query("a.test."))
        replies = await asyncio.gather(*(ask(forward, query(f"n{n}.test.")) for n in range(100)))
        assert all(address(reply) == b"\xc0\0\2\1" for reply in replies)
        assert peer.connections == 1 and len(peer.seen) == 101


@awaited
async def test_who_finds_no_room_goes_to_another_connection_or_waits(pair: Pair) -> None:
    async with DohPeer(served(pair)) as peer, running(line(peer, pair)) as forward:
        peer.most_streams = 3
        await ask(forward, query("a.test."))
        replies = await asyncio.gather(*(ask(forward, query(f"n{n}.test.")) for n in range(60)))
        assert all(address(reply) == b"\xc0\0\2\1" for reply in replies)
        assert peer.connections > 1 and len(upstream(forward).https.open) <= upstream(forward).https.most


@awaited
async def test_over_http_1_1_each_query_has_a_connection_of_its_own(pair: Pair) -> None:
    async with (
        DohPeer(served(pair), protocols=("http/1.1",)) as peer,
        running(line(peer, pair)) as forward,
    ):
        for _ in range(3):
            await asyncio.gather(*(ask(forward, query(f"n{n}.test.")) for n in range(10)))
        assert peer.connections <= 10 and len(peer.seen) == 30


@pytest.mark.parametrize(
    ("more", "name", "seen"),
    [((), "", None), (("tls_servername localhost",), "", "localhost"), ((), "%localhost", None)],
)
@awaited
async def test_only_tls_servername_names_the_upstream(
    more: tuple[str, ...], name: str, seen: str | None, pair: Pair
) -> None:
    async with DohPeer(served(pair)) as peer, running(line(peer, pair, *more, name=name)) as forward:
        await ask(forward, query("a.test."))
        assert peer.server_names == [seen]


@awaited
async def test_a_wrong_certificate_fails_the_query(pair: Pair, tmp_path: Path) -> None:
    other = issue(tmp_path, "127.0.0.1", file="other")
    async with DohPeer(served(pair)) as peer, running(line(peer, other, *ONCE)) as forward:
        text = await failure(forward, query("a.test."))
        assert text == (
            f'Post "https://127.0.0.1:{peer.port}/dns-query": '
            "tls: failed to verify certificate: x509: certificate signed by unknown authority"
        )
        assert not peer.seen and not upstream(forward).https.open


@awaited
async def test_a_refused_connection_is_named_with_its_url(pair: Pair) -> None:
    port = free_port()
    async with running(line(port, pair, *ONCE, "doh_method GET")) as forward:
        text = await failure(forward, query("a.test."))
        assert text.startswith(f'Get "https://127.0.0.1:{port}/dns-query?dns=AAABAAABAAAAAAAA')
        assert text.endswith(f'": dial tcp 127.0.0.1:{port}: connect: connection refused')


@awaited
async def test_connections_resume_the_session_of_the_last_one(pair: Pair) -> None:
    async with DohPeer(served(pair)) as peer, running(line(peer, pair)) as forward:
        for _ in range(3):
            await ask(forward, query("a.test."))
            peer.hang_up()
            await gone(forward)
        assert peer.resumed == [False, True, True]


async def gone(forward: Forward) -> None:
    for _ in range(500):
        if not upstream(forward).https.open:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("a connection stays open")


@awaited
async def test_what_a_leaving_server_has_not_begun_is_asked_on_a_new_connection(pair: Pair) -> None:
    def script(asked: Asked) -> Says:
        return Says(leave=-1) if asked.number == 1 else good(asked)

    async with DohPeer(served(pair), script) as peer, running(line(peer, pair, *ONCE)) as forward:
        await ask(forward, query("a.test."))
        assert address(await ask(forward, query("b.test."))) == b"\xc0\0\2\1"
        assert peer.connections == 2 and len(peer.seen) == 3


@awaited
async def test_what_a_leaving_server_has_begun_it_answers_but_it_is_asked_no_more(pair: Pair) -> None:
    def script(asked: Asked) -> Says:
        return Says(answer(asked.message), leave=99) if asked.number == 0 else good(asked)

    async with DohPeer(served(pair), script) as peer, running(line(peer, pair, *ONCE)) as forward:
        await ask(forward, query("a.test."))
        await ask(forward, query("b.test."))
        assert peer.connections == 2


@awaited
async def test_a_refused_stream_is_asked_again(pair: Pair) -> None:
    def script(asked: Asked) -> Says:
        return Says(reset=7) if asked.number == 1 else good(asked)

    async with DohPeer(served(pair), script) as peer, running(line(peer, pair, *ONCE)) as forward:
        await ask(forward, query("a.test."))
        assert address(await ask(forward, query("b.test."))) == b"\xc0\0\2\1"
        assert peer.connections == 1 and len(peer.seen) == 3


@awaited
async def test_a_server_that_refuses_for_ever_is_not_asked_for_ever(pair: Pair) -> None:
    def script(asked: Asked) -> Says:
        return Says(reset=7) if asked.number else good(asked)

    async with DohPeer(served(pair), script) as peer, running(line(peer, pair, *ONCE)) as forward:
        await ask(forward, query("a.test."))
        await failure(forward, query("b.test."))
        assert len(peer.seen) < 20


@awaited
async def test_a_server_that_leaves_at_once_each_time_fails_the_query(pair: Pair) -> None:
    async with DohPeer(served(pair), lambda asked: Says(leave=0)) as peer, running(line(peer, pair, *ONCE)) as forward:
        assert "GOAWAY" in await failure(forward, query("a.test."))
        assert len(peer.seen) == 1


@BOTH
@awaited
async def test_a_connection_closed_while_idle_is_replaced_silently(protocols: tuple[str, ...], pair: Pair) -> None:
    async with DohPeer(served(pair), protocols=protocols) as peer, running(line(peer, pair, *ONCE)) as forward:
        await ask(forward, query("a.test."))
        peer.hang_up()
        assert address(await ask(forward, query("b.test."))) == b"\xc0\0\2\1"
        assert peer.connections == 2


@BOTH
@awaited
async def test_a_malformed_answer_is_an_error(protocols: tuple[str, ...], pair: Pair) -> None:
    def script(asked: Asked) -> Says:
        return Says(answer(asked.message)[:-16] + b"\x40" + answer(asked.message)[-15:])

    async with DohPeer(served(pair), script, protocols) as peer, running(line(peer, pair, *ONCE)) as forward:
        assert await failure(forward, query("a.test.")) == "dns: bad rdata"
        assert len(peer.seen) == 1


@awaited
async def test_the_status_counts_only_where_the_body_is_no_message(pair: Pair) -> None:
    def script(asked: Asked) -> Says:
        return Says(b"<html>Not found</html>" if asked.number else answer(asked.message), 404)

    async with DohPeer(served(pair), script) as peer, running(line(peer, pair, *ONCE)) as forward:
        assert address(await ask(forward, query("a.test."))) == b"\xc0\0\2\1"
        assert (await failure(forward, query("b.test."))).endswith("(HTTP status 404)")
        assert len(peer.seen) == 2


@awaited
async def test_an_answer_to_another_question_is_formerr(pair: Pair) -> None:
    def script(asked: Asked) -> Says:
        return Says(answer(asked.message).replace(b"test", b"tent"))

    async with DohPeer(served(pair), script) as peer, running(line(peer, pair)) as forward:
        assert (await ask(forward, query("a.test."))).rcode == 1
        assert len(peer.seen) == 1


@BOTH
@awaited
async def test_a_body_longer_than_a_message_is_not_read_to_its_end(protocols: tuple[str, ...], pair: Pair) -> None:
    async with (
        DohPeer(served(pair), lambda asked: Says(bytes(65600)), protocols) as peer,
        running(line(peer, pair, *ONCE)) as forward,
    ):
        peer.window = 1 << 20
        assert "too large" in await failure(forward, query("a.test."))


@awaited
async def test_a_large_answer_comes_whole(pair: Pair) -> None:
    def script(asked: Asked) -> Says:
        head = answer(asked.message)
        return Says(head[:6] + b"\x0f\xa0" + head[8:-16] + head[-16:] * 4000)

    async with DohPeer(served(pair), script) as peer, running(line(peer, pair)) as forward:
        for _ in range(20):  # more than the connection's window
            assert (await ask(forward, query("a.test."))).answers == 4000
        assert peer.connections == 1


@awaited
async def test_a_server_with_small_windows_gets_whole_questions(pair: Pair) -> None:
    async with DohPeer(served(pair)) as peer:
        peer.window = 5
        async with running(line(peer, pair)) as forward:
            replies = await asyncio.gather(*(ask(forward, query(f"n{n}.test.")) for n in range(20)))
            assert all(address(reply) == b"\xc0\0\2\1" for reply in replies)


@pytest.mark.parametrize(
    "octets",
    [
        b"\0\0\0\0",
        frames.frame(frames.DATA, 0, 2, b"x"),
        frames.frame(frames.PUSH_PROMISE, 4, 1, b"\0\0\0\2\x82"),
        frames.frame(frames.PING, 0, 0, b"x"),
        frames.frame(frames.WINDOW_UPDATE, 0, 0, bytes(4)),
        frames.frame(frames.SETTINGS, 0, 0, b"\0\4\xff\xff\xff\xff"),
        frames.frame(frames.HEADERS, 4, 1, b"\xff\xff\xff\xff\xff"),
        b"\xff\xff\xff\0\0\0\0\0\1",
        frames.frame(frames.PING, 0, 0, bytes(8)) * 5000,
        frames.frame(frames.SETTINGS, 0, 0) * 5000,
    ],
    ids=["short", "even", "push", "ping", "window", "huge-window", "hpack", "long", "ping-flood", "settings-flood"],
)
@awaited
async def test_a_server_that_breaks_the_rules_is_left(octets: bytes, pair: Pair) -> None:
    def script(asked: Asked) -> Says:
        return Says(raw=octets, close=len(octets) < 9) if asked.number == 1 else good(asked)

    async with DohPeer(served(pair), script) as peer, running(line(peer, pair, *ONCE)) as forward:
        await ask(forward, query("a.test."))
        assert address(await ask(forward, query("b.test."))) == b"\xc0\0\2\1"
        assert peer.connections == 2


@BOTH
@awaited
async def test_a_mute_upstream_is_a_timeout_after_two_seconds(protocols: tuple[str, ...], pair: Pair) -> None:
    release = asyncio.Event()

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await release.wait()
        writer.close()

    context = served(pair)
    if protocols:
        context.set_alpn_protocols(list(protocols))
    server = await asyncio.start_server(mute, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    loop = asyncio.get_running_loop()
    async with running(line(port, pair, *ONCE)) as forward:
        began = loop.time()
        text = await failure(forward, query("a.test."))
        assert 1.9 < loop.time() - began < 4
        assert text == (
            f'Post "https://127.0.0.1:{port}/dns-query": '
            "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
        )
        assert forward.lines[0].engine.waiting == 0
    release.set()
    await asyncio.sleep(0.05)
    server.close()


@awaited
async def test_a_query_s_own_deadline_ends_the_request(pair: Pair) -> None:
    def mute_at_first(asked: Asked) -> Says:
        return Says() if asked.number < 2 else good(asked)

    loop = asyncio.get_running_loop()
    async with (
        DohPeer(served(pair), mute_at_first) as peer,
        running(line(peer, pair, "max_fails 0")) as forward,
    ):
        for _ in range(2):
            asked = query("a.test.")
            began = loop.time()
            asked.request.deadline = began + 0.3
            text = await failure(forward, asked)
            assert 0.3 <= loop.time() - began < 1.5
            assert text == f'Post "https://127.0.0.1:{peer.port}/dns-query": context deadline exceeded'
        assert address(await ask(forward, query("a.test."))) == b"\xc0\0\2\1"
        assert peer.connections == 1


@awaited
async def test_a_stalled_handshake_is_given_up(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    from shardns.plugins.forward import https_connection

    monkeypatch.setattr(https_connection, "DIAL_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        async with running(line(mute.getsockname()[1], pair, *ONCE)) as forward:
            assert "context deadline exceeded" in await failure(forward, query("a.test."))
            assert not upstream(forward).https.open


@awaited
async def test_a_failed_exchange_has_the_upstream_probed_by_post(pair: Pair) -> None:
    def script(asked: Asked) -> Says:
        return good(asked) if asked.message[12:17] == b"\0\0\2\0\1" else Says(b"", 500)

    text = line(0, pair, "max_connect_attempts 1", "doh_method GET")
    async with DohPeer(served(pair), script) as peer, running(text.replace(":0 ", f":{peer.port} ")) as forward:
        await failure(forward, query("a.test."))
        for _ in range(300):
            if len(peer.seen) == 2:
                break
            await asyncio.sleep(0.01)
        assert [asked.method for asked in peer.seen] == ["GET", "POST"]
        assert peer.connections == 2 and not upstream(forward).down


@awaited
async def test_exchanges_are_observed_but_no_pool_is_counted(pair: Pair) -> None:
    async with DohPeer(served(pair)) as peer, running(line(peer, pair)) as forward:
        await ask(forward, query("a.test."))
        to, values = f"127.0.0.1:{peer.port}", metrics.values
        for name in ("proxy_conn_cache_hits_total", "proxy_conn_cache_misses_total"):
            assert values[metrics.declared[name].cell("forward", to, "https")] == 0
        duration = metrics.declared["proxy_request_duration_seconds"].cell("forward", to, "NOERROR")
        assert sum(values[duration : duration + 16]) == 1


@awaited
async def test_idle_connections_are_swept_and_a_stopped_line_opens_none(pair: Pair) -> None:
    async with DohPeer(served(pair)) as peer, running(line(peer, pair)) as forward:
        await ask(forward, query("a.test."))
        assert len(upstream(forward).https.open) == 1
        upstream(forward).https.sweep(asyncio.get_running_loop().time() + 91)
        assert not upstream(forward).https.open
        forward._stop()
        assert await failure(forward, query("a.test.")) == "proxy: transport stopped"
        assert peer.connections == 1


@awaited
async def test_descriptors_stay_flat_while_an_upstream_flaps(pair: Pair) -> None:
    def script(asked: Asked) -> Says:
        return Says(close=True) if asked.number % 3 == 2 else good(asked)

    async with DohPeer(served(pair), script) as peer, running(line(peer, pair, "max_fails 0")) as forward:
        await ask(forward, query("a.test."))
        gc.collect()
        before = len(list(Path("/proc/self/fd").iterdir()))
        for n in range(60):
            await asyncio.gather(*(ask(forward, query(f"n{n}.m{m}.test.")) for m in range(5)), return_exceptions=True)
        assert len(upstream(forward).https.open) <= 8
        assert len(list(Path("/proc/self/fd").iterdir())) <= before + 2 * 8 + 2
        assert forward.lines[0].engine.waiting == 0 and peer.connections > 10
