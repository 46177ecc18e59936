"""Broad excepts stand only where a fault of ours must not end more than one query, timer, process or command."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.meta.tree import modules, parsed

ALLOWED = {
    "worker/dispatch.py",  # one query
    "worker/chain.py",  # the chain's hand-over
    "worker/scope.py",  # timers and tasks
    "worker/process.py",  # the top of the keeper and of a worker
    "master/loop.py",  # the loop of the master
    "master/cli.py",  # main
}
BROAD = {"Exception", "BaseException"}


def broad(module: Path) -> list[int]:
    """Return the lines of bare and broad handlers."""
    handlers = [node for node in ast.walk(parsed(module)) if isinstance(node, ast.ExceptHandler)]
    return [
        h.lineno
        for h in handlers
        if h.type is None or BROAD & {n.id for n in ast.walk(h.type) if isinstance(n, ast.Name)}
    ]


def test_broad_excepts_stand_in_the_allowed_places_alone() -> None:
    found = {str(path): lines for path in modules() if (lines := broad(path))}
    assert {path: lines for path, lines in found.items() if path not in ALLOWED} == {}
