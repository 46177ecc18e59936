"""The files that `import` names: glob patterns relative to the importing file, each file cut once (core §2.4)."""

from __future__ import annotations

import os.path

from .blocks import Broken
from .source import glob, open_text, read_text
from .tokens import Token, cut


class Files:
    """Reads imported files. `sources` collects their lines, `warn` takes the reference's warnings."""

    def __init__(self, sources: dict[str, list[str]], warnings: list[str]) -> None:
        self.sources = sources
        self.warnings = warnings
        self.known: dict[str, list[Token]] = {}

    def tokens(self, pattern: str, at: Token) -> list[Token]:
        """Return the words of all files that a pattern names; raises Broken."""
        folder = os.path.dirname(os.path.abspath(at.place.file))
        path = pattern if os.path.isabs(pattern) else os.path.normpath(os.path.join(folder, pattern))
        if path.count("*") > 1 or path.count("?") > 1 or ("[" in path and "]" in path):
            raise Broken(f"Glob pattern may only contain one wildcard (*), but has others: {path}")
        try:
            matches = glob(path)
        except ValueError as error:
            raise Broken(f"Failed to use import pattern {pattern}: {error}") from None
        if not matches:
            if not any(c in path for c in "*?[]"):
                raise Broken(f"File to import not found: {pattern}", at, hint=f"looked for {path}")
            warning = f"[WARNING] No files matching import glob pattern: {pattern}"
            self.warnings.append(warning)
        return [token for match in matches for token in self._file(match, at)]

    def _file(self, path: str, at: Token) -> list[Token]:
        if path not in self.known:
            if os.path.isdir(path):
                raise Broken(f"Could not import {path}: is a directory", at)
            try:
                text = read_text(path)
            except OSError as error:
                raise Broken(f"Could not import {path}: {open_text(path, error)}", at) from None
            name = os.path.abspath(path)
            self.sources[name] = text.split("\n")
            self.known[path] = cut(text, name)
        return self.known[path]
