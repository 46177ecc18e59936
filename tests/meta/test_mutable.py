"""What a plugin changes after it was built is declared: where its truth lives decides whether workers may differ."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.meta.tree import TOP, parsed, plugin_folders

PLACES = {"worker", "store", "shared", "keeper"}
SHAPES = {"Plugin", "Source", "Layer", "Gate", "Service"}
BUILDING = {"__init__", "prepare"}
CHANGES = {
    "add", "append", "appendleft", "clear", "discard", "extend", "insert", "pop", "popitem", "popleft", "push",
    "remove", "setdefault", "update",
}  # fmt: skip


def plugin_classes(folder: Path) -> Iterator[ast.ClassDef]:
    """Yield the plugin classes of a folder: those with a shape among their bases."""
    for path in sorted(folder.glob("*.py")):
        for node in ast.walk(parsed(path.relative_to(TOP))):
            if isinstance(node, ast.ClassDef):
                names = {n.id for base in node.bases for n in ast.walk(base) if isinstance(n, ast.Name)}
                if names & SHAPES:
                    yield node


def own(node: ast.AST) -> str | None:
    """Return x of `self.x`, also below subscripts."""
    while isinstance(node, ast.Subscript):
        node = node.value
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
        return node.attr
    return None


def methods(owner: ast.ClassDef) -> dict[str, ast.AST]:
    """Return a class's functions by name."""
    return {node.name: node for node in owner.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))}


def called(method: ast.AST) -> set[str]:
    """Return the own methods that a method mentions."""
    return {name for node in ast.walk(method) if (name := own(node)) is not None}


def building(owner: ast.ClassDef) -> set[str]:
    """Return the methods that run only while the object is built."""
    table = methods(owner)
    inside = BUILDING & table.keys()
    while True:
        outside = {name for key in table.keys() - inside for name in called(table[key])}
        more = {name for key in inside for name in called(table[key])} & table.keys() - inside - outside
        if not more:
            return inside
        inside |= more


def changed(owner: ast.ClassDef) -> set[str]:
    """Return the attributes that are assigned or changed after building."""
    found: set[str | None] = set()
    ready = building(owner)
    for name, method in methods(owner).items():
        if name in ready:
            continue
        for node in ast.walk(method):
            if isinstance(node, (ast.Assign, ast.Delete)):
                targets = [t for target in node.targets for t in ast.walk(target)]
                found |= {own(target) for target in targets if not isinstance(getattr(target, "ctx", None), ast.Load)}
            elif isinstance(node, (ast.AugAssign, ast.AnnAssign)):
                found.add(own(node.target))
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CHANGES:
                found.add(own(node.func.value))
    return {name for name in found if name is not None}


def declared(owner: ast.ClassDef) -> dict[str, str]:
    """Return the literal of `mutable`."""
    for node in owner.body:
        target = (
            node.target
            if isinstance(node, ast.AnnAssign)
            else node.targets[0]
            if isinstance(node, ast.Assign)
            else None
        )
        if isinstance(target, ast.Name) and target.id == "mutable" and isinstance(node, (ast.Assign, ast.AnnAssign)):
            assert node.value is not None
            table: dict[str, str] = ast.literal_eval(node.value)
            return table
    return {}


@pytest.mark.parametrize("folder", plugin_folders(), ids=lambda path: path.name)
def test_every_attribute_that_changes_is_declared(folder: Path) -> None:
    for owner in plugin_classes(folder):
        assert changed(owner) - declared(owner).keys() == set(), f"{owner.name}: undeclared"
        assert set(declared(owner).values()) <= PLACES


def test_the_check_sees_what_it_is_there_for() -> None:
    text = (
        "class A(Source[O]):\n"
        "    mutable = {'pool': 'worker'}\n"
        "    def prepare(self):\n        self.a = 1\n        self._build()\n"
        "    def _build(self):\n        self.b = []\n"
        "    def answer(self, query):\n"
        "        self.c = 1\n        self.d['x'] = 1\n        self.e.append(1)\n        x = self.f\n"
    )
    owner = ast.parse(text).body[0]
    assert isinstance(owner, ast.ClassDef)
    assert changed(owner) == {"c", "d", "e"}
    assert declared(owner) == {"pool": "worker"}
