"""Every folder with modules is a package: setuptools leaves out what is none, and an installed server lacks it."""

from __future__ import annotations

from pathlib import Path

TOP = Path(__file__).resolve().parents[2]


def test_every_folder_with_modules_has_an_init_file() -> None:
    folders = {path.parent for top in ("config", "worker", "plugins", "master") for path in (TOP / top).rglob("*.py")}
    assert not sorted(str(folder.relative_to(TOP)) for folder in folders if not (folder / "__init__.py").exists())
