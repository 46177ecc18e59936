"""How many cores this process may use, by affinity and cgroup quota: so many workers there are by default."""

from __future__ import annotations

import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


def usable_cores(root: Path = CGROUP, membership: Path = Path("/proc/self/cgroup")) -> int:
    """Return the number of usable cores, at least 1; a quota counts rounded down."""
    cores = len(os.sched_getaffinity(0))
    found = quota(root, membership)
    return max(1, cores if found is None else min(cores, int(found)))


def quota(root: Path, membership: Path) -> float | None:
    """Return the tightest CPU quota of this process's cgroups in cores, None where there is none."""
    found = [one for folder, version in _folders(root, membership) if (one := _limit(folder, version)) is not None]
    return min(found, default=None)


def _folders(root: Path, membership: Path) -> list[tuple[Path, int]]:
    folders = []
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return []
    for line in lines:
        number, controllers, path = line.split(":", 2)
        if number == "0":
            leaf, top, version = root / path.lstrip("/"), root, 2
        elif "cpu" in controllers.split(","):
            top = root / "cpu"
            leaf, version = top / path.lstrip("/"), 1
        else:
            continue
        folders += [(folder, version) for folder in (leaf, *leaf.parents) if folder == top or top in folder.parents]
    return folders


def _limit(folder: Path, version: int) -> float | None:
    try:
        if version == 2:
            most, period = (folder / "cpu.max").read_text().split()
        else:
            most = (folder / "cpu.cfs_quota_us").read_text().strip()
            period = (folder / "cpu.cfs_period_us").read_text().strip()
    except (OSError, ValueError):
        return None
    return None if most in ("max", "-1") else int(most) / int(period)
