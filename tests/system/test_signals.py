"""Signals: an end with and without grace, and storms of reloads."""

from __future__ import annotations

import signal
import socket
import time
from pathlib import Path

import pytest

from tests.bench.run import free_port

from .conftest import Make
from .harness import COMPLETE, PATIENCE_S, Server, until
from .load import has_dnsperf

pytestmark = pytest.mark.system
QUIT_S = 1.0  # what counts as at once on a shared machine


def lame(server: Server, seconds: str) -> Server:
    """Start a server that goes on answering for a while when it is told to end."""
    health = f"    health 127.0.0.1:{free_port()} {{\n        lameduck {seconds}\n    }}"
    server.configure(server.tagged(1, health))
    return server.start("-pidfile", str(server.folder / "pid"))


def ended(server: Server) -> tuple[int, list[int]]:
    """Wait for the end; returns the exit status and what is left of its processes."""
    family = server.tree()
    status = server.popen.wait(PATIENCE_S)
    until(lambda: not [pid for pid in family if Path(f"/proc/{pid}").exists()], 1)
    return status, [pid for pid in family if Path(f"/proc/{pid}").exists()]


@pytest.mark.skipif(not has_dnsperf(), reason="dnsperf is not installed")
def test_sigterm_answers_through_the_lameduck_and_loses_nothing_it_took(make: Make) -> None:
    server = lame(make(), "2s")
    with server.loading(3, rate=5000, timeout_s=1) as load:
        time.sleep(0.5)
        told = server.signal(signal.SIGTERM)
        time.sleep(1.5)
        assert server.ask() == {1} and server.ask(tcp=True) == {1}
        assert ended(server)[0] == 0
        took = time.monotonic() - told
    assert 2 <= took < 2 + QUIT_S
    unheard = 3 - 0.5 - took  # s that dnsperf asks on when nobody is there
    assert load.outcome().lost <= (unheard + 0.3) * 5000
    assert "[INFO] SIGTERM: Shutting down servers then terminating\n" in server.log
    assert not (server.folder / "pid").exists() and not list(server.runtime.glob("server/control"))


def test_sigterm_closes_connections_cleanly(make: Make) -> None:
    server = make().start()
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as sock:
        server.signal(signal.SIGTERM)
        assert sock.recv(1) == b""
    assert ended(server) == (0, [])


def test_sigint_ends_without_a_drain(make: Make) -> None:
    server = make().start()
    told = server.signal(signal.SIGINT)
    assert ended(server) == (0, []) and time.monotonic() - told < QUIT_S
    assert "[INFO] SIGINT: Shutting down\n" in server.log


def test_a_second_sigint_during_the_lameduck_forces_the_end(make: Make) -> None:
    server = lame(make(), "10s")
    told = server.signal(signal.SIGINT)
    server.wait_printed("[INFO] SIGINT: Shutting down")
    assert server.ask() == {1}
    server.signal(signal.SIGINT)
    assert ended(server) == (2, []) and time.monotonic() - told < QUIT_S
    assert server.log.endswith("[INFO] SIGINT: Force quit\n")


def test_sigquit_ends_at_once(make: Make) -> None:
    server = lame(make(), "10s")
    told = server.signal(signal.SIGQUIT)
    assert ended(server) == (0, []) and time.monotonic() - told < QUIT_S
    assert "[INFO] SIGQUIT: Quitting process immediately\n" in server.log
    assert not (server.folder / "pid").exists()


@pytest.mark.skipif(not has_dnsperf(), reason="dnsperf is not installed")
def test_a_storm_of_sighups_becomes_few_reloads_and_loses_nothing(make: Make) -> None:
    server = make().start()
    with server.loading(5) as load, server.checking() as findings:
        time.sleep(0.3)
        for n in range(100):
            server.configure(server.tagged(n + 2))
            server.signal(signal.SIGHUP)
            time.sleep(0.01)
        until(lambda: server.ask() == {101})
    assert (len(findings.lost), load.outcome().lost) == (0, 0), load.outcome().text
    assert [one for one in findings.replies if one.generation < 0] == []
    assert 1 < server.count(COMPLETE) < 60
    until(lambda: len(server.tree()) == 4)


def test_a_signal_during_a_reload_brings_the_newest_configuration(server: Server) -> None:
    server.configure(server.tagged(2))
    server.signal(signal.SIGUSR1)
    server.wait_printed("[INFO] Reloading")
    server.configure(server.tagged(3))
    server.signal(signal.SIGUSR1)
    until(lambda: server.ask() == {3})
    server.wait_printed(COMPLETE, 2)


def test_ending_during_a_reload_leaves_nothing(make: Make) -> None:
    server = make().start()
    for n, pause_s in enumerate((0.0, 0.02, 0.05, 0.1)):
        server.configure(server.tagged(n + 2))
        server.signal(signal.SIGHUP)
        time.sleep(pause_s)
        if n < 3:
            server.wait_printed(COMPLETE, n + 1)
    server.signal(signal.SIGHUP)
    server.signal(signal.SIGTERM)
    assert ended(server) == (0, [])
