"""What the kernel says about a tree of processes: CPU time and memory."""

from __future__ import annotations

import os
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")


def tree(root: int) -> list[int]:
    """Return a process and all its descendants that live now."""
    found = [root]
    for pid in found:
        try:
            tasks = list((_PROC / str(pid) / "task").iterdir())
        except OSError:
            continue
        for task in tasks:
            found += [int(word) for word in _read(task / "children").split()]
    return found


def cpu_s(root: int) -> float:
    """Return user + system seconds of the tree, those of its children that have ended included."""
    ticks = 0
    for pid in tree(root):
        fields = _read(_PROC / str(pid) / "stat").rpartition(")")[2].split()
        if fields:
            ticks += sum(int(word) for word in fields[11:15])  # utime, stime, cutime, cstime (proc(5))
    return ticks / _TICKS_PER_S


def memory_mib(root: int) -> float:
    """Return the proportional memory of the tree: a page shared by n processes counts 1/n for each."""
    total_kib = 0
    for pid in tree(root):
        for line in _read(_PROC / str(pid) / "smaps_rollup").splitlines():
            if line.startswith("Pss:"):
                total_kib += int(line.split()[1])
    return total_kib / 1024


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # it has ended meanwhile
        return ""
