"""Forwarding over TLS against upstreams on loopback: trust, names, sessions, pools, failures, health."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from shardns.plugins.forward.identity import mismatch
from shardns.worker import metrics
from tests.certify import Pair, issue
from tests.plugins.forwarding import address, ask, failure, running
from tests.plugins.peer import Peer, answer, awaited, free_port
from tests.worker.fakes import query

pytestmark = pytest.mark.system


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return issue(tmp_path, "localhost", "127.0.0.1")


def served(pair: Pair, **attributes: object) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)
    for name, value in attributes.items():
        setattr(context, name, value)
    return context


def line(peer: Peer | int, pair: Pair, *more: str, name: str = "") -> str:
    port = peer if isinstance(peer, int) else peer.port
    lines = "\n".join((f"tls {pair.certificate}", *more))
    return f"forward . tls://127.0.0.1{name}:{port} {{\n{lines}\n}}"


@pytest.mark.parametrize(
    ("alternatives", "name", "wrong"),
    [
        ("DNS:a.test", "A.test", ""),
        ("DNS:a.test DNS:*.b.test", "x.b.test.", ""),
        ("DNS:*.b.test", "x.y.b.test", "certificate is valid for *.b.test, not x.y.b.test"),
        ("DNS:*.b.test", "b.test", "certificate is valid for *.b.test, not b.test"),
        ("DNS:x*.b.test", "xy.b.test", "certificate is valid for x*.b.test, not xy.b.test"),
        ("DNS:*", "test", "certificate is valid for *, not test"),
        ("DNS:a.*.test", "a.b.test", "certificate is valid for a.*.test, not a.b.test"),
        ("DNS:a.test DNS:b.test", "c.test", "certificate is valid for a.test, b.test, not c.test"),
        ("DNS:a.test\0.evil", "a.test", "certificate is valid for a.test\0.evil, not a.test"),
        ("IP:192.0.2.1", "192.0.2.1", ""),
        ("IP:2001:DB8:0:0:0:0:0:1", "2001:db8::1", ""),
        ("IP:192.0.2.1 IP:2001:DB8:0:0:0:0:0:1", "::2", "certificate is valid for 192.0.2.1, 2001:db8::1, not ::2"),
        ("DNS:::1", "::1", "cannot validate certificate for ::1 because it doesn't contain any IP SANs"),
        ("IP:192.0.2.1", "a.test", "certificate is not valid for any names, but wanted to match a.test"),
        ("", "cn.test", "certificate relies on legacy Common Name field, use SANs instead"),
        ("", "a.test", "certificate is not valid for any names, but wanted to match a.test"),
    ],
)  # fmt: skip
def test_a_certificate_names_its_holder(alternatives: str, name: str, wrong: str) -> None:
    kinds = {"DNS": "DNS", "IP": "IP Address"}
    pairs = (one.split(":", 1) for one in alternatives.split(" ") if one)
    certificate = {
        "subject": ((("commonName", "cn.test"),),),
        "subjectAltName": tuple((kinds[kind], value) for kind, value in pairs),
    }
    assert mismatch(certificate, name) == (f"x509: {wrong}" if wrong else "")


@pytest.mark.parametrize("via", ["udp", "tcp"])
@awaited
async def test_whatever_the_client_came_over_a_query_goes_out_over_tls(via: str, pair: Pair) -> None:
    async with Peer(tls=served(pair)) as peer, running(line(peer, pair, "prefer_udp")) as forward:
        asked = query("WWW.example.org.", via=via)
        assert address(await ask(forward, asked)) == b"\xc0\0\2\1"
        assert [via for via, _ in peer.seen] == ["tcp"]
        assert peer.seen[0][1][2:] == asked.wire[2:]


@pytest.mark.parametrize(
    ("more", "name", "seen"),
    [
        ((), "", None),
        (("tls_servername localhost",), "", "localhost"),
        ((), "%localhost", "localhost"),
    ],
)
@awaited
async def test_the_name_of_the_upstream_is_sent_and_verified(
    more: tuple[str, ...], name: str, seen: str | None, pair: Pair
) -> None:
    async with Peer(tls=served(pair)) as peer, running(line(peer, pair, *more, name=name)) as forward:
        await ask(forward, query("a.test."))
        assert peer.server_names == [seen]


@awaited
async def test_a_certificate_for_another_name_fails_the_query(pair: Pair) -> None:
    more = ("tls_servername wrong.example", "max_connect_attempts 1")
    async with Peer(tls=served(pair)) as peer, running(line(peer, pair, *more)) as forward:
        text = await failure(forward, query("a.test."))
        assert text == "tls: failed to verify certificate: x509: certificate is valid for localhost, not wrong.example"
        assert peer.seen == [] and not forward.lines[0].upstreams[0].tcp.open


@awaited
async def test_a_certificate_of_an_unknown_authority_fails_the_query(pair: Pair, tmp_path: Path) -> None:
    other = issue(tmp_path, "127.0.0.1", file="other")
    async with Peer(tls=served(pair)) as peer, running(line(peer, other, "max_connect_attempts 1")) as forward:
        text = await failure(forward, query("a.test."))
        assert text == "tls: failed to verify certificate: x509: certificate signed by unknown authority"


@awaited
async def test_without_a_ca_the_system_s_authorities_count(pair: Pair) -> None:
    text = "forward . tls://127.0.0.1:{} {{\nmax_connect_attempts 1\n}}"
    async with Peer(tls=served(pair)) as peer, running(text.format(peer.port)) as forward:
        assert "unknown authority" in await failure(forward, query("a.test."))


@awaited
async def test_an_expired_certificate_fails_the_query(tmp_path: Path) -> None:
    old = issue(tmp_path, "127.0.0.1", days=-1)
    async with Peer(tls=served(old)) as peer, running(line(peer, old, "max_connect_attempts 1")) as forward:
        assert "x509: certificate has expired" in await failure(forward, query("a.test."))


@awaited
async def test_a_name_only_in_the_common_name_does_not_count(tmp_path: Path) -> None:
    nameless = issue(tmp_path, file="localhost")
    more = ("tls_servername localhost", "max_connect_attempts 1")
    async with Peer(tls=served(nameless)) as peer, running(line(peer, nameless, *more)) as forward:
        assert "relies on legacy Common Name field" in await failure(forward, query("a.test."))


@awaited
async def test_an_upstream_below_an_authority_is_believed_and_asks_for_our_certificate(tmp_path: Path) -> None:
    root = issue(tmp_path, file="root", authority=True)
    server = issue(tmp_path, "127.0.0.1", file="server", by=root)
    client = issue(tmp_path, "client.test", file="client", by=root)
    context = served(server, verify_mode=ssl.CERT_REQUIRED)
    context.load_verify_locations(root.certificate)
    tls = f"tls {client.certificate} {client.key} {root.certificate}"
    async with Peer(tls=context) as peer, running(f"forward . tls://127.0.0.1:{peer.port} {{\n{tls}\n}}") as forward:
        assert address(await ask(forward, query("a.test."))) == b"\xc0\0\2\1"


@awaited
async def test_what_the_upstream_says_against_us_is_named(pair: Pair) -> None:
    context = served(pair, verify_mode=ssl.CERT_REQUIRED)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        refusing = asyncio.create_task(asyncio.to_thread(refuse_one, listener, context))
        async with running(line(listener.getsockname()[1], pair, "max_connect_attempts 1", "max_fails 0")) as forward:
            assert await failure(forward, query("a.test.")) == "remote error: tls: certificate required"
        await refusing


def refuse_one(listener: socket.socket, context: ssl.SSLContext) -> None:
    """Accept a client and tell it why its handshake fails, which asyncio's servers do not."""
    accepted, _ = listener.accept()
    accepted.settimeout(5)
    with accepted, accepted.dup() as kept:  # open until the client has read it
        with pytest.raises(ssl.SSLError):
            context.wrap_socket(accepted, server_side=True)
        while kept.recv(4096):
            pass


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@awaited
async def test_a_new_stream_resumes_the_session_of_the_last_one(version: ssl.TLSVersion, pair: Pair) -> None:
    context = served(pair, maximum_version=version)
    async with Peer(tls=context) as peer, running(line(peer, pair, "expire 0s")) as forward:
        for _ in range(4):
            await ask(forward, query("a.test."))
            await asyncio.sleep(0.001)
        assert peer.resumed == [False, True, True, True]


