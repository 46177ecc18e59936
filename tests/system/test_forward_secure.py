"""Forwarding over TLS and HTTPS by a whole server: other people's resolvers, our own, and upstreams that flap."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import psutil
import pytest

from tests.bench.run import free_port
from tests.certify import Pair, issue
from tests.plugins.doh_peer import DohPeer, good
from tests.plugins.peer import Peer, answer
from tests.system.harness import Server, until

pytestmark = pytest.mark.system

PATIENCE_S: Final = 5.0


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return issue(tmp_path, "dns.test", "127.0.0.1", authority=True)


def ask(port: int, name: str, *, tcp: bool = False) -> dns.message.Message:
    query = dns.message.make_query(name, "A", use_edns=0, payload=1232)
    if tcp:
        return dns.query.tcp(query, "127.0.0.1", PATIENCE_S, port)
    # A port may be one that somebody else had a moment ago, whose answers come late.
    return dns.query.udp(query, "127.0.0.1", PATIENCE_S, port, ignore_unexpected=True)


def corefile(port: int, to: str, pair: Pair, *more: str) -> str:
    lines = "\n".join((f"tls {pair.certificate}", *more))
    return f".:{port} {{\nbind 127.0.0.1\nerrors\nforward . {to} {{\n{lines}\n}}\n}}\n"


# Other people's resolvers ---------------------------------------------------------------------------------------------

UNBOUND = """server:
  do-daemonize: no
  chroot: ""
  username: ""
  pidfile: ""
  directory: {folder}
  interface: 127.0.0.1@{dot}
  interface: 127.0.0.1@{doh}
  incoming-num-tcp: 200
  tls-port: {dot}
  https-port: {doh}
  tls-service-key: {key}
  tls-service-pem: {certificate}
  use-syslog: no
  local-zone: test. static
  local-data: "www.test. 300 A 192.0.2.1"
  local-data: "big.test. 300 TXT {text}"
remote-control:
  control-enable: no
"""


@contextlib.contextmanager
def unbound(folder: Path, pair: Pair) -> Iterator[tuple[int, int]]:
    """Run Unbound; gives its ports for DNS over TLS and over HTTPS."""
    dot, doh = free_port(), free_port()
    path = folder / "unbound.conf"
    text = " ".join(f"'{letter * 200}'" for letter in "abcdefghij")
    path.write_text(
        UNBOUND.format(folder=folder, dot=dot, doh=doh, key=pair.key, certificate=pair.certificate, text=text)
    )
    popen = subprocess.Popen(["unbound", "-d", "-c", str(path)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: connects(dot) and connects(doh))
        yield dot, doh
    finally:
        popen.terminate()
        popen.wait(10)


def connects(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.skipif(shutil.which("unbound") is None, reason="needs unbound")
@pytest.mark.parametrize("kind", ["tls", "https", "https-get"])
def test_unbound_is_asked_over_tls_and_https(kind: str, tmp_path: Path, pair: Pair) -> None:
    with unbound(tmp_path, pair) as (dot, doh), Server(tmp_path) as server:
        to = f"tls://127.0.0.1:{dot}" if kind == "tls" else f"https://127.0.0.1:{doh}"
        more = ("tls_servername dns.test", *(("doh_method GET",) if kind == "https-get" else ()))
        server.configure(corefile(server.port, to, pair, *more))
        server.start()
        for tcp in (False, True):
            reply = ask(server.port, "www.test.", tcp=tcp)
            assert reply.answer[0][0].to_text() == "192.0.2.1"
            assert ask(server.port, "none.test.", tcp=tcp).rcode() == dns.rcode.NXDOMAIN
        query = dns.message.make_query("big.test.", "TXT")
        assert len(dns.query.tcp(query, "127.0.0.1", PATIENCE_S, server.port).to_wire()) > 2000
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            replies = list(pool.map(lambda n: ask(server.port, f"n{n}.test."), range(200)))
        assert {reply.rcode() for reply in replies} == {dns.rcode.NXDOMAIN}
        assert "[ERROR]" not in server.log


def test_our_own_listeners_are_asked_over_tls_and_https(tmp_path: Path, pair: Pair) -> None:
    dot, doh = free_port(), free_port()
    with Server(tmp_path) as server:
        served = f"bind 127.0.0.1\ntls {pair.certificate} {pair.key}\ntemplate IN A {{\n"
        served += 'answer "{{ .Name }} 60 A 192.0.2.9"\n}\n'
        server.configure(
            corefile(server.port, f"tls://127.0.0.1:{dot} https://127.0.0.1:{doh}", pair, "policy round_robin")
            + f"tls://.:{dot} {{\n{served}}}\nhttps://.:{doh} {{\n{served}}}\n"
        )
        server.start()
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            replies = list(pool.map(lambda n: ask(server.port, f"n{n}.test."), range(200)))
        assert {reply.answer[0][0].to_text() for reply in replies} == {"192.0.2.9"}


# Upstreams that misbehave ---------------------------------------------------------------------------------------------


class Flapping:
    """A good upstream, and one that is good, mute, closing, without TLS, or away, half a second each."""

    MOODS: Final = ("good", "mute", "closes", "garbage", "away")

    def __init__(self, pair: Pair, transport: str) -> None:
        self.pair = pair
        self.transport = transport
        self.mood = "good"
        self.port = free_port()
        self.good_port = 0
        self._ready = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self) -> Flapping:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)

    async def _run(self) -> None:
        kind = Peer(lambda wire, via: [answer(wire)], tls=self._context()) if self.transport == "tls" else None
        peer = kind or DohPeer(self._context(), good)
        async with peer:
            self.good_port = peer.port
            self._ready.set()
            turn = 0
            while not self._stop.is_set():
                self.mood = self.MOODS[turn % len(self.MOODS)]
                turn += 1
                await self._spell()

    def _context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.pair)
        return context

    async def _spell(self) -> None:
        """Be in one mood for half a second."""
        held: list[asyncio.StreamWriter] = []

        def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if self.mood == "garbage":
                writer.write(b"HTTP/1.0 400 Bad Request\r\n\r\n")
            if self.mood == "mute":
                held.append(writer)
            else:
                writer.close()

        if self.mood == "away":
            await asyncio.sleep(0.5)
            return
        if self.mood == "good":
            peer: Peer | DohPeer
            if self.transport == "tls":
                peer = Peer(lambda wire, via: [answer(wire)], tls=self._context(), port=self.port)
            else:
                peer = DohPeer(self._context(), good, port=self.port)
            async with peer:
                await asyncio.sleep(0.5)
            return
        server = await asyncio.start_server(talk, "127.0.0.1", self.port)
        await asyncio.sleep(0.5)
        server.close()
        for writer in held:
            writer.close()


def used(server: Server) -> tuple[int, int]:
    """Return the descriptors and the private octets of all the server's processes."""
    processes = [psutil.Process(server.popen.pid), *psutil.Process(server.popen.pid).children(recursive=True)]
    return sum(one.num_fds() for one in processes), sum(one.memory_full_info().uss for one in processes)


