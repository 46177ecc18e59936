"""The certificates by which an ACME authority's own is judged."""

from __future__ import annotations

import ssl
from pathlib import Path

import certifi


def bundle(path: str, folder: Path) -> Path:
    """Write the system's certificates and those of a file into one file. Raises OSError."""
    system = ssl.get_default_verify_paths().cafile or certifi.where()
    made = folder / "acme-roots.pem"
    made.write_bytes(Path(system).read_bytes() + b"\n" + Path(path).read_bytes())
    return made