@awaited
async def test_streams_are_used_again_and_counted_as_tcp_tls(pair: Pair) -> None:
    async with Peer(tls=served(pair)) as peer, running(line(peer, pair)) as forward:
        for _ in range(3):
            await ask(forward, query("a.test."))
        assert peer.streams == 1
        peer.hang_up()
        assert address(await ask(forward, query("a.test."))) == b"\xc0\0\2\1"
        assert peer.streams == 2
        to, values = f"127.0.0.1:{peer.port}", metrics.values
        assert values[metrics.declared["proxy_conn_cache_hits_total"].cell("forward", to, "tcp-tls")] >= 2
        assert values[metrics.declared["proxy_conn_cache_misses_total"].cell("forward", to, "tcp-tls")] == 2


@awaited
async def test_a_stream_that_is_closed_in_the_middle_of_a_reused_exchange_costs_no_attempt(pair: Pair) -> None:
    count = iter(range(9))

    def script(wire: bytes, via: str) -> list[bytes] | None:
        return None if next(count) == 1 else [answer(wire)]

    context = served(pair)
    async with Peer(script, tls=context) as peer, running(line(peer, pair, "max_connect_attempts 1")) as forward:
        await ask(forward, query("a.test."))
        assert address(await ask(forward, query("a.test."))) == b"\xc0\0\2\1"
        assert peer.streams == 2


