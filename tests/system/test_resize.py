"""More workers, and fewer again, by reloads under load: no query is lost, no socket is left over."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import pytest

from .conftest import Make
from .harness import SHARDNS, Server
from .load import has_dnsperf

pytestmark = [
    pytest.mark.system,
    pytest.mark.alone,
    pytest.mark.skipif(not has_dnsperf(), reason="dnsperf is not installed"),
]


def shape(server: Server) -> tuple[int, int, int]:
    """Return the number of workers that serve, and of the server's UDP and TCP sockets."""
    status = json.loads(server.command("status", "-json").stdout)
    serving = [child for child in status["children"] if child["role"] == "worker" and child["state"] == "serving"]
    held = server.descriptors()["master"]
    place = f"127.0.0.1:{server.port}"
    return len(serving), held[f"udp {place}"], held[f"tcp {place}"]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("rounds", [pytest.param(1, marks=pytest.mark.brief), pytest.param(6, marks=pytest.mark.long)])
def test_growing_and_shrinking_lose_nothing(make: Make, rounds: int) -> None:
    server = make().start()
    n = 1
    with server.loading(rounds * 4 + 1) as load, server.checking(sockets=64) as findings:
        for workers in (4, 2) * rounds:
            time.sleep(0.5)
            n += 1
            server.configure(server.tagged(n))
            assert server.reload("-workers", str(workers)).returncode == 0
            assert server.ask() == {n}
            assert shape(server) == (workers, workers, workers)
    assert (len(findings.lost), load.outcome().lost) == (0, 0), load.outcome().text
    assert [one for one in findings.replies if one.generation < 0] == []


def test_all_workers_of_a_grown_server_answer(make: Make) -> None:
    server = make().start()
    assert server.reload("-workers", "4").returncode == 0
    workers = [pid for title, pid in server.children().items() if title.startswith("worker")]
    before = [busy(pid) for pid in workers]
    with server.loading(2, rate=5000):
        pass
    assert len(workers) == 4 and all(busy(pid) > was for pid, was in zip(workers, before, strict=True))


def busy(pid: int) -> int:
    """Return how many ticks a process has run."""
    return sum(int(word) for word in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13])


def test_a_refused_reload_does_not_change_the_number_either(server: Server) -> None:
    server.configure("nonsense {")
    assert server.reload("-workers", "4").returncode == 1
    server.configure(server.tagged(2))
    assert server.reload().returncode == 0
    assert shape(server) == (2, 2, 2)


def test_the_configuration_may_say_how_many(make: Make) -> None:
    server = make(workers=0)
    server.corefile = server.folder / "shardns.toml"

    def configure(workers: int) -> None:
        (server.folder / "plain").write_text(server.tagged(workers))
        line = [str(SHARDNS), "convert", "--to", "toml", str(server.folder / "plain")]
        text = subprocess.run(line, capture_output=True, text=True, check=True).stdout
        server.corefile.write_text(f"workers = {workers}\n{text}")

    configure(2)
    server.start()
    assert shape(server) == (2, 2, 2)
    for workers in (3, 1):
        configure(workers)
        assert server.reload().returncode == 0
        assert shape(server) == (workers, workers, workers)
    assert server.reload("-workers", "2").returncode == 0  # an operator's word counts more
    configure(4)
    assert server.reload().returncode == 0
    assert shape(server) == (2, 2, 2)
