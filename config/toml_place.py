"""Where a table or a key stands in TOML text; the standard library's reader does not say.

An index by headers and line starts: exact for the usual layout, the nearest header for anything else.
"""

from __future__ import annotations

import re

from .errors import Place

_HEADER = re.compile(r"\s*(\[\[?)\s*([^\]]+?)\s*\]\]?")
_KEY = re.compile(r"""\s*("[^"]*"|'[^']*'|[A-Za-z0-9_-]+)\s*=""")


class Places:
    """Finds (block, directive, key, how many tables of that directive stand before)."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.known: dict[tuple[int | None, str | None, str | None, int], tuple[int, int]] = {}
        block, directive, nth = -1, None, 0
        for number, line in enumerate(text.split("\n"), 1):
            if header := _HEADER.match(line):
                path = [part.strip().strip("\"'") for part in header[2].split(".")]
                if path == ["block"]:
                    block, directive, nth = block + 1, None, 0
                elif path[0] == "block" and len(path) == 2:
                    nth = nth + 1 if header[1] == "[[" and directive == path[1] else 0
                    directive = path[1]
                self._note(block, directive, None, nth, number, header.start(2) + 1)
            elif key := _KEY.match(line):
                name = key[1].strip("\"'")
                self._note(block, directive, name, nth, number, key.start(1) + 1)
                if directive is None and block >= 0:
                    self._note(block, name, None, 0, number, key.start(1) + 1)

    def _note(self, block: int, directive: str | None, key: str | None, nth: int, line: int, column: int) -> None:
        self.known.setdefault((None if block < 0 else block, directive, key, nth), (line, column))

    def find(self, block: int | None, directive: str | None, key: str | None, nth: int = 0) -> Place:
        """Return the place, that of the table around it where the key itself is not known."""
        for wanted in (
            (block, directive, key, nth), (block, directive, None, nth), (block, directive, None, 0),
            (block, None, None, 0),
        ):  # fmt: skip
            if wanted in self.known:
                return Place(self.file, *self.known[wanted])
        return Place(self.file, 1)