def speaks_plainly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"no tls here")
    writer.close()


def hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


@asynccontextmanager
async def hosting(talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]) -> AsyncIterator[int]:
    """Let a function serve connections; gives the port."""
    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    for _ in range(20):  # let it meet what the kernel has accepted
        await asyncio.sleep(0)
    server.close()


@awaited
async def test_a_plain_dns_port_is_an_error_that_says_so(pair: Pair) -> None:
    more = ("max_connect_attempts 1", "max_fails 0")
    async with hosting(speaks_plainly) as port, running(line(port, pair, *more)) as forward:
        text = await failure(forward, query("a.test."))
        assert text == "tls: first record does not look like a TLS handshake"


@awaited
async def test_an_upstream_that_hangs_up_in_the_handshake_is_an_eof(pair: Pair) -> None:
    more = ("max_connect_attempts 2", "max_fails 0")
    async with hosting(hangs_up) as port, running(line(port, pair, *more)) as forward:
        text = await failure(forward, query("a.test."))
        assert text == "EOF" or "connection reset" in text
        assert not forward.lines[0].upstreams[0].tcp.open


@awaited
async def test_a_refused_connection_is_named(pair: Pair) -> None:
    port = free_port()
    async with running(line(port, pair, "max_connect_attempts 1")) as forward:
        text = await failure(forward, query("a.test."))
        assert text == f"dial tcp 127.0.0.1:{port}: connect: connection refused"


@awaited
async def test_a_stalled_handshake_ends_with_the_time_of_a_dial(pair: Pair) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        async with running(line(mute.getsockname()[1], pair, "max_connect_attempts 1", "max_fails 0")) as forward:
            upstream = forward.lines[0].upstreams[0]
            forward._start()
            upstream.tcp.dials.average_s = 0.0
            assert await failure(forward, query("a.test.")) == "context deadline exceeded"
            assert not upstream.tcp.open


@awaited
async def test_a_first_dial_takes_no_longer_than_a_query_lives(pair: Pair) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        async with (
            Peer(tls=served(pair)) as peer,
            running(line(peer, pair, "max_fails 0").replace("tls://", f"tls://{host(mute)} tls://", 1)) as forward,
        ):
            forward._start()
            forward.lines[0].options = replace(forward.lines[0].options, policy="sequential")
            began = asyncio.get_running_loop().time()
            assert "context deadline exceeded" in await failure(forward, query("a.test."))
            assert 4.9 < asyncio.get_running_loop().time() - began < 7


