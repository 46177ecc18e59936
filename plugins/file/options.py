"""The options of `file`."""

from __future__ import annotations

from typing import Annotated

from shardns.config.errors import Refuse
from shardns.config.schema import Arg, Args, Fallthrough, Flag, Prop, Props, Schema
from shardns.config.values import DURATION, FILE, STRING, ZONES

RELOAD_S = 60.0


class Options(Schema, repeat="each"):
    """Serves zones from zone files."""

    path: Annotated[str, Arg(FILE(label="DBFILE"))]
    "Zone file (RFC 1035 §5); a relative name stands below the `root` directive's path."

    zones: Annotated[tuple[bytes, ...], Args(ZONES, block_zones=True)] = ()
    "Zones that the file holds; without any, those of the server block."

    reload: Annotated[
        float | None,
        Prop(
            DURATION(invalid="plugin/file: {error}", located=False),
            rest="ignore",
            missing=Refuse("reload duration value is expected", located=False),
        ),
    ] = None
    "How often the file is looked at; a new SOA serial replaces the zone. 0 is never, the default is 1m."

    reload_by_mtime: Annotated[bool, Flag(rest="property")] = False
    "Let the file's modification time decide instead of the serial."

    fallthrough: Annotated[tuple[bytes, ...] | None, Fallthrough()] = None
    "Pass queries for names that do not exist to the next plugin; with zones, only for names in them."

    complete_proofs: Annotated[bool, Flag(rest="property")] = False
    "For zones signed with NSEC: send every proof that RFC 4035 asks for, not only those that the reference sends."

    upstream: Annotated[tuple[str, ...], Props(STRING("ANYTHING"), least=0)] = ()
    "Accepted and ignored: names outside are always looked up by the server itself."
