"""The source tree as the tests of this folder look at it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
LAYERS = ("config", "worker", "plugins", "master")  # each imports itself and what stands to its left


def modules(*folders: str) -> Iterator[Path]:
    """Yield the modules of some folders, relative to the top."""
    for folder in folders or LAYERS:
        yield from sorted(path.relative_to(TOP) for path in (TOP / folder).rglob("*.py"))


@cache
def parsed(module: Path) -> ast.Module:
    """Return a module's syntax tree."""
    return ast.parse((TOP / module).read_text(), str(module))


def plugin_folders() -> list[Path]:
    """Return the folders of the plugins that exist."""
    return sorted(path.parent for path in (TOP / "plugins").glob("*/*.py") if path.stem == path.parent.name)


def fences(path: Path, language: str) -> Iterator[tuple[int, str]]:
    """Yield (line, text) of the fenced blocks of a language in a Markdown file."""
    start = 0
    held: list[str] | None = None
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if held is not None and line.strip() == "```":
            yield start, "\n".join(held) + "\n"
            held = None
        elif held is not None:
            held.append(line)
        elif line.strip() == f"```{language}":
            start, held = number, []


def section(path: Path, title: str) -> str:
    """Return the text below a `## Title` up to the next one."""
    _, found, rest = path.read_text().partition(f"\n## {title}\n")
    return rest.partition("\n## ")[0] if found else ""
