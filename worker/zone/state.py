"""Where zones keep what outlives a process: transferred zones, their timers, and journals."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def state_folder(runtime: Path, environ: Mapping[str, str] = os.environ) -> Path:
    """Return `$STATE_DIRECTORY` (systemd) where it is set, else a folder in the runtime folder."""
    first = environ.get("STATE_DIRECTORY", "").partition(":")[0]
    return Path(first) if first else runtime / "state"


def made(folder: Path) -> Path:
    """Return the folder, made where it is missing; raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder
