"""The master with real processes, sockets and signals; its children are fakes that answer `GENERATION SLOT`."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from shardns.master.control import short
from tests.master.running import Server, free_port, until

pytestmark = pytest.mark.system
Make = Callable[..., Server]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    servers: list[Server] = []

    def start(*args: object, **more: object) -> Server:
        servers.append(Server(tmp_path, *args, **more))  # type: ignore[arg-type]  # passed on as they are
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def server(make: Make) -> Server:
    return make().serve()


def sockets_of(pid: int) -> set[str]:
    """Return the socket inodes that a process has open."""
    links = set()
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            links.add(os.readlink(f"/proc/{pid}/fd/{name}"))
        except FileNotFoundError:
            continue
    return {link for link in links if link.startswith("socket:")}


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def test_it_serves_on_both_protocols_from_all_workers(server: Server) -> None:
    assert {server.ask() for _ in range(40)} == {"1 0", "1 1"}
    assert {server.call() for _ in range(40)} == {"1 0", "1 1"}


def test_it_prints_zones_then_the_version_and_writes_its_pid(server: Server) -> None:
    lines = server.out.splitlines()
    assert lines[0] == f".:{server.port} on 127.0.0.1" and lines[1] == "CoreDNS-1.14.7"
    assert (server.folder / "pid").read_text() == f"{server.process.pid}\n"


def test_processes_are_called_what_they_are(server: Server) -> None:
    assert server.master.cmdline()[0] == "shardns: master"
    assert set(server.children()) == {"keeper", "worker 0", "worker 1"}


def test_a_worker_has_its_own_sockets_and_nobody_elses(server: Server) -> None:
    children = server.children()
    of_master = sockets_of(server.process.pid)
    zero, one, keeper = (sockets_of(children[name]) & of_master for name in ("worker 0", "worker 1", "keeper"))
    assert len(zero) == len(one) == 2 and not zero & one and not keeper


def test_a_child_has_no_more_descriptors_than_it_needs(server: Server) -> None:
    children = server.children()
    assert descriptors(children["keeper"]) == 4  # standard three and the channel
    assert descriptors(children["worker 0"]) == 6


def test_a_killed_worker_is_replaced_and_reads_the_same_socket(server: Server) -> None:
    before = server.children()["worker 0"]
    os.kill(before, signal.SIGKILL)
    until(lambda: server.children().get("worker 0", before) != before)
    until(lambda: "1 0" in {server.ask() for _ in range(10)})
    assert "[ERROR] worker 0 died: signal 9" in server.out


def test_a_killed_keeper_is_replaced(server: Server) -> None:
    before = server.children()["keeper"]
    os.kill(before, signal.SIGKILL)
    until(lambda: server.children().get("keeper", before) != before)
    assert server.ask()


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2])
def test_signals_reload(server: Server, number: signal.Signals) -> None:
    server.signal(number)
    until(lambda: "[INFO] Reloading complete\n" in server.out)
    assert {server.ask() for _ in range(20)} == {"2 0", "2 1"}
    log = [line for line in server.out.splitlines() if line.startswith("[")]
    assert log == [f"[INFO] {number.name}: Reloading", "[INFO] Reloading", "[INFO] Reloading complete"]


def test_after_reloads_nothing_is_left_over(server: Server) -> None:
    expected = descriptors(server.process.pid)
    for number in range(5):
        assert server.reload().returncode == 0, server.out
        until(lambda: len(server.master.children()) == 3)
        assert server.ask().startswith(f"{number + 2} ")
    until(lambda: descriptors(server.process.pid) == expected)


@pytest.mark.parametrize("word", ["bad", "keeper-fails", "worker-dies"])
def test_a_refused_reload_changes_nothing_and_says_why(server: Server, word: str) -> None:
    before, expected = server.children(), descriptors(server.process.pid)
    server.configure(f"@ listen=127.0.0.1:{free_port()} slots=4 {word}")
    refused = server.reload()
    assert refused.returncode == 1 and refused.stderr
    assert {server.ask() for _ in range(20)} == {"1 0", "1 1"}
    until(lambda: server.children() == before)
    until(lambda: descriptors(server.process.pid) == expected)
    server.configure("@")
    assert server.reload().returncode == 0


def test_a_refusal_names_the_place(server: Server) -> None:
    server.configure("bad")
    assert "--> Corefile:1:1" in server.reload().stderr
    server.signal(signal.SIGUSR1)
    until(lambda: "[ERROR] SIGUSR1: starting with listener file descriptors: Corefile:1" in server.out)


def test_growing_and_shrinking(server: Server) -> None:
    expected = descriptors(server.process.pid)
    for slots in (4, 1, 3, 2):
        assert server.reload("-workers", str(slots)).returncode == 0
        seen = {server.ask().partition(" ")[2] for _ in range(60)}
        assert seen == {str(slot) for slot in range(slots)}
    until(lambda: descriptors(server.process.pid) == expected)


def test_listeners_come_and_go(server: Server) -> None:
    second = free_port()
    server.configure(f"@ listen=127.0.0.1:{second}")
    assert server.reload().returncode == 0
    assert server.ask(second).startswith("2 ") and server.ask().startswith("2 ")
    server.configure("@")
    assert server.reload().returncode == 0
    assert server.ask(second) == "" and server.ask().startswith("3 ")


def test_a_taken_address_refuses_the_start(make: Make) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        server = make(f"listen=127.0.0.1:{port}")
        assert server.wait() == 1
    assert server.err == f"ListenPacket: listen udp 127.0.0.1:{port}: bind: address already in use\n"


def test_another_server_that_shares_the_port_is_noticed(make: Make) -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        server = make(f"listen=127.0.0.1:{port}")
        assert server.wait() == 1
    assert server.err == f"Listen: listen tcp 127.0.0.1:{port}: bind: address already in use\n"


def test_a_taken_address_refuses_a_reload(server: Server) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        server.configure(f"@ listen=127.0.0.1:{taken.getsockname()[1]}")
        refused = server.reload()
    assert refused.returncode == 1 and "address already in use" in refused.stderr
    assert server.ask().startswith("1 ")


def test_endpoints_belong_to_the_keeper(make: Make) -> None:
    port = free_port()
    server = make(f"@ endpoint=127.0.0.1:{port}").serve()
    children = server.children()
    of_master = sockets_of(server.process.pid)
    assert len(sockets_of(children["keeper"]) & of_master) == 1
    assert len(sockets_of(children["worker 0"]) & of_master) == 2
    socket.create_connection(("127.0.0.1", port), timeout=1).close()
    server.configure("@")
    assert server.reload().returncode == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=1)


def test_term_runs_the_callbacks_and_leaves_nothing(server: Server) -> None:
    children = [psutil.Process(pid) for pid in server.children().values()]
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    assert not any(child.is_running() for child in children)
    assert "[INFO] SIGTERM: Shutting down servers then terminating" in server.out
    assert not (server.folder / "pid").exists()
    assert not list(server.folder.glob("shardns-*"))


def test_a_second_int_ends_it_with_status_2(server: Server) -> None:
    server.signal(signal.SIGINT)
    until(lambda: "SIGINT: Shutting down" in server.out)
    server.signal(signal.SIGINT)
    assert server.wait() == 2
    assert server.out.endswith("[INFO] SIGINT: Force quit\n")


def test_quit_ends_it_at_once(server: Server) -> None:
    server.signal(signal.SIGQUIT)
    assert server.wait() == 0
    assert not (server.folder / "pid").exists()


def test_children_do_not_hear_what_a_terminal_sends_to_all(server: Server) -> None:
    before = server.children()
    for pid in before.values():
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2):
            os.kill(pid, number)
    assert server.ask() and server.children() == before


def test_children_end_with_their_master(server: Server) -> None:
    children = [psutil.Process(pid) for pid in server.children().values()]
    server.process.kill()
    server.wait()
    until(lambda: not any(child.is_running() and child.status() != "zombie" for child in children))


def test_status_tells_what_runs(server: Server) -> None:
    os.kill(server.children()["worker 1"], signal.SIGKILL)
    until(lambda: "worker 1 died" in server.out)
    status = json.loads(server.command("status", "--json").stdout)
    assert (status["generation"], status["workers"], status["pid"]) == (1, 2, server.process.pid)
    assert {(child["role"], child["slot"], child["restarts"]) for child in status["children"]} == {
        ("keeper", 0, 0), ("worker", 0, 0), ("worker", 1, 1),
    }  # fmt: skip
    assert "worker 1" in server.command("status").stdout


def test_a_silent_client_does_not_stop_the_master(server: Server) -> None:
    path = next(server.folder.glob("shardns-*/control"))
    with socket.socket(socket.AF_UNIX) as silent, socket.socket(socket.AF_UNIX) as rude:
        with short(path) as name:
            silent.connect(name)
            rude.connect(name)
        rude.sendall(b"what?\n")
        assert json.loads(rude.recv(1000)) == {"ok": False, "text": "not understood"}
        assert server.reload().returncode == 0


def test_systemd_is_told(tmp_path: Path, make: Make) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(5)
        environ = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "1000000"}
        server = make("@", environ=environ).serve()
        heard = [systemd.recv(1000).decode() for _ in range(3)]
        assert any(message.startswith(f"READY=1\nMAINPID={server.process.pid}") for message in heard)
        assert "WATCHDOG=1" in heard
        server.reload()
        server.signal(signal.SIGTERM)
        server.wait()
        systemd.settimeout(0.1)
        while "STOPPING=1" not in heard:
            heard.append(systemd.recv(1000).decode())
    assert any(message.startswith("RELOADING=1\nMONOTONIC_USEC=") for message in heard)


@pytest.mark.parametrize("sharing", [False, True])
def test_sockets_from_systemd_are_taken_over(make: Make, sharing: bool) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp, socket.socket() as stray:
        for sock in (udp, tcp):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(sharing))
        tcp.bind(("127.0.0.1", 0))
        udp.bind(tcp.getsockname())
        stray.bind(("127.0.0.1", 0))
        for sock in (tcp, stray):
            sock.listen()
        port = tcp.getsockname()[1]
        server = make(f"listen=127.0.0.1:{port}", handed_over=[udp.fileno(), tcp.fileno(), stray.fileno()]).serve()
    assert {server.ask(port) for _ in range(40)} >= {"1 0"}
    assert "nothing in the configuration listens on a socket from systemd" in server.out
    children, of_master = server.children(), sockets_of(server.process.pid)
    zero, one = (sockets_of(children[name]) & of_master for name in ("worker 0", "worker 1"))
    assert (zero == one) is not sharing
    assert server.reload().returncode == 0
    assert server.ask(port).startswith("2 ")
