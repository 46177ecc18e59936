"""Zones that are being read slice by slice: a file each in the runtime folder, so that nobody sweeps them meanwhile.

1. A pin counts as long as the process that made it lives, an hour at most.
2. Between looking for unwanted zones and deleting them a pin may come too late: a walk notices that its zone is gone.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Final

FOLDER: Final = "pins"
MAX_AGE_S: Final = 3600.0
_numbers = count()


@contextmanager
def pinned(folder: Path | None, number: int | None) -> Iterator[None]:
    """Keep a zone id alive for a while; without a folder or an id there is nothing to do."""
    if folder is None or number is None:
        yield
        return
    path = folder / FOLDER / f"{number}.{os.getpid()}.{next(_numbers)}"
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.touch()
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def held(folder: Path) -> set[int]:
    """Return the zone ids that are pinned; clears away the pins of dead processes."""
    found: set[int] = set()
    try:
        entries = list((folder / FOLDER).iterdir())
    except FileNotFoundError:
        return found
    for path in entries:
        number, pid = path.name.split(".")[:2]
        try:
            os.kill(int(pid), 0)
            if time.time() - path.stat().st_mtime < MAX_AGE_S:
                found.add(int(number))
                continue
        except OSError:
            pass
        path.unlink(missing_ok=True)
    return found
