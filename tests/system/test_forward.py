"""Forwarding from outside: upstreams that fail, questions asked once, IDs and ports nobody can guess."""

from __future__ import annotations

import socket
import time
from collections import Counter
from pathlib import Path

import dns.message
import pytest

from tests.bench.process import memory_mib
from tests.bench.run import free_port

from .conftest import Make
from .harness import Server, until
from .upstreams import Running, upstreams

pytestmark = pytest.mark.system

WORKERS = 2
EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
LIMIT_255 = 330.5  # of chi-square with 255 degrees of freedom, exceeded once in a thousand times


def start(make: Make, forward: str, more: str = "") -> Server:
    """Start a server that forwards everything."""
    server = make(workers=WORKERS)
    server.configure(f".:{server.port} {{\n    bind 127.0.0.1\n    errors\n    {more}\n    {forward}\n}}\n")
    return server.start()


def burst(server: Server, names: list[str], sockets: int = 50, patience_s: float = 5.0) -> list[bytes]:
    """Ask for names, all at once from many ports; return the answers that came."""
    clients = [socket.socket(type=socket.SOCK_DGRAM) for _ in range(sockets)]
    found: list[bytes] = []
    try:
        for client in clients:
            client.connect(("127.0.0.1", server.port))
            client.setblocking(False)
        for number, name in enumerate(names):
            clients[number % sockets].send(dns.message.make_query(name, "A", id=number & 0xFFFF).to_wire())
        deadline = time.monotonic() + patience_s
        while len(found) < len(names) and time.monotonic() < deadline:
            before = len(found)
            for client in clients:
                try:
                    while True:
                        found.append(client.recv(4096))
                except BlockingIOError:
                    pass
            if len(found) == before:
                time.sleep(0.002)
    finally:
        for client in clients:
            client.close()
    return found


def asked(bad: Running, kind: str, name: str) -> int:
    """Return how often an upstream was asked for a name."""
    wanted = b"".join(bytes((len(label),)) + label.encode() for label in name.split(".")).hex()
    return sum(seen == wanted for _, _, seen in bad.seen()[kind])


@pytest.mark.parametrize("more", ["policy fastest\nhedge", "hedge 30ms"])
def test_one_dead_one_slow_one_good_upstream(make: Make, more: str) -> None:
    with upstreams() as bad:
        tos = " ".join(f"127.0.0.1:{bad.ports[kind]}" for kind in ("mute", "slow", "good"))
        server = start(make, f"forward . {tos} {{\n{more}\n}}")
        with server.checking(rate=200, name="www.test", qtype="A") as findings:
            time.sleep(8)
        took = sorted(one.received - one.sent for one in findings.replies)
        assert not findings.lost and len(took) > 1000
        # A machine with other work to do delays some of them all the same.
        assert took[int(len(took) * 0.99)] < 0.1, took[-30:]
        assert all(one.generation == 1 for one in findings.replies)  # 127.0.0.1: no error among them
        assert server.count("[ERROR]") == 0 and "plugin/errors" not in server.log


def test_the_same_question_of_a_thousand_clients_is_asked_once_a_worker(make: Make) -> None:
    with upstreams() as bad:
        server = start(make, f"forward . 127.0.0.1:{bad.ports['slow']} {{\nread_timeout 4s\n}}", "cache")
        answers = burst(server, ["www.Once.test"] * 500 + ["www.once.test"] * 500)
        assert len(answers) == 1000 and {answer[-4:] for answer in answers} == {b"\x7f\0\0\1"}
        name = b"\3www\4once\4test".hex()
        seen = [one for one in bad.seen()["slow"] if bytes.fromhex(one[2]).lower().hex() == name]
        assert 1 <= len(seen) <= WORKERS


def test_ids_and_ports_are_spread_evenly_and_differ_between_workers(make: Make) -> None:
    with upstreams() as bad:
        server = start(make, f"forward . 127.0.0.1:{bad.ports['good']}")
        for number in range(50):
            names = [f"a{number}x{i}.test" for i in range(200)]
            assert len(burst(server, names)) == len(names)
        seen = bad.seen()["good"]
    assert len(seen) == 10_000
    idents = [ident for _, ident, _ in seen]
    assert chi_square(ident >> 8 for ident in idents) < LIMIT_255
    assert chi_square(ident & 255 for ident in idents) < LIMIT_255
    # Workers that drew from one generator's copy would repeat each other's.
    assert len(idents) - len(set(idents)) < 1000
    low, high = map(int, EPHEMERAL.read_text().split())
    ports = list(dict.fromkeys(port for port, _, _ in seen))
    assert len(ports) >= 60 and all(low <= port <= high for port in ports)
    eighths = Counter((port - low) * 8 // (high - low + 1) for port in ports)
    assert sum((eighths[i] - len(ports) / 8) ** 2 / (len(ports) / 8) for i in range(8)) < 24.3  # 7 degrees: 1 in 1,000
    assert max(Counter(port for port, _, _ in seen).values()) < 400


def chi_square(values: object) -> float:
    """Return the statistic of values that should be spread evenly over 256 classes."""
    counts = Counter(values)  # type: ignore[call-overload]  # any iterable of numbers
    expected = counts.total() / 256
    return float(sum((counts[value] - expected) ** 2 / expected for value in range(256)))


def flap(make: Make, seconds: float) -> None:
    """Ask at 1,000 q/s while upstreams come and go; descriptors and memory stay as they were."""
    with upstreams() as bad:
        tos = " ".join(f"127.0.0.1:{bad.ports[kind]}" for kind in ("flapping", "good", "mute"))
        server = start(make, f"forward . {tos} 127.0.0.1:{free_port()} {{\npolicy round_robin\nread_timeout 300ms\n}}")
        sizes: list[tuple[int, float]] = []
        with server.loading(seconds + 5, rate=1000, names=[f"f{i}.test A" for i in range(50_000)]) as load:
            for _ in range(int(seconds / 5)):
                time.sleep(5)
                opened = sum(sum(found.values()) for found in server.descriptors().values())
                sizes.append((opened, memory_mib(server.pid)))
        assert load.outcome().sent > 100 * seconds
        early, late = sizes[len(sizes) // 3], sizes[-1]
        assert late[0] <= early[0] + 128, sizes
        assert late[1] <= early[1] * 1.1 + 3, sizes
        until(lambda: sum(sum(found.values()) for found in server.descriptors().values()) < 200, 30)


def test_flapping_upstreams_leak_nothing(make: Make) -> None:
    flap(make, 30)


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_flapping_upstreams_leak_nothing_for_long(make: Make) -> None:
    flap(make, 600)


def test_a_resolv_conf_that_changes_is_read_again(make: Make) -> None:
    with upstreams() as bad:
        server = make(workers=WORKERS)
        file = server.folder / "resolv.conf"
        file.write_text("nameserver 127.0.0.1\n")
        server.configure(
            f".:{server.port} {{\n    bind 127.0.0.1\n    forward . {file} 127.0.0.1:{bad.ports['good']}\n}}\n"
        )
        server.start()
        fresh = server.folder / "resolv.new"
        fresh.write_text("# nobody\n")
        fresh.replace(file)
        server.wait_printed(f"[INFO] plugin/forward: {file} has changed, reloading")
        server.wait_printed("[INFO] Reloading complete")
        assert len(burst(server, [f"b{i}.test" for i in range(50)])) == 50
        assert asked(bad, "good", "b7.test") == 1
