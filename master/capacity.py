"""How much the system lets a server have open."""

from __future__ import annotations

import resource

MAX_FILES = 1 << 20  # descriptors; far more than sockets and connections ever are


def raise_file_limit() -> None:
    """Allow as many descriptors as the system lets us, within reason."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MAX_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
