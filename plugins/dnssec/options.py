"""The options of `dnssec`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from shardns.config.draft import Draft
from shardns.config.errors import Refuse, WrongCount
from shardns.config.schema import Args, Prop, Props, Schema
from shardns.config.tokens import Token
from shardns.config.values import INTEGER, ZONES, Words

FILE = "file"
AWS = "aws_secretsmanager"


@dataclass(frozen=True, slots=True)
class Keys:
    """One `key` line: where its keys come from, and their names."""

    source: str
    names: tuple[str, ...]


def keys(words: Sequence[Token], draft: Draft) -> Keys:
    """Judge a `key` line; a source that is not known is ignored, what stands behind it is not."""
    source = words[0].text
    if source not in (FILE, AWS):
        if len(words) > 1:
            raise Refuse(f"unknown property '{words[1].text}'", located=True, at=words[1])
        return Keys(source, ())
    if len(words) == 1:
        raise WrongCount(at=words[0])
    names = tuple(word.text for word in words[1:])
    return Keys(source, tuple(map(draft.path, names)) if source == FILE else names)


class Options(Schema):
    """Signs answers on the fly; denials are NSEC records made for the question."""

    zones: Annotated[tuple[bytes, ...], Args(ZONES, block_zones=True)] = ()
    "Zones whose answers are signed; without any, those of the server block."

    key: Annotated[tuple[Keys, ...], Props(Words(keys, "file|aws_secretsmanager KEY..."))] = ()
    "Keys: base names of files as BIND writes them, relative ones below `root`, or secrets of AWS. May be repeated."

    cache_capacity: Annotated[int, Prop(INTEGER(), rest="property")] = 10000
    "How many signed sets of records are kept."