@pytest.mark.parametrize(
    "seconds",
    [pytest.param(12, marks=pytest.mark.brief), pytest.param(60, marks=[pytest.mark.long, pytest.mark.timeout(240)])],
)
@pytest.mark.parametrize("transport", ["tls", "https"])
def test_descriptors_and_memory_stay_flat_while_an_upstream_flaps(
    transport: str, seconds: int, tmp_path: Path, pair: Pair
) -> None:
    with Flapping(pair, transport) as flapping, Server(tmp_path) as server:
        to = f"{transport}://127.0.0.1:{flapping.port} {transport}://127.0.0.1:{flapping.good_port}"
        server.configure(corefile(server.port, to, pair, "read_timeout 300ms", "health_check 100ms"))
        server.start()
        for n in range(200):
            ask(server.port, f"warm{n}.test.")
        descriptors, octets = used(server)
        end, n, answered = time.monotonic() + seconds, 0, 0
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            while time.monotonic() < end:
                names = [f"n{n + i}.test." for i in range(40)]
                n += len(names)
                answered += sum(pool.map(lambda name: succeeds(server.port, name), names))
        assert answered > 0.95 * n
        until(lambda: used(server)[0] <= descriptors + 64, 30, "descriptors leak")
        assert used(server)[1] <= octets + 16 * 2**20


def succeeds(port: int, name: str) -> bool:
    try:
        return ask(port, name).rcode() == dns.rcode.NOERROR
    except OSError:
        return False


@pytest.mark.parametrize("transport", ["tls", "https"])
def test_mute_upstreams_cost_a_bounded_number_of_descriptors(transport: str, tmp_path: Path, pair: Pair) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as mute, Server(tmp_path, workers=1) as server:
        to = f"{transport}://127.0.0.1:{mute.getsockname()[1]}"
        server.configure(corefile(server.port, to, pair, "max_connect_attempts 1", "max_fails 0"))
        server.start()
        before, _ = used(server)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for n in range(3000):
                query = dns.message.make_query(f"n{n}.test.", "A").to_wire()
                sock.sendto(query, ("127.0.0.1", server.port))
            until(lambda: used(server)[0] > before)
            time.sleep(0.5)
            assert used(server)[0] <= before + 128 + 16
        until(lambda: used(server)[0] <= before + 16, 60, "descriptors leak")
