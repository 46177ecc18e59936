"""What `log` can be told: one rule a name, in the order of the file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from shardns.config.names import from_text
from shardns.config.schema import Args, Draft, Props, Schema
from shardns.config.tokens import Token
from shardns.config.values import CHOICE, Words
from shardns.worker.placeholders import COMBINED, COMMON

CLASSES = ("all", "success", "denial", "error")


@dataclass(frozen=True)
class Scope:
    """The names that a line of the directive is about (wire form), and how it writes their queries."""

    names: tuple[bytes, ...] = (b"\0",)
    format: str = COMMON


def scope(words: Sequence[Token], draft: Draft) -> Scope:
    """Read `[NAME...] [FORMAT]`; the last of several words is the format if it has a brace."""
    texts = [word.text for word in words]
    form = COMMON
    if len(texts) > 1 and "{" in texts[-1]:
        form = texts.pop().replace("{common}", COMMON).replace("{combined}", COMBINED)
    names = tuple(name for text in texts if (name := _name(text)) is not None)
    return Scope(names if texts else (b"\0",), form)


def _name(text: str) -> bytes | None:
    """Return the wire name; a text that is none cannot match anything, as in the reference."""
    try:
        return from_text(text).lower()
    except ValueError:
        return None


class Options(Schema, repeat="each"):
    """Log queries on standard output, one line each, after they were answered."""

    scope: Annotated[Scope, Args(Words(scope, "[NAME...] [FORMAT]"))] = Scope()
    "Log names at or below NAME only (default: all), in FORMAT: text with placeholders; `{common}` and `{combined}` "
    "stand for the formats of that name. With a single word that word is a NAME."

    classes: Annotated[
        tuple[str, ...], Props(CHOICE(*CLASSES, refused="invalid Class: {}", located=False), name="class")
    ] = ()
    "Log only answers of these kinds: success, denial (NXDOMAIN and no data), error, or all."

    @property
    def only(self) -> frozenset[str] | None:
        """The classes that are logged; None for all."""
        return None if not self.classes or "all" in self.classes else frozenset(self.classes)
