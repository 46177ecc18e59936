"""What `shardns status` shows: the generation, every process, and whether the code on disk is newer."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .banner import own_version

if TYPE_CHECKING:
    from .master import Master


def describe(master: Master) -> dict[str, Any]:
    """Return the status of a server, ready for JSON."""
    supervisor, now = master.supervisor, time.monotonic()
    live = supervisor.live
    children = []
    for child, running in sorted(master.children.running.items()):
        found = supervisor.find(child)
        seat = live.seats.get((running.what.role, running.what.slot)) if live and found and found[0] is live else None
        children.append(
            {
                "role": running.what.role,
                "slot": running.what.slot,
                "pid": running.pid,
                "generation": running.what.generation,
                "state": found[1].state.value if found else "gone",
                "uptime_s": round(now - running.since, 1),
                "restarts": seat.total if seat else 0,
            }
        )
    return {
        "ok": True,
        "version": own_version(),
        "pid": os.getpid(),
        "conf": master.options.conf or "Corefile",
        "generation": live.number if live else 0,
        "workers": live.slots if live else 0,
        "changing": supervisor.next is not None or supervisor.committing,
        "uptime_s": round(time.time() - master.started, 1),
        "stale": newest_code() > master.started,
        "children": children,
    }


def newest_code() -> float:
    """Return when the code of this program was last changed (s since the epoch)."""
    newest = 0.0
    for package in ("config", "worker", "plugins", "master"):
        spec = find_spec(f"shardns.{package}")
        for folder in spec.submodule_search_locations or () if spec else ():
            newest = max([newest, *(path.stat().st_mtime for path in Path(folder).rglob("*.py"))])
    return newest


def table(status: Mapping[str, Any]) -> str:
    """Return the status for people."""
    stale = "  (the code on disk is newer: restart to use it)" if status["stale"] else ""
    lines = [
        f"shardns {status['version']}, pid {status['pid']}, up {age(status['uptime_s'])}{stale}",
        f"configuration {status['conf']}, generation {status['generation']}, {status['workers']} workers"
        + (", a reload is under way" if status["changing"] else ""),
        "",
        f"{'process':<12}{'pid':>8}  {'state':<10}{'generation':>10}{'up':>10}{'restarts':>10}",
    ]
    for child in status["children"]:
        who = "keeper" if child["role"] == "keeper" else f"worker {child['slot']}"
        lines.append(
            f"{who:<12}{child['pid']:>8}  {child['state']:<10}{child['generation']:>10}"
            f"{age(child['uptime_s']):>10}{child['restarts']:>10}"
        )
    return "\n".join(lines)


def age(seconds: float) -> str:
    """Return a duration for people: its two greatest units."""
    rest = int(seconds)
    parts: list[str] = []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        amount, rest = divmod(rest, size)
        if amount or (unit == "s" and not parts):
            parts.append(f"{amount}{unit}")
    return "".join(parts[:2])
