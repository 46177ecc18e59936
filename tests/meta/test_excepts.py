"""Broad excepts stand only where a fault of ours must not end more than one query, timer, process or command.

A handler that cleans up and raises again swallows nothing and may stand anywhere.
"""

from __future__ import annotations

import ast
from pathlib import Path

from tests.meta.tree import modules, parsed

ALLOWED = {
    "worker/dispatch.py",  # one query
    "worker/chain.py",  # the chain's hand-over
    "worker/quic/office.py",  # one connection, as asyncio does for those of TCP
    "worker/scope.py",  # timers and tasks
    "worker/process.py",  # the top of the keeper and of a worker
    "master/loop.py",  # the loop of the master
    "master/process.py",  # the top of a child
    "master/cli.py",  # main
}
BROAD = {"Exception", "BaseException"}


def broad(module: Path) -> list[int]:
    """Return the lines of bare and broad handlers that do not raise again."""
    handlers = [node for node in ast.walk(parsed(module)) if isinstance(node, ast.ExceptHandler)]
    return [handler.lineno for handler in handlers if catches_all(handler) and not passes_on(handler)]


def catches_all(handler: ast.ExceptHandler) -> bool:
    """Tell whether a handler is bare or names a class that faults of ours belong to."""
    if handler.type is None:
        return True
    return bool(BROAD & {node.id for node in ast.walk(handler.type) if isinstance(node, ast.Name)})


def passes_on(handler: ast.ExceptHandler) -> bool:
    """Tell whether a handler ends with a bare `raise`."""
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def test_broad_excepts_stand_in_the_allowed_places_alone() -> None:
    found = {str(path): lines for path in modules() if (lines := broad(path))}
    assert {path: lines for path, lines in found.items() if path not in ALLOWED} == {}
