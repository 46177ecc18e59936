"""What is printed at start: a line for each listener's zones, and the version (spec core §1.1, §1.3)."""

from __future__ import annotations

import platform
import sys

from shardns.config import check
from shardns.config.model import Listening

REFERENCE = "CoreDNS-1.14.7"  # whose behaviour this is; scripts look for it
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


def own_version() -> str:
    """Return our own version."""
    from importlib.metadata import PackageNotFoundError, version  # 30 ms that a start has no time for

    try:
        return version("shardns")
    except PackageNotFoundError:
        return "unknown"


def version_lines() -> list[str]:
    """Return the two version lines: the reference's, and who we are."""
    machine = _MACHINES.get(platform.machine(), platform.machine())
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return [REFERENCE, f"{sys.platform}/{machine}, {python}, shardns-{own_version()}"]


def zone_lines(listeners: tuple[Listening, ...]) -> list[str]:
    """Return the lines of all listeners, as often as each has sockets (`multisocket`)."""
    return [line for one in listeners for _ in range(max(1, one.sockets)) for line in check.zone_lines(one)]
