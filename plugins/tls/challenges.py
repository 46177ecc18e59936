"""The values that DNS-01 challenges want to find (RFC 8555 §8.4): the keeper presents them, every worker answers them.

They stand in the server's own folder, one file a name, so workers that are started meanwhile and the generations
before and behind a reload see them as well. A value is there until it was taken back as often as it was presented, or
until its time is over: a keeper may die.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

FOLDER: Final = "challenges"
KEPT_S: Final = 3600.0
Values = dict[str, tuple[int, float]]  # value → how often it is presented, and until when (UNIX s)


class Challenges:
    """What is presented now. `name` is lower-case wire form."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self._folder = folder / FOLDER
        self._clock = clock

    def present(self, name: bytes, value: str) -> None:
        """Let queries for a name find a value. Raises OSError."""
        values = self._read(name)
        values[value] = (values.get(value, (0, 0.0))[0] + 1, self._clock() + KEPT_S)
        self._write(name, values)

    def clean_up(self, name: bytes, value: str) -> None:
        """Take a value back once. Raises OSError."""
        values = self._read(name)
        times, until = values.pop(value, (0, 0.0))
        if times > 1:
            values[value] = (times - 1, until)
        self._write(name, values)

    def find(self, name: bytes) -> list[str]:
        """Return the values of a name, sorted."""
        return sorted(self._read(name))

    def _read(self, name: bytes) -> Values:
        try:
            values = msgspec.json.decode(self._path(name).read_bytes(), type=Values)
        except (OSError, msgspec.DecodeError):
            return {}
        now = self._clock()
        return {value: (times, until) for value, (times, until) in values.items() if until > now}

    def _write(self, name: bytes, values: Values) -> None:
        path = self._path(name)
        if not values:
            path.unlink(missing_ok=True)
            return
        self._folder.mkdir(mode=0o700, exist_ok=True)
        fresh = path.with_name(f"{path.name}.{os.getpid()}")
        fresh.write_bytes(msgspec.json.encode(values))
        fresh.replace(path)

    def _path(self, name: bytes) -> Path:
        return self._folder / hashlib.blake2b(name, digest_size=16).hexdigest()
