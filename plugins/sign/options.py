"""The options of `sign`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from shardns.config import golang
from shardns.config.draft import Draft
from shardns.config.errors import Refuse, WrongCount
from shardns.config.schema import Arg, Args, Prop, Props, Schema
from shardns.config.tokens import Token
from shardns.config.values import FILE, ZONES, Words

DIRECTORY = "/var/lib/coredns"
_ONE_DIRECTORY = 'can only be one argument after "directory"'


def keys(words: Sequence[Token], draft: Draft) -> tuple[str, ...]:
    """Judge a `key` line; a source that is not known is ignored, what stands behind it is not."""
    source = words[0].text
    if source == "directory":
        raise Refuse("directory: not implemented", located=False)
    if source != "file":
        if len(words) > 1:
            raise Refuse(f"unknown property '{words[1].text}'", located=True, at=words[1])
        return ()
    if len(words) == 1:
        raise WrongCount(at=words[0])
    return tuple(draft.path(word.text) for word in words[1:])


class Options(Schema, repeat="each"):
    """Writes signed copies of zone files."""

    path: Annotated[str, Arg(FILE(label="DBFILE"))]
    "Zone file to sign; a relative name stands below the path of `root`."

    zones: Annotated[tuple[bytes, ...], Args(ZONES, block_zones=True)] = ()
    "Zones that the file holds; without any, those of the server block. Each gets its own signed file."

    key: Annotated[tuple[tuple[str, ...], ...], Props(Words(keys, "file KEY..."))] = ()
    "Base names of key files as BIND writes them, for all zones of the directive. May be repeated."

    directory: Annotated[
        str,
        Prop(
            FILE(label="DIR"),
            missing=Refuse(_ONE_DIRECTORY, located=False),
            surplus=Refuse(_ONE_DIRECTORY, located=False),
        ),
    ] = DIRECTORY
    "Where signed zones are written, as `db.ZONE.signed`."

    def check(self, draft: Draft) -> None:
        """Refuse a file name that is no text, or stands for such a one."""
        shown = self.path.encode(errors="surrogateescape").decode(errors="replace")
        if "\ufffd" in shown:
            draft.fail(f"dbfile {golang.quote(shown)} contains invalid characters")
