"""The files of a zone: each read once, so that what is parsed is what was digested.

A zone is unchanged if all octets that it was made of, its origin and this loader are unchanged.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import Final

LOADER_VERSION: Final = 2  # raise it when the same text gives other records
# Begins with one certain octet, which the search leaps to; `^` and re.I would have it stop at each octet of a zone.
_INCLUDE: Final = re.compile(rb"\$(?i:INCLUDE)[ \t]+([^ \t\r\n;]+)")
_LINE_FEED: Final = 10
_MAX_FILES: Final = 10_000

Signature = tuple[int, int, int]


class Sources:
    """Files by path, each read when it is first asked for; `seen` are their signatures from just before that."""

    def __init__(self) -> None:
        self._files: dict[str, bytes] = {}
        self.seen: dict[str, Signature] = {}

    def read(self, path: str) -> bytes:
        """Return the content of a file; raises OSError."""
        data = self._files.get(path)
        if data is None:
            seen = signature(path)
            data = self._files[path] = Path(path).read_bytes()
            if seen is not None:
                self.seen[path] = seen
        return data

    def digest(self, path: str, origin: bytes) -> bytes:
        """Digest a zone file, what it includes, the origin and the loader's version; raises OSError for the file."""
        total = hashlib.blake2b(b"%d\0%b\0%b" % (LOADER_VERSION, origin, path.encode()), digest_size=32)
        waiting = [path]
        seen = set(waiting)
        while waiting:
            at = waiting.pop()
            try:
                data = self.read(at)
            except OSError:
                if at == path:
                    raise
                continue
            total.update(b"%b\0%d\0" % (at.encode("utf-8", "surrogateescape"), len(data)))
            total.update(data)
            for match in _INCLUDE.finditer(data):
                if match.start() and data[match.start() - 1] != _LINE_FEED:
                    continue
                given = match[1].decode("utf-8", "surrogateescape")
                below = given if given.startswith("/") else str(Path(at).parent / given)
                if below not in seen and len(seen) < _MAX_FILES:
                    seen.add(below)
                    waiting.append(below)
        return total.digest()

    @property
    def paths(self) -> tuple[str, ...]:
        """The files that were read."""
        return tuple(self._files)


def signature(path: str) -> Signature | None:
    """Return what changes with the content of a file: time (ns), size and inode; None where it cannot be had."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
