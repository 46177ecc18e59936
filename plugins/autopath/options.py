"""The options of `autopath`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from shardns.config.errors import Refuse
from shardns.config.golang import quote
from shardns.config.names import ROOT, from_text
from shardns.config.schema import Arg, Args, Draft, Schema
from shardns.config.values import ZONES, Convert


def source(word: str, draft: Draft) -> str | tuple[bytes, ...]:
    """Return `@PLUGIN` as it stands, or the search list of a file, with the root at its end."""
    if word.startswith("@"):
        return word
    try:
        text = Path(word).read_text(errors="surrogateescape") if word else _missing(word)
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        reason = reason[:1].lower() + reason[1:]
        raise Refuse(f"failed to parse {quote(word)}: open {word}: {reason}", located=False) from None
    found = search_list(text)
    return (*found, ROOT) if found else ()  # a list of the name itself completes nothing


def _missing(word: str) -> str:
    raise FileNotFoundError(2, "no such file or directory", word)


def search_list(text: str) -> tuple[bytes, ...]:
    """Return the search list of a resolv.conf(5): the last `search` or `domain` line counts."""
    found: list[str] = []
    for words in map(str.split, text.splitlines()):
        if words[:1] == ["search"]:
            found = words[1:]
        elif words[:1] == ["domain"]:
            found = words[1:2]
    names = []
    for word in found:
        try:
            names.append(from_text(word).lower())
        except ValueError:
            continue  # nothing can be asked below what is no name
    return tuple(names)


class Options(Schema, repeat="each", block="again"):
    """Walks the client's search list on the server."""

    zones: Annotated[tuple[bytes, ...], Args(ZONES(), block_zones=True)] = ()
    "Where queries are completed; the server block's zones where none are named."

    source: Annotated[
        str | tuple[bytes, ...],
        Arg(Convert(source, "RESOLV-CONF"), missing=Refuse("no resolv-conf specified", located=False)),
    ]
    "The search list: the name of a file in resolv.conf(5) format, or `@` and the name of a plugin that knows the list "
    "of each client."
