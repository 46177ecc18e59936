"""Admission, the socket table, sd_notify's sockets, checkers and the control socket, against a real kernel."""

from __future__ import annotations

import os
import resource
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from shardns.config.model import Endpoint, Key, Model, ServerBlock
from shardns.master import checker, process
from shardns.master.inspection import Inspection
from shardns.master.loop import Loop
from shardns.master.sockets import Group, Table
from shardns.master.where import ListenError, Where, endpoint, has_ipv6
from tests.master.running import free_port

pytestmark = pytest.mark.system


def model(*ports: int, host: str = "127.0.0.1", sockets: int = 0) -> Model:
    """Return a configuration that listens on these ports."""
    return Model(
        "Corefile",
        tuple(
            ServerBlock(index, (Key("dns", b"\0", port),), hosts=(host,), sockets=sockets)
            for index, port in enumerate(ports)
        ),
    )


@pytest.fixture
def table() -> Iterator[Table]:
    table = Table()
    yield table
    table.close()


def ready(table: Table, number: int, of: Model, slots: int) -> None:
    table.prepare(number, of, slots, [])
    table.open(number)
    table.admit(number)


def spread(table: Table, number: int, slots: int, port: int, host: str = "127.0.0.1") -> Counter[int]:
    """Send datagrams from many ports; returns how many reached each slot."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for _ in range(200):
        with socket.socket(family, socket.SOCK_DGRAM) as client:
            client.sendto(b"?", (host, port))
    seen: Counter[int] = Counter()
    for slot in range(slots):
        for sock in table.lend(number, slot)[0].udp:
            while True:
                try:
                    sock.recv(10)
                except BlockingIOError:
                    break
                seen[slot] += 1
    return seen


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_flows_are_spread_evenly(table: Table, host: str) -> None:
    if ":" in host and not has_ipv6():
        pytest.skip("no IPv6")
    port = free_port()
    ready(table, 1, model(port, host=host), 4)
    seen = spread(table, 1, 4, port, host)
    assert sum(seen.values()) == 200 and min(seen[slot] for slot in range(4)) > 25


def test_the_wildcard_takes_both_families(table: Table) -> None:
    port = free_port()
    ready(table, 1, model(port, host=""), 2)
    assert sum(spread(table, 1, 2, port).values()) == 200
    if has_ipv6():
        assert sum(spread(table, 1, 2, port, "::1").values()) == 200


def test_a_client_always_reaches_the_same_worker(table: Table) -> None:
    port = free_port()
    ready(table, 1, model(port), 4)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        for _ in range(50):
            client.sendto(b"?", ("127.0.0.1", port))
    counts = []
    for slot in range(4):
        sock = table.lend(1, slot)[0].udp[0]
        try:
            while True:
                sock.recv(10)
                counts.append(slot)
        except BlockingIOError:
            continue
    assert len(counts) == 50 and len(set(counts)) == 1


def test_a_bound_newcomer_gets_nothing_before_it_is_admitted(table: Table) -> None:
    port = free_port()
    ready(table, 1, model(port), 2)
    table.prepare(2, model(port), 4, [])
    table.open(2)
    assert set(spread(table, 2, 4, port)) == {0, 1}
    table.admit(2)
    assert set(spread(table, 2, 4, port)) == {0, 1, 2, 3}


def test_a_refused_growth_leaves_the_old_ones_as_they_were(table: Table) -> None:
    port = free_port()
    ready(table, 1, model(port), 2)
    table.prepare(2, model(port), 4, [])
    table.open(2)
    table.discard(2)
    assert set(spread(table, 1, 2, port)) == {0, 1} and len(table.descriptors()) == 4


def test_shrinking_admits_fewer_and_then_closes(table: Table) -> None:
    port = free_port()
    ready(table, 1, model(port), 4)
    ready(table, 2, model(port), 1)
    assert len(table.descriptors()) == 8
    assert spread(table, 2, 1, port)[0] == 200
    table.trim(2)
    assert len(table.descriptors()) == 2
    assert spread(table, 2, 1, port)[0] == 200


def test_streams_are_spread_and_admitted_too(table: Table) -> None:
    port = free_port()
    ready(table, 1, model(port), 2)
    table.prepare(2, model(port), 3, [])
    table.open(2)
    clients = [socket.create_connection(("127.0.0.1", port), timeout=1) for _ in range(60)]
    seen: Counter[int] = Counter()
    for slot in range(3):
        sock = table.lend(2, slot)[0].tcp[0]
        while True:
            try:
                sock.accept()[0].close()
            except BlockingIOError:
                break
            seen[slot] += 1
    for client in clients:
        client.close()
    assert set(seen) == {0, 1} and sum(seen.values()) == 60


def test_multisocket_gives_a_slot_several_sockets(table: Table) -> None:
    table.prepare(1, model(free_port(), sockets=5), 2, [])
    assert [len(table.lend(1, slot)[0].udp) for slot in (0, 1)] == [3, 3]


def test_sockets_of_a_removed_listener_are_closed_at_the_commit(table: Table) -> None:
    kept, gone = free_port(), free_port()
    ready(table, 1, model(kept, gone), 2)
    ready(table, 2, model(kept), 2)
    table.unlisten(2)
    assert len(table.descriptors()) == 4
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", gone), timeout=1)


def test_a_foreign_socket_is_noticed_even_if_it_shares(table: Table) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as foreign:
        foreign.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        foreign.bind(("127.0.0.1", 0))
        port = foreign.getsockname()[1]
        with pytest.raises(ListenError, match=rf"ListenPacket: listen udp 127.0.0.1:{port}: bind: address already in"):
            table.prepare(1, model(port), 2, [])
        sharing = Table(reuse=True)
        ready(sharing, 1, model(port), 2)
        sharing.close()


def test_an_address_that_is_not_ours_is_refused(table: Table) -> None:
    with pytest.raises(ListenError, match=r"Listen: listen tcp 192\.0\.2\.1:53: bind: cannot assign requested address"):
        table.prepare(1, model(53, host="192.0.2.1"), 1, [])


def test_port_zero_is_one_port_for_all_slots(table: Table) -> None:
    ready(table, 1, model(0), 3)
    assert len({table.lend(1, slot)[0].udp[0].getsockname()[1] for slot in range(3)}) == 1


def test_endpoints_outlive_generations(table: Table) -> None:
    where = endpoint(f"127.0.0.1:{free_port()}")
    of = Model("Corefile", (), (Endpoint("health", where.text),))
    for number in (1, 2):
        table.prepare(number, of, 1, [where])
        assert table.open_endpoints(number) == {}
    table.trim(2)
    assert len(table.lend_endpoints(2)[0].tcp) == 1
    table.trim(3)
    assert not table.descriptors()


def test_a_taken_endpoint_is_told_and_does_not_raise(table: Table) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        where = endpoint(f"127.0.0.1:{taken.getsockname()[1]}")
        table.prepare(1, Model("Corefile", ()), 1, [where])
        assert table.open_endpoints(1) == {where: f"listen tcp {where.text}: bind: address already in use"}


def test_a_socket_without_sharing_is_lent_to_everybody(table: Table) -> None:
    port = free_port()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as given:
        given.bind(("127.0.0.1", port))
        where = Where("udp", "127.0.0.1", port, False, f"127.0.0.1:{port}")
        table.adopt([Group(where, [given], opened=1, shared=True)])
        ready(table, 1, model(port), 3)
        assert {table.lend(1, slot)[0].udp[0] for slot in range(3)} == {given}


# Checkers -----------------------------------------------------------------------------------------------------------


def reap(inspection: Inspection) -> None:
    for pid, status in process.reap():
        inspection.reaped(pid, status)


def inspect(check: Callable[[checker.Job, int], None], wall_s: float = 10) -> checker.Report:
    """Run a checker to its end."""
    loop = Loop()
    reports: list[checker.Report] = []

    def done(_number: int, report: checker.Report) -> None:
        reports.append(report)
        loop.stop()

    inspection = Inspection(loop, check, done)
    loop.listen_to_signals(lambda _number: reap(inspection))
    inspection.start(1, checker.Job())
    inspection.deadline = time.monotonic() + wall_s
    loop.run(lambda: inspection.deadline, lambda: inspection.tick(time.monotonic()))
    loop.close()
    return reports[0]


def test_a_checker_returns_its_report() -> None:
    text = "loading Caddyfile via flag: open /nope: no such file or directory"
    report = inspect(lambda _job, pipe: checker.run(checker.Job("/nope"), pipe))
    assert report == checker.Report(text=text, detail=text, unread=True)


def test_a_checker_that_is_killed_is_a_refusal() -> None:
    def die(_job: checker.Job, _pipe: int) -> None:
        os.abort()

    assert inspect(die).text == "the configuration could not be checked: signal 6"


def test_a_checker_that_never_ends_is_ended() -> None:
    assert "it took longer" in inspect(lambda _job, _pipe: time.sleep(60), wall_s=0.2).text


def test_a_checker_that_sends_rubbish_is_a_refusal() -> None:
    def babble(_job: checker.Job, pipe: int) -> None:
        os.write(pipe, b"rubbish")

    assert inspect(babble).text.endswith("status 0")


def test_a_checker_that_eats_the_processor_is_ended() -> None:
    def spin(_job: checker.Job, _pipe: int) -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (1, 1))
        while True:
            pass

    assert inspect(spin, wall_s=30).text == "the configuration could not be checked: signal 9"
