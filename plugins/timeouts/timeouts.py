"""How long clients on streams may take, and how many queries a connection may carry."""

from __future__ import annotations

from typing import Annotated

from shardns.config import golang
from shardns.config.errors import Refuse
from shardns.config.model import Timeouts as Limits
from shardns.config.schema import Draft, Prop, Schema
from shardns.config.values import DURATION, Convert
from shardns.worker.plugin import Plugin

DAY_S = 86_400
SPAN = DURATION(
    1,
    DAY_S,
    plain=True,
    located=True,
    below="timeout provided '{}' needs to be between 1 second and 24 hours",
    invalid="failed to parse duration '{}'",
)


def queries(word: str, draft: Draft) -> int:
    """Read a number of queries; -1 is no bound."""
    try:
        count = golang.integer(word)
    except ValueError as error:
        raise Refuse(f"invalid value for maxtcpqueries '{word}': {error}", located=True) from None
    if count < 1 and count != -1:
        text = f"maxtcpqueries provided '{count}' needs to be -1 (unlimited) or a positive integer"
        raise Refuse(text, located=True)
    return count


class Options(
    Schema,
    repeat="merge",
    unknown="unknown option: '{}'",
    inner="plugin/timeouts: ",
    bare="timeouts block with no timeouts specified",
):
    """Bounds how long clients on streams may take, and how much they may ask."""

    read_s: Annotated[float | None, Prop(SPAN, name="read")] = None
    "How long the first message of a connection may take (default: 3s)."

    write_s: Annotated[float | None, Prop(SPAN, name="write")] = None
    "How long writing an answer may take where HTTP carries it (default: 5s)."

    idle_s: Annotated[float | None, Prop(SPAN, name="idle")] = None
    "How long each later message may take (default: 10s)."

    maxtcpqueries: Annotated[int | None, Prop(Convert(queries, "N"))] = None
    "Queries after which a connection is closed; -1, the default, is no bound."

    @property
    def limits(self) -> Limits:
        """What the block says."""
        return Limits(self.read_s, self.write_s, self.idle_s, self.maxtcpqueries)

    def shape(self, draft: Draft) -> None:
        """Give the block its limits."""
        draft.timeouts = self.limits


class Timeouts(Plugin[Options]):
    """Only set-up; the listener applies the limits."""

    directive = "timeouts"


PLUGIN = Timeouts
