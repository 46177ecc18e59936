"""Runs the rows and prints the table."""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from tests.certify import example

from . import data, h2load, run, servers, zoneload
from .rows import ROWS, Row
from .run import Load, Running, Sample

MAX_QPS = 260_000  # no server of one core answers more; sizes the files of questions that never repeat
Samples = dict[str, list[Sample]]


def main() -> int:
    """Read the arguments, run, print."""
    args = arguments()
    if missing := run.missing_tools():
        print(f"bench: {' and '.join(missing)} not installed", file=sys.stderr)
        return 1
    if (os.cpu_count() or 1) < 2:
        print("bench: needs two cores, one for the server and one for the load", file=sys.stderr)
        return 1
    os.sched_setaffinity(0, {run.LOAD_CORE})
    chosen = args.servers.split(",")
    for name in [name for name in chosen if not servers.installed(name)]:
        print(f"skipped: {name} is not installed")
        chosen.remove(name)
    with tempfile.TemporaryDirectory(prefix="shardns-bench-") as place:
        folder = Path(place)
        data.write_zone(folder / "db.example.org")
        data.write_small_zone(folder / "db.small")
        rows = [ROWS[name] for name in args.rows.split(",") if name]
        measured: dict[str, Samples] = {}
        for together in [rows] if args.in_turn else [[row] for row in rows]:
            measured |= run_rows(together, folder, chosen, args)
        if measured:
            print_ratios(measured)
        if args.zone:
            print_loads(zoneload.run_all(folder, args.zone, [name for name in chosen if name != "unbound"]), args.zone)
    return 0


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each row, servers in turn (default: 5)")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of one run (default: 3)")
    parser.add_argument("--rows", default=",".join(ROWS), help=f"which of {','.join(ROWS)}")
    parser.add_argument("--servers", default=",".join(servers.ALL), help=f"which of {','.join(servers.ALL)}")
    parser.add_argument("--clients", type=int, default=8, help="sockets that ask (default: 8)")
    parser.add_argument("--outstanding", type=int, default=128, help="questions in flight (default: 128)")
    parser.add_argument("--in-turn", action="store_true", help="run the rows side by side, round by round")
    parser.add_argument("--zone", type=int, default=1_000_000, help="records of the zone load, 0: leave it out")
    args = parser.parse_args()
    if unknown := [name for name in args.rows.split(",") if name and name not in ROWS]:
        parser.error(f"no such row: {', '.join(unknown)}")
    return args


def is_possible(row: Row) -> bool:
    """Tell whether what a row needs is installed; says so where it is not."""
    needed = "knotd" if row.upstream else "dnssec-signzone" if row.chain else ""
    needed = "h2load" if row.transport == "grpc" else needed
    if needed and shutil.which(needed, path=servers.PATH) is None:
        print(f"skipped: row {row.name} needs {needed}")
        return False
    return True


def run_rows(rows: list[Row], folder: Path, chosen: list[str], args: argparse.Namespace) -> dict[str, Samples]:
    """Start all servers of some rows and ask them in turn, round by round."""
    measured: dict[str, Samples] = {}
    with ExitStack() as stack:
        started = {row: start_row(row, folder, chosen, stack) for row in rows if is_possible(row)}
        for number in range(args.rounds + 1):  # the first one warms up
            for row, running in started.items():
                samples = measured.setdefault(row.name, {server.name: [] for server in running})
                run_round(row, number, folder, running, samples, args)
    for row in started:
        print_row(row, measured[row.name])
    return measured


def run_round(
    row: Row, number: int, folder: Path, running: list[Running], samples: Samples, args: argparse.Namespace
) -> None:
    """Ask the servers of a row one after the other."""
    load = Load(args.seconds, args.clients, args.outstanding, row.transport, row.fresh, bool(row.chain))
    path = folder / f"questions-{row.name}"
    run.write_questions(path, row.questions(int(MAX_QPS * load.seconds), number))
    for server in running:
        sample = (h2load if row.transport == "grpc" else run).measure(server, path, load)
        if number:
            samples[server.name].append(sample)
        if row.name == "log":
            os.truncate(server.log, 0)
    path.unlink()


