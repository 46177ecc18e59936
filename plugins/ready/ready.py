"""A readiness endpoint, fed by the plugins of its block that can say whether they are ready."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from shardns.config.golang import quote
from shardns.config.schema import Arg, Draft, Prop, Schema
from shardns.config.values import CHOICE
from shardns.worker import endpoints
from shardns.worker.hostport import HOSTPORT
from shardns.worker.http import Request, Response
from shardns.worker.plugin import Plugin, Ready, Service
from shardns.worker.scope import Scope

CONTINUOUSLY = "continuously"
MONITOR = CHOICE("until-ready", CONTINUOUSLY, refused="monitor type '{}' not supported", located=True)
_TABLE = "ready"


class Options(Schema, repeat="once"):
    """Answer on /ready of an HTTP endpoint whether all plugins that can tell are ready: 200, or 503 and who is not."""

    address: Annotated[str, Arg(HOSTPORT())] = ":8181"
    "Where to listen, HOST:PORT."

    monitor: Annotated[str, Prop(MONITOR)] = "until-ready"
    "Whether a plugin that was ready once is asked again: until-ready or continuously. The last block decides for all."

    def shape(self, draft: Draft) -> None:
        """Ask for the socket; the server starts without it."""
        draft.serve(self.address, required=False)


@dataclass(eq=False)
class Table:
    """Who has to be ready, in all blocks together. A name counts once: the last block's plugin speaks for it."""

    continuously: bool = False
    asked: dict[str, Ready] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)

    def unready(self) -> list[str]:
        """Ask, and return the sorted names of those who are not ready."""
        waiting = []
        for name, plugin in self.asked.items():
            if name in self.done and not self.continuously:
                continue
            if plugin.is_ready():
                self.done.add(name)
            else:
                waiting.append(name)
        return sorted(waiting)


class Readiness(Service[Options]):
    """Runs in the keeper."""

    directive = "ready"
    repeatable = True
    mutable: ClassVar[dict[str, str]] = {"release": "keeper"}

    def prepare(self) -> None:
        """Find the table that all blocks share."""
        self.table: Table = self.site.generation.table.setdefault(_TABLE, Table())
        self.table.continuously = self.options.monitor == CONTINUOUSLY
        self.release: endpoints.Release | None = None
        self.log = self.site.logger(self.directive)

    async def start(self, scope: Scope) -> None:
        """Enter the block's plugins and open the endpoint; where nobody can listen, there is none."""
        for member in self.site.members:
            if isinstance(member, Ready):
                assert isinstance(member, Plugin)
                self.table.asked[member.directive] = member
        self.release = await endpoints.serve(scope, self.options.address, "/ready", self.answer)

    async def stopping(self) -> None:
        """Close before `health` begins its wait: traffic shall go elsewhere."""
        if self.release is not None:
            await self.release(for_good=True)

    def answer(self, _request: Request) -> Response:
        """Tell whether everybody is ready."""
        waiting = ",".join(self.table.unready())
        if not waiting:
            return Response(200, b"OK")
        self.log.info(f"Plugins not ready: {quote(waiting)}")
        return Response(503, waiting.encode())


PLUGIN = Readiness
