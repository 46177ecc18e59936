"""How long a zone of a million records takes to load, and what it weighs."""

from __future__ import annotations

import signal
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from . import data, process, run, servers

SETTLE_S = 1.0
RELOAD_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Load:
    """One start: seconds until the first answer, memory afterwards and at its highest."""

    server: str
    ready_s: float
    memory_mib: float


def run_all(folder: Path, records: int, chosen: list[str]) -> list[Load]:
    """Load the zone into shardns (twice, with the same runtime directory, then a reload) and into its peers."""
    zone = folder / "db.big"
    data.write_big_zone(zone, records)
    found = []
    for name in chosen:
        home = folder / f"big-{name}"
        home.mkdir()
        setup = servers.Setup(home, run.free_port(), zone, data.BIG_ORIGIN, workers=2)
        if name == "shardns":
            command = servers.shardns(setup, f"{data.BIG_ORIGIN}:@port {{\n    file @zone\n}}\n")
            found.append(_start("shardns, first start", command, setup, records))
            found += _restart(command, setup, records)
        else:
            found.append(_start(name, servers.PEERS[name](setup), setup, records))
    return found


def _last_name(records: int) -> str:
    return f"host{records - 1:07d}.{data.BIG_ORIGIN}"


def _start(label: str, command: servers.Command, setup: servers.Setup, records: int) -> Load:
    with run.serving(label, command, setup.folder, setup.port, run.ALL_CORES) as server:
        ready_s = run.wait_for_answer(server, _last_name(records))
        time.sleep(SETTLE_S)
        return Load(label, ready_s, process.memory_mib(server.pid))


def _restart(command: servers.Command, setup: servers.Setup, records: int) -> list[Load]:
    with ExitStack() as stack:
        label = "shardns, restart, zone unchanged"
        server = stack.enter_context(run.serving(label, command, setup.folder, setup.port, run.ALL_CORES))
        restart = Load(label, run.wait_for_answer(server, _last_name(records)), process.memory_mib(server.pid))
        time.sleep(SETTLE_S)
        at = server.log.stat().st_size
        began = time.monotonic()
        server.popen.send_signal(signal.SIGUSR1)
        while time.monotonic() - began < RELOAD_TIMEOUT_S:
            if b"Reloading complete" in server.log.read_bytes()[at:]:
                took = time.monotonic() - began
                return [restart, Load("shardns, reload, zone unchanged", took, process.memory_mib(server.pid))]
            time.sleep(0.01)
        raise run.NoAnswer("the reload did not complete")
