"""`steer name`: every name has one socket, whoever asks and however it is spelt, also while workers come and go."""

from __future__ import annotations

import random
import socket
from collections import Counter
from collections.abc import Iterator

import dns.message
import pytest

from shardns.config.model import Directive, Key, Model, ServerBlock
from shardns.master import sockets
from shardns.master.sockets import Table
from shardns.master.steer import By, admit
from shardns.master.where import Kind, Where, has_ipv6
from shardns.plugins.proxyproto.proxyproto import Options as Proxyproto
from tests.master.running import free_port

pytestmark = pytest.mark.system

NAMES = [
    "", "a", "ab", "abc", "abcd", "x.y", ".".join("a" * 127), ".".join(["x" * 63] * 3 + ["y" * 61]),
    *(f"host{n}.example.org" for n in range(300)),
    *(f"{'long' * 15}{n}.example.org" for n in range(100)),
    *(".".join(f"{n * 7919 + 0x1234567:032x}") + ".ip6.arpa" for n in range(100)),
]  # fmt: skip


def model(port: int, *, by_name: bool = True, host: str = "127.0.0.1", scheme: str = "dns") -> Model:
    return Model("Corefile", (ServerBlock(0, (Key(scheme, b"\0", port),), hosts=(host,), by_name=by_name),))


@pytest.fixture
def table() -> Iterator[Table]:
    table = Table()
    yield table
    table.close()


@pytest.fixture
def clients() -> Iterator[list[socket.socket]]:
    opened = [socket.socket(socket.AF_INET6 if has_ipv6() else socket.AF_INET, socket.SOCK_DGRAM) for _ in range(8)]
    yield opened
    for sock in opened:
        sock.close()


def serve(table: Table, number: int, of: Model, slots: int) -> None:
    table.prepare(number, of, slots, [])
    table.open(number)
    table.admit(number)


def spelt(name: str) -> bytes:
    """Return a query for a name: another spelling, type, ID and EDNS each time."""
    mixed = "".join(random.choice((c.upper(), c.lower())) for c in name)
    edns = random.choice((-1, 0))
    return dns.message.make_query(f"{mixed}.", random.choice(("A", "AAAA", "SRV")), use_edns=edns).to_wire()


def homes(table: Table, number: int, slots: int, port: int, clients: list[socket.socket]) -> dict[str, set[int]]:
    """Ask for every name from three clients; returns the slots that each reached."""
    host = "::1" if clients[0].family == socket.AF_INET6 else "127.0.0.1"
    found: dict[str, set[int]] = {}
    for name in NAMES:
        for client in random.sample(clients, 3):
            client.sendto(spelt(name), (host, port))
        found[name] = set()
        heard = 0
        for slot in range(slots):
            for sock in table.lend(number, slot)[0].udp:
                while True:
                    try:
                        sock.recv(600)
                    except BlockingIOError:
                        break
                    heard += 1
                    found[name].add(slot)
        assert heard == 3
    return found


def judge(found: dict[str, set[int]], slots: int) -> None:
    assert {name for name, where in found.items() if len(where) != 1} == set()
    share = Counter(where.copy().pop() for where in found.values())
    assert set(share) == set(range(slots)) and max(share.values()) < 1.4 * len(NAMES) / slots


HOST = "::1" if has_ipv6() else "127.0.0.1"


def test_a_name_has_one_home_through_growing_and_shrinking(table: Table, clients: list[socket.socket]) -> None:
    port = free_port()
    for number, slots in enumerate((2, 4, 3), 1):
        serve(table, number, model(port, host=HOST), slots)
        judge(homes(table, number, slots, port, clients), slots)
        table.trim(number)
        judge(homes(table, number, slots, port, clients), slots)


