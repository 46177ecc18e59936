"""The options of `auto`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from shardns.config import regex
from shardns.config.errors import Refuse, WrongCount
from shardns.config.regex import Pattern
from shardns.config.schema import Args, Draft, Flag, Prop, Props, Schema
from shardns.config.tokens import Token
from shardns.config.values import DURATION, STRING, ZONES, Words

MAX_REGEX = 10_000  # characters
DEFAULT_REGEX = r"db\.(.*)"
DEFAULT_TEMPLATE = "${1}"


@dataclass(frozen=True, slots=True)
class Directory:
    """Where zone files stand and which of them count; the template is in the form of Go's `Expand`."""

    path: str = ""
    pattern: Pattern | None = None
    template: str | None = None


def _directory(words: Sequence[Token], draft: Draft) -> Directory:
    path = draft.path(words[0].text)
    try:
        os.stat(path)
    except FileNotFoundError:
        draft.warn(f"Directory does not exist: {path}")
    except OSError as error:
        reason = f"stat {path}: {(error.strerror or str(error)).lower()}"
        raise Refuse(f"Unable to access root path '{path}': {reason}", located=True, at=words[0]) from None
    if len(words) == 1:
        return Directory(path)
    pattern = _pattern(words[1])
    if len(words) != 3:
        raise WrongCount(at=words[1] if len(words) == 2 else words[3])
    return Directory(path, pattern, words[2].text.replace("{", "${"))


def _pattern(word: Token) -> Pattern:
    if len(word.text) > MAX_REGEX:
        raise Refuse("regexp too large", located=True, at=word)
    try:
        pattern = regex.compile(word.text)
    except ValueError as error:
        raise Refuse(str(error), located=False, at=word) from None
    if not pattern.groups:
        raise Refuse("Need at least one sub expression", located=True, at=word)
    return pattern


class Options(Schema, repeat="merge"):
    """Serves every zone file of a folder."""

    zones: Annotated[tuple[bytes, ...], Args(ZONES(), block_zones=True)] = ()
    "Only names in these zones are answered, whatever the files hold; without any, those of the server block."

    directory: Annotated[
        tuple[Directory, ...], Props(Words(_directory, "DIR [REGEXP ORIGIN_TEMPLATE]"), name="directory")
    ] = ()
    "The folder, what the names of its files look like (RE2), and the zone's name made of that."

    reload: Annotated[
        float,
        Prop(
            DURATION(0, below="plugin/file: invalid duration", invalid="plugin/file: {error}", located=False),
            rest="ignore",
            missing=Refuse("reload duration value is expected", located=False),
        ),
    ] = 60.0
    "How often the folder and the files are looked at; 0 is never."

    complete_proofs: Annotated[bool, Flag(rest="property")] = False
    "For zones signed with NSEC: send every proof that RFC 4035 asks for, not only those that the reference sends."

    upstream: Annotated[tuple[str, ...], Props(STRING("ANYTHING"), least=0)] = ()
    "Accepted and ignored: names outside are always looked up by the server itself."

    @property
    def folder(self) -> Directory:
        """What the `directory` lines say together: each sets what it gives."""
        path, pattern, template = "", None, None
        for line in self.directory:
            path = line.path
            if line.pattern is not None:
                pattern, template = line.pattern, line.template
        if pattern is None:
            pattern, template = regex.compile(DEFAULT_REGEX), DEFAULT_TEMPLATE
        return Directory(path or ".", pattern, template)
