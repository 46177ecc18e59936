"""config ← worker ← plugins ← master: each folder imports only what stands to its left, no plugin another one."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.meta.tree import LAYERS, modules, parsed, plugin_folders

PLUGINS = {folder.name for folder in plugin_folders()}


def imports(module: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield (line, dotted parts below `shardns`) of every import of ours, those for type checkers included."""
    for node in ast.walk(parsed(module)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                parts = alias.name.split(".")
                if parts[0] == "shardns":
                    yield node.lineno, parts[1:]
        elif isinstance(node, ast.ImportFrom):
            given = (node.module or "").split(".") if node.module else []
            if node.level:
                package = list(module.parts[: -node.level])
                yield node.lineno, package + given
            elif given[:1] == ["shardns"]:
                yield from ((node.lineno, [*given[1:], alias.name]) for alias in node.names)


def wrong(module: Path) -> Iterator[str]:
    """Yield what a module imports and must not."""
    layer = module.parts[0]
    for line, parts in imports(module):
        if not parts or parts[0] not in LAYERS[: LAYERS.index(layer) + 1]:
            yield f"{module}:{line} imports {'.'.join(parts)}, which stands to its right"
        if layer == "plugins" and parts[0] == layer and len(parts) > 1 and parts[1] in PLUGINS - {module.parts[1]}:
            yield f"{module}:{line} imports another plugin: {'.'.join(parts)}"


@pytest.mark.parametrize("layer", LAYERS)
def test_a_folder_imports_only_what_stands_to_its_left(layer: str) -> None:
    assert [fault for module in modules(layer) for fault in wrong(module)] == []


def test_the_config_folder_imports_nothing_of_ours() -> None:
    assert {parts[0] for module in modules("config") for _, parts in imports(module) if parts} <= {"config"}