def test_the_option_comes_and_goes_with_the_configuration(table: Table, clients: list[socket.socket]) -> None:
    port = free_port()
    for number, by_name in enumerate((False, True, False, True), 1):
        serve(table, number, model(port, by_name=by_name, host=HOST), 3)
        found = homes(table, number, 3, port, clients)
        assert all(len(where) == 1 for where in found.values()) == by_name


def test_a_newcomer_is_no_home_before_it_is_admitted(table: Table, clients: list[socket.socket]) -> None:
    port = free_port()
    serve(table, 1, model(port, host=HOST), 2)
    table.prepare(2, model(port, host=HOST), 4, [])
    table.open(2)
    assert set.union(*homes(table, 2, 4, port, clients).values()) == {0, 1}


def test_what_is_no_query_reaches_somebody(table: Table) -> None:
    port = free_port()
    serve(table, 1, model(port), 2)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        for octets in (b"", b"?", b"\0" * 12, b"\xff" * 12, b"\0" * 12 + b"\x3f" * 500, b"\xc0" * 600):
            client.sendto(octets, ("127.0.0.1", port))
    heard = 0
    for slot in range(2):
        for sock in table.lend(1, slot)[0].udp:
            while True:
                try:
                    sock.recv(600)
                except BlockingIOError:
                    break
                heard += 1
    assert heard == 6


def test_where_the_kernel_refuses_the_long_program_clients_are_spread(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusing(sock: socket.socket, count: int, by: By = "flow") -> None:
        if by == "name":
            raise OSError(12, "Cannot allocate memory")
        admit(sock, count, by)

    monkeypatch.setattr(sockets, "admit", refusing)
    port = free_port()
    serve(table, 1, model(port), 2)
    table.prepare(2, model(port), 3, [])
    table.open(2)
    for n in range(60):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(spelt(f"h{n}"), ("127.0.0.1", port))
    seen: Counter[int] = Counter()
    for slot in range(3):
        for sock in table.lend(2, slot)[0].udp:
            while True:
                try:
                    sock.recv(600)
                except BlockingIOError:
                    break
                seen[slot] += 1
    assert set(seen) == {0, 1} and sum(seen.values()) == 60


@pytest.mark.parametrize(("scheme", "kind", "by"), [
    ("dns", "udp", "name"), ("dns", "tcp", "flow"), ("tls", "tcp", "flow"), ("quic", "udp", "connection"),
])  # fmt: skip
def test_only_plain_datagrams_show_their_names(scheme: str, kind: Kind, by: str) -> None:
    where = Where(kind, "127.0.0.1", 53, False, "127.0.0.1:53", scheme)
    assert sockets.by_what(where, True) == by
    assert sockets.by_what(where, False) == ("connection" if scheme == "quic" else "flow")


@pytest.mark.parametrize("scheme", ["dns", "quic", "https3"])
def test_datagrams_behind_proxy_headers_are_spread_by_their_flows(table: Table, scheme: str) -> None:
    port, slots = free_port(), 4
    block = ServerBlock(
        0, (Key(scheme, b"\0", port),), (Directive("proxyproto", Proxyproto()),), hosts=("127.0.0.1",), by_name=True
    )
    serve(table, 1, Model("Corefile", (block,)), slots)
    header = b"\r\n\r\n\0\r\nQUIT\n" + bytes.fromhex("2112 000c 7f000001 7f000001 1000 1000")
    for _ in range(64):
        with socket.socket(type=socket.SOCK_DGRAM) as client:
            client.connect(("127.0.0.1", port))
            for _ in range(3):
                client.send(header + b"?" * 40)
    peers: dict[str, set[int]] = {}
    for slot in range(slots):
        for sock in table.lend(1, slot)[0].udp:
            sock.setblocking(False)
            try:
                while True:
                    peers.setdefault(str(sock.recvfrom(600)[1]), set()).add(slot)
            except BlockingIOError:
                continue
    assert all(len(reached) == 1 for reached in peers.values())
    assert {slot for reached in peers.values() for slot in reached} == set(range(slots))
