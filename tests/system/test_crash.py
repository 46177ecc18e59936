"""Processes that are killed or hang while the server is asked: their places are filled, hardly an answer is missed."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path

import dns.message
import lmdb
import psutil
import pytest

from . import kernel
from .conftest import Make
from .harness import Server, until
from .load import ZONE, has_dnsperf

pytestmark = [pytest.mark.system, pytest.mark.alone]
needs_dnsperf = pytest.mark.skipif(not has_dnsperf(), reason="dnsperf is not installed")

ANSWERS_S = 0.5  # within which a filled slot answers
LOST = 0.001  # of all queries
PROBES = 24  # questions from as many ports: each worker gets some
CACHED = """template IN A cached.test {{
        answer "{{{{ .Name }}}} 5 IN A 192.0.2.1"
    }}
    cache"""


def probe(server: Server) -> None:
    """Ask from many ports; every one is answered."""
    for _ in range(PROBES):
        assert server.ask() == {1}


def replaced(server: Server, title: str, pid: int) -> int:
    """Wait for the successor of a process; returns its id."""
    return int(until(lambda: (new := server.children().get(title, pid)) != pid and new))


def kill(server: Server, title: str) -> float:
    """Kill a child; returns the seconds until all slots have answered."""
    pid = server.children()[title]
    began = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    assert answered(ask_many(server.port, PROBES)) == PROBES
    took = time.monotonic() - began
    replaced(server, title, pid)
    return took


def zombies(server: Server) -> list[int]:
    return [one.pid for one in psutil.Process(server.pid).children() if one.status() == psutil.STATUS_ZOMBIE]


def store_pages(folder: Path) -> dict[str, int]:
    """Return the number of pages that each environment has ever used."""
    found = {}
    for path in folder.rglob("*.mdb"):
        with lmdb.open(str(path), subdir=False, readonly=True, max_readers=4096) as environment:
            found[path.name] = environment.info()["last_pgno"]
    return found


def writing(server: Server) -> Server:
    """Configure a cache beside the zone, so that workers die while they write."""
    extra = f"cached.test:{server.port} {{\n    bind 127.0.0.1\n    {CACHED.format()}\n}}\n"
    server.configure(server.tagged(1, extra=extra))
    return server.start()


def crash_all(make: Make, seconds: int, rounds: int) -> None:
    """Kill everybody in turn under load, so often; see what the table of the specification wants."""
    server = writing(make())
    names = [f"www.{ZONE} A"] * 9 + [f"{ZONE} MX"]
    names = [line for n in range(2000) for line in (*names, f"n{n}.cached.test A")]
    titles = ["worker 0", "keeper", "worker 1"] * rounds
    with server.loading(seconds, rate=10_000, names=names, timeout_s=1) as load:
        time.sleep(1)
        before = store_pages(server.runtime), server.descriptors()["master"]
        took = []
        for title in titles:
            due = time.monotonic() + (seconds - 2.5) / len(titles)
            took.append(kill(server, title))
            assert not zombies(server)
            time.sleep(max(0.0, due - time.monotonic()))
        outcome = load.outcome()
    assert max(took) < ANSWERS_S, took
    assert outcome.lost <= LOST * outcome.sent, outcome.text
    assert outcome.sent > 0.9 * 10_000 * seconds, outcome.text
    for name, pages in store_pages(server.runtime).items():
        assert pages < 2 * before[0][name] + 500, (name, before[0], pages)
    assert server.descriptors()["master"] == before[1]
    assert server.log.count(" died: signal 9") == len(titles)
    assert "Traceback" not in server.log


@needs_dnsperf
@pytest.mark.brief
def test_two_crashes_of_each_process_cost_hardly_an_answer(make: Make) -> None:
    crash_all(make, seconds=8, rounds=2)


@needs_dnsperf
@pytest.mark.long
@pytest.mark.timeout(240)
def test_ten_crashes_of_each_process_in_a_minute_cost_hardly_an_answer(make: Make) -> None:
    crash_all(make, seconds=60, rounds=10)


def ask_many(port: int, count: int) -> list[socket.socket]:
    """Send one query from each of many ports."""
    query = dns.message.make_query(f"www.{ZONE}", "A").to_wire()
    sockets = []
    for _ in range(count):
        sock = socket.socket(type=socket.SOCK_DGRAM)
        sock.settimeout(5)
        sock.connect(("127.0.0.1", port))
        sock.send(query)
        sockets.append(sock)
    return sockets


def answered(sockets: list[socket.socket]) -> int:
    """Count the sockets that get an answer; closes them."""
    count = 0
    for sock in sockets:
        with sock:
            try:
                count += len(sock.recv(4096)) > 12
            except OSError:
                continue
    return count


def test_what_waits_in_a_dead_worker_s_socket_is_answered_by_its_successor(server: Server) -> None:
    children = server.children()
    stopped = [children["worker 0"], children["worker 1"]]
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    sockets = ask_many(server.port, 50)
    for pid in stopped:
        os.kill(pid, signal.SIGKILL)
    assert answered(sockets) == 50


def test_a_worker_that_dies_young_again_and_again_is_not_forked_in_a_hurry(server: Server) -> None:
    seen = set()
    end = time.monotonic() + 3
    while time.monotonic() < end:
        pid = server.children().get("worker 0")
        if pid is not None and pid not in seen:
            seen.add(pid)
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)
    assert 3 <= len(seen) <= 9  # 50, 100, 200, 500, 1000, 2000 ms
    until(lambda: "worker 0" in server.children())
    probe(server)
    assert not zombies(server)


@pytest.mark.long
@pytest.mark.parametrize("title", ["worker 1", "keeper"])
def test_a_process_that_hangs_is_replaced(server: Server, title: str) -> None:
    pid = server.children()[title]
    os.kill(pid, signal.SIGSTOP)
    assert replaced(server, title, pid)
    assert f"[ERROR] {title} does not answer, ending it" in server.log
    probe(server)
    assert not psutil.pid_exists(pid)


@pytest.mark.parametrize("stopped", [False, True])
def test_the_death_of_the_master_ends_everybody_at_once(server: Server, stopped: bool) -> None:
    children = server.children()
    born = {pid: psutil.Process(pid).create_time() for pid in children.values()}
    if stopped:  # cannot read that its channel has ended
        os.kill(children["worker 0"], signal.SIGSTOP)
    server.signal(signal.SIGKILL)
    server.popen.wait(5)
    began = time.monotonic()
    until(lambda: not any(alive(pid, at) for pid, at in born.items()))
    assert time.monotonic() - began < 1
    assert server.port not in {one.port for one in kernel.endpoints().values()}


def alive(pid: int, born: float) -> bool:
    try:
        process = psutil.Process(pid)
        return process.create_time() == born and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
