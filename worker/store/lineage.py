"""The names between a zone's apex and a name: what every descent through a zone walks along."""

from __future__ import annotations


def lineage(name: bytes, size: int) -> list[bytes]:
    """Return the names from one label below a zone's apex down to this one; `size` is the length of the apex."""
    found = []
    while len(name) > size:
        found.append(name)
        name = name[1 + name[0] :]
    found.reverse()
    return found
