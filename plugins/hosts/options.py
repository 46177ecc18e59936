"""The options of `hosts`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from shardns.config.errors import Refuse
from shardns.config.golang import quote, seconds
from shardns.config.schema import Arg, Args, Draft, Fallthrough, Flag, Prop, Rest, Schema
from shardns.config.values import INTEGER, STRING, ZONES, Convert

DEFAULT_PATH = "/etc/hosts"
_NEEDS_DURATION = "reload needs a duration (zero seconds to disable)"


def hosts_file(word: str, draft: Draft) -> str:
    """Return the path, having looked whether it can be read one day."""
    path = draft.path(word)
    try:
        if Path(path).stat().st_mode & 0o170000 == 0o040000:
            draft.warn(f"Hosts file {quote(path)} is a directory")
    except FileNotFoundError:
        draft.warn(f"File does not exist: {path}")
    except OSError as error:
        # The reference's library puts the call and the path before the system's text, which it spells in lower case.
        reason = os.strerror(error.errno or 0)
        reason = reason[:1].lower() + reason[1:]
        raise Refuse(f"unable to access hosts file '{path}': stat {path}: {reason}", located=True) from None
    return path


def reload_period(word: str, draft: Draft) -> float:
    """Return the seconds between two looks at the file."""
    try:
        period = seconds(word)
    except ValueError:
        raise Refuse(f"invalid duration for reload '{word}'", located=True) from None
    if period < 0:
        raise Refuse(f"invalid negative duration for reload '{word}'", located=True)
    return period


class Options(Schema, repeat="once"):
    """Answers A, AAAA and PTR from a file in hosts(5) format."""

    path: Annotated[str, Arg(Convert(hosts_file, "FILE"))] = DEFAULT_PATH
    "File to serve, in hosts(5) format; a relative name stands below the `root` directive's path."

    zones: Annotated[tuple[bytes, ...], Args(ZONES(), block_zones=True)] = ()
    "Zones that are served; names outside them are left out. Without any, those of the server block."

    inline: Annotated[tuple[tuple[str, ...], ...], Rest(STRING("IP NAME..."), until=("fallthrough",))] = ()
    "Further lines in the format of the file; their addresses come after those of the file."

    ttl: Annotated[
        int,
        Prop(
            INTEGER(1, 65535, below="ttl provided is invalid", invalid="ttl needs a number of second", located=True),
            rest="ignore",
            missing="ttl needs a time in second",
        ),
    ] = 3600
    "TTL of every answer in seconds."

    no_reverse: Annotated[bool, Flag(rest="property")] = False
    "Do not answer PTR."

    reload: Annotated[
        float, Prop(Convert(reload_period, "DURATION"), missing=_NEEDS_DURATION, surplus=_NEEDS_DURATION)
    ] = 5.0
    "How often to look whether the file has changed; 0 is never."

    fallthrough: Annotated[tuple[bytes, ...] | None, Fallthrough()] = None
    "Pass queries for names that do not exist to the next plugin; with zones, only for names in them."

    fallthrough_unsupported: Annotated[bool, Flag()] = False
    "Pass queries for types other than A, AAAA and PTR on, too, also for names that exist."

    def check(self, draft: Draft) -> None:
        """Refuse a widened `fallthrough` that is not there."""
        if self.fallthrough_unsupported and self.fallthrough is None:
            raise Refuse("fallthrough_unsupported requires fallthrough", located=True)
