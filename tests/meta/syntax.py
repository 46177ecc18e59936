"""The syntax block of a plugin's README. `python -m tests.meta.syntax [PLUGIN...]` writes it from the declaration."""

from __future__ import annotations

import re
import sys

from shardns.config.describe import syntax
from shardns.plugins import BUILT, schema
from tests.meta.tree import TOP

_FENCE = re.compile(r"(\n## Syntax\n\n(?:[^#\n][^\n]*\n+)*?)(`{3}|~{3})[^\n]*\n(.*?)\n?\2\n", re.S)


def declared(directive: str) -> str:
    """Return what the options say."""
    found = schema(directive)
    assert found is not None
    return syntax(directive, found)


def shown(directive: str) -> str | None:
    """Return what the README says, None where it has no block."""
    found = _FENCE.search((TOP / "plugins" / directive / "README.md").read_text())
    return found[3] if found else None


def rewrite(directive: str) -> None:
    """Bring the README's block up to date."""
    path = TOP / "plugins" / directive / "README.md"
    text = _FENCE.sub(lambda found: f"{found[1]}```\n{declared(directive)}\n```\n", path.read_text(), count=1)
    path.write_text(text)


if __name__ == "__main__":
    for name in sys.argv[1:] or BUILT:
        rewrite(name)