def start_row(row: Row, folder: Path, chosen: list[str], stack: ExitStack) -> list[Running]:
    """Start the chosen servers and the upstream of a row; all answer when this returns."""
    zone = folder / "db.example.org"
    key = data.make_key(folder) if row.chain == "live" else ""
    if row.chain not in ("", "live"):
        zone = data.sign_zone(zone, row.chain) if not (folder / row.chain).exists() else folder / row.chain / "db"

    def start(name: str, upstream: int, core: int) -> Running:
        home = folder / f"{row.name}-{name}-{core}"
        home.mkdir()
        setup = servers.Setup(home, run.free_port(), zone, upstream=upstream, key=key)
        if row.encrypted:
            scheme = "https" if row.transport == "doh" else "tls"
            setup = replace(setup, encrypted=run.free_port(), pair=example(), scheme=scheme)
        peer: Callable[[servers.Setup], servers.Command] | None = servers.PEERS.get(name)
        command = peer(setup) if peer else servers.shardns(setup, row.corefile)
        server = stack.enter_context(run.serving(name, command, home, setup.port, str(core)))
        server.asked = setup.encrypted or setup.port
        run.wait_for_answer(server, f"ns1.{data.ORIGIN}", 30)
        return server

    upstream = start("knot", 0, run.LOAD_CORE).port if row.upstream else 0
    return [start(name, upstream, run.SERVER_CORE) for name in ("shardns", *row.peers) if name in chosen]


def middle(figures: list[float]) -> float:
    """Return the median, 0 of nothing."""
    return statistics.median(figures) if figures else 0.0


def print_row(row: Row, samples: Samples) -> None:
    """Print the medians of a row."""
    print(f"\n{row.name}: {row.what}")
    print(f"  {'server':10} {'q/s':>9} {'CPU µs/query':>13} {'(least – most)':>16} {'lost':>7} {'memory MiB':>11}")
    for name, found in samples.items():
        costs = [sample.cpu_us for sample in found]
        print(
            f"  {name:10} {middle([sample.qps for sample in found]):9,.0f} {middle(costs):13.1f}"
            f" {f'{min(costs):.1f} – {max(costs):.1f}':>16} {sum(s.lost for s in found):7}"
            f" {max(s.memory_mib for s in found):11.1f}",
            flush=True,
        )


def ratio(over: list[Sample], under: list[Sample]) -> float:
    """Return the median of the rounds' ratios of CPU per query."""
    return middle([a.cpu_us / max(b.cpu_us, 0.01) for a, b in zip(over, under, strict=True)])


def print_ratios(measured: dict[str, Samples]) -> None:
    """Print CPU per query of shardns against the peers, and of the heavier rows against auth."""
    print("\nCPU per query of shardns, median of the rounds' ratios")
    for name, samples in measured.items():
        ours = samples.get("shardns")
        if not ours:
            continue
        facts = [f"{ratio(ours, found):.2f} × {peer}" for peer, found in samples.items() if peer != "shardns"]
        base = ROWS[name].base
        plain = measured.get(base, {}).get("shardns")
        if plain:
            facts.append(f"{ratio(ours, plain):.2f} × {base}")
        print(f"  {name:13} {', '.join(facts) or 'nothing to compare with'}")


def print_loads(loads: list[zoneload.Load], records: int) -> None:
    """Print the zone load table."""
    print(f"\nzone load: {records:,} records")
    print(f"  {'server':36} {'first answer s':>15} {'memory MiB':>11}")
    for load in loads:
        print(f"  {load.server:36} {load.ready_s:15.2f} {load.memory_mib:11.1f}")


if __name__ == "__main__":
    sys.exit(main())
