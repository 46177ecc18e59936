"""Servers that are ended with their test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .harness import Server

Make = Callable[..., Server]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Return a maker of servers, not started yet; each has a folder of its own."""
    servers: list[Server] = []

    def new(**more: object) -> Server:
        folder = tmp_path / f"server-{len(servers)}"
        folder.mkdir()
        servers.append(Server(folder, **more))  # type: ignore[arg-type]  # passed on as they are
        return servers[-1]

    yield new
    for server in servers:
        server.close()


@pytest.fixture
def server(make: Make) -> Server:
    """Return a server with two workers that serves `tagged(1)`."""
    return make().start()
