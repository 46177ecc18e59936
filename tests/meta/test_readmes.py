"""What READMEs promise: their examples are accepted, their sections are there, their syntax is the declared one."""

from __future__ import annotations

from pathlib import Path

import pytest

from shardns.config.errors import ConfigError
from shardns.plugins import BUILT
from tests.meta.load import load_text, with_files
from tests.meta.syntax import declared, shown
from tests.meta.tree import TOP, fences, plugin_folders, section

FOLDERS = [*plugin_folders(), TOP / "plugins" / "import"]  # import belongs to the parser and has no module
READMES = [TOP / "README.md", *(folder / "README.md" for folder in FOLDERS)]
SECTIONS = ("Name", "Description", "Syntax", "Examples", "Metrics")
NOT_BUILT = "not implemented yet"


def examples() -> list[object]:
    """Return (README, line, text) of every Corefile example."""
    return [
        pytest.param(path, line, text, id=f"{path.parent.name}:{line}")
        for path in READMES
        if path.exists()
        for line, text in fences(path, "corefile")
    ]


@pytest.mark.parametrize(("readme", "line", "text"), examples())
def test_an_example_is_accepted(readme: Path, line: int, text: str) -> None:
    try:
        load_text(with_files(text))
    except ConfigError as error:
        wrong = [str(problem) for problem in error.problems if not problem.text.endswith(NOT_BUILT)]
        assert wrong == [], f"{readme}:{line}"


@pytest.mark.parametrize("readme", READMES[1:], ids=lambda path: path.parent.name)
def test_a_plugin_s_readme_has_every_section_and_an_example(readme: Path) -> None:
    name = readme.parent.name
    assert readme.read_text().startswith(f"# {name}\n")
    assert [title for title in SECTIONS if not section(readme, title).strip()] == []
    assert section(readme, "Name").strip().startswith(f"*{name}* - ")
    assert list(fences(readme, "corefile"))


@pytest.mark.parametrize("directive", BUILT)
def test_the_syntax_in_a_readme_is_the_declared_one(directive: str) -> None:
    assert shown(directive) == declared(directive), f"run: python -m tests.meta.syntax {directive}"


def test_the_first_readme_shows_the_example_that_make_serve_runs() -> None:
    served = (TOP / "config" / "examples" / "Corefile").read_text()
    _, shown = next(fences(TOP / "README.md", "corefile"))
    assert served.endswith(shown)


def test_the_example_that_make_serve_runs_is_accepted() -> None:
    assert len(load_text((TOP / "config" / "examples" / "Corefile").read_text()).blocks) == 2
