"""No module passes 300 lines: the file that grows without end is how such projects fail."""

from __future__ import annotations

from tests.meta.tree import TOP, modules

MAX_LINES = 300


def test_no_module_passes_300_lines() -> None:
    sizes = {str(path): len((TOP / path).read_text().splitlines()) for path in modules()}
    assert {path: lines for path, lines in sizes.items() if lines > MAX_LINES} == {}
