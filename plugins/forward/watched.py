"""Files like resolv.conf that name upstreams: what they say is compared, whenever they are written."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from .targets import nameservers

LOOK_S: Final = 2.0


class Watched:
    """`files` to what they said last. One that cannot be read says what it said before: it may be being replaced."""

    def __init__(self, files: Iterable[str]) -> None:
        self.files = {path: nameservers(Path(path)) for path in sorted(files)}

    def changed(self) -> str | None:
        """Return a file that says something else than when this was asked last."""
        for path, before in self.files.items():
            now = nameservers(Path(path))
            if now is not None and now != before:
                self.files[path] = now
                return path
        return None