def host(listener: socket.socket) -> str:
    return f"127.0.0.1:{listener.getsockname()[1]}"


@awaited
async def test_no_more_streams_than_allowed_are_open_and_all_who_wait_are_served(pair: Pair) -> None:
    async with Peer(tls=served(pair)) as peer, running(line(peer, pair)) as forward:
        forward._start()
        tcp = forward.lines[0].upstreams[0].tcp
        tcp.most = 3
        replies = await asyncio.gather(*(ask(forward, query(f"n{n}.test.")) for n in range(50)))
        assert all(address(reply) == b"\xc0\0\2\1" for reply in replies)
        assert peer.streams <= 3 and len(tcp.open) <= 3


@awaited
async def test_who_waits_for_a_stream_runs_out_of_time(pair: Pair) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        async with running(line(mute.getsockname()[1], pair, "max_connect_attempts 1", "max_fails 0")) as forward:
            forward._start()
            tcp = forward.lines[0].upstreams[0].tcp
            tcp.most = 1
            tcp.dials.average_s = 0.0
            texts = await asyncio.gather(*(failure(forward, query(f"n{n}.test.")) for n in range(2)))
            assert texts[0] == "context deadline exceeded"
            # or it was given the place of the first, which ended in the same moment
            assert texts[1] in (f"dial tcp {host(mute)}: i/o timeout", texts[0])
            assert not tcp.open and not tcp._queue and forward.lines[0].engine.waiting == 0


@awaited
async def test_a_failed_exchange_has_the_upstream_probed_over_tls(pair: Pair) -> None:
    def script(wire: bytes, via: str) -> list[bytes]:
        return [answer(wire)] if wire[12:17] == b"\0\0\2\0\1" else []

    more = ("read_timeout 50ms", "max_connect_attempts 1", "tls_servername localhost")
    async with Peer(script, tls=served(pair)) as peer, running(line(peer, pair, *more)) as forward:
        await failure(forward, query("a.test."))
        for _ in range(100):
            if len(peer.seen) == 2:
                break
            await asyncio.sleep(0.01)
        assert [via for via, _ in peer.seen] == ["tcp", "tcp"] and peer.streams == 2
        assert peer.server_names == ["localhost", "localhost"]
        assert not forward.lines[0].upstreams[0].down


@awaited
async def test_an_upstream_whose_certificate_is_wrong_goes_down(pair: Pair, tmp_path: Path) -> None:
    other = issue(tmp_path, "127.0.0.1", file="other")
    more = ("max_fails 1", "health_check 10ms", "max_connect_attempts 1", "failfast_all_unhealthy_upstreams")
    async with Peer(tls=served(pair)) as peer, running(line(peer, other, *more)) as forward:
        await failure(forward, query("a.test."))
        upstream = forward.lines[0].upstreams[0]
        for _ in range(500):
            if upstream.down:
                break
            await asyncio.sleep(0.01)
        assert await failure(forward, query("a.test.")) == "no healthy proxies"


@awaited
async def test_a_malformed_answer_is_an_error_and_ends_the_stream(pair: Pair) -> None:
    def script(wire: bytes, via: str) -> list[bytes]:
        return [answer(wire)[:-16] + b"\x40" + answer(wire)[-15:]]

    context = served(pair)
    async with Peer(script, tls=context) as peer, running(line(peer, pair, "max_connect_attempts 1")) as forward:
        assert await failure(forward, query("a.test.")) == "dns: bad rdata"
        assert not forward.lines[0].upstreams[0].tcp.open and peer.streams == 1


@awaited
async def test_nothing_is_left_of_a_thousand_broken_handshakes(pair: Pair) -> None:
    more = ("max_connect_attempts 1", "max_fails 0")
    async with hosting(hangs_up) as port, running(line(port, pair, *more)) as forward:
        await failure(forward, query("a.test."))
        gc.collect()
        before = len(list(Path("/proc/self/fd").iterdir()))
        for _ in range(50):
            await asyncio.gather(*(failure(forward, query(f"n{n}.test.")) for n in range(20)))
        assert not forward.lines[0].upstreams[0].tcp.open
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(list(Path("/proc/self/fd").iterdir())) <= before + 2
