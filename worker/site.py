"""A site: one server block in one process, with everything its plugins may reach.

Built before any query and, in workers, with no event loop running. What differs between keeper and workers hangs on
the `Generation` behind it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from shardns.config.model import ServerBlock

from .chain import Settled, Step, compile_chain, spawn_below
from .log import PluginLog
from .plugin import Gate, Layer, Metadata, Plugin, Source
from .query import Query, Request
from .reply import DROP, Drop, Failure, Reply, ServFail
from .shared import Shared, SharedSum
from .wire.codes import IN
from .wire.fit import cut

if TYPE_CHECKING:
    from .generation import Generation

MAX_DEPTH = 16  # follow-up lookups inside each other
MAX_LOOKUPS = 64  # follow-up lookups of one request, all together: each may want several, and so on


class Site:
    """`zones` are the block's keys (wire names) in file order, `view` the name of its view.

    `plugins` are the chain's members (sources, layers), `members` all plugin objects of the block. `plain` is the
    source that plain queries may be brought to directly, where nothing before it cares.
    """

    def __init__(self, block: ServerBlock, generation: Generation) -> None:
        self.block = block
        self.generation = generation
        self.zones: tuple[bytes, ...] = tuple(dict.fromkeys(key.zone for key in block.keys))
        self.view = ""
        self.members: list[Plugin[Any]] = []
        self.plugins: list[Plugin[Any]] = []
        self.gates: list[Gate[Any]] = []
        self.describers: list[Metadata] = []
        self.collects_metadata = False
        self.opens_classes = False
        self.plain: Source[Any] | None = None
        self.step: Step
        self._below: dict[int, Step] = {}

    def assemble(self, members: list[Plugin[Any]]) -> None:
        """Take the block's plugin objects, in chain order, and compile the chain."""
        self.members = members
        self.plugins = [m for m in members if isinstance(m, (Source, Layer))]
        self.gates = [m for m in members if isinstance(m, Gate)]
        self.describers = [m for m in members if isinstance(m, Metadata)]
        self.collects_metadata = any(m.directive == "metadata" for m in members)
        self.opens_classes = any(m.opens_classes for m in members)
        self.step, self._below = compile_chain(self.plugins)
        first = next((m for m in self.plugins if not m.transparent), None)
        self.plain = first if isinstance(first, Source) and first.plain_zones and not self.gates else None

    def find(self, directive: str) -> Plugin[Any] | None:
        """Return the block's plugin object of that directive."""
        return next((m for m in self.members if m.directive == directive), None)

    def logger(self, directive: str) -> PluginLog:
        """Return a logger whose lines start with `plugin/<directive>: `."""
        return PluginLog(directive)

    def collect(self, query: Query) -> dict[str, Callable[[], str]]:
        """Return the labels that the block's plugins offer for a query (`metadata`)."""
        labels: dict[str, Callable[[], str]] = {}
        query.request.metadata = labels
        plugin = self.find("metadata")
        covers = getattr(plugin, "covers", None)
        if covers is None or covers(query.name):
            for describer in self.describers:
                labels.update(describer.describe(query))
        return labels

    # Shared numbers ---------------------------------------------------------------------------------------------

    def shared(self, name: str, directive: str = "") -> Shared:
        """Return a number shared by all processes of the generation; 0 at first. Ask in `prepare`."""
        return self.generation.cells.shared(self.block.index, directive, name)

    def shared_sum(self, name: str, directive: str = "") -> SharedSum:
        """Return a number that every process adds to and everybody reads the sum of. Ask in `prepare`."""
        return self.generation.cells.total(self.block.index, directive, name)

    # Asking again ------------------------------------------------------------------------------------------------

    def lookup(self, query: Query, name: bytes, qtype: int) -> Settled | Awaitable[Settled]:
        """Ask the whole server another question on the client's behalf (spec core §7.2); `name` keeps its letter case.

        Returns a Reply (REFUSED where no site serves the name) or DROP, or an awaitable of one of them. The answer is
        cut to what the client takes. Raises ServFail past `MAX_DEPTH` nested lookups and past `MAX_LOOKUPS` in all.
        """
        outer = query.request
        if outer.lookups is None:
            outer.lookups = [0]
        if outer.depth >= MAX_DEPTH or outer.lookups[0] >= MAX_LOOKUPS:
            raise ServFail("too many nested lookups")
        outer.lookups[0] += 1
        size_bytes = 16 + len(name) + (len(query.edns.wire) if query.edns is not None else 0)  # 16: header, type, class
        inner = Request(outer.listener, outer.sender, outer.family, outer.via, outer.started, size_bytes)
        inner._peer, inner._local = outer._peer, outer._local
        inner.series = outer.series
        inner.deadline = outer.deadline
        inner.depth = outer.depth + 1
        inner.lookups = outer.lookups
        inner.metadata = None
        asked = query.ask(owner=name, qtype=qtype, qclass=IN, request=inner)
        dispatch = self.generation.dispatches[outer.listener.index]
        try:
            result = dispatch.resolve(asked)
        except Failure as failure:
            result = _failed(asked, failure)
        if isinstance(result, (Reply, Drop)):
            _merge(outer, inner)
            return fitted(asked, result)
        return _await_lookup(outer, asked, result)

    def background(
        self, plugin: Plugin[Any], query: Query, done: Callable[[Reply | Drop | BaseException], None]
    ) -> None:
        """Run the chain below a plugin behind the reply, as a request of its own without a size limit."""
        outer = query.request
        request = Request(outer.listener, outer.sender, outer.family, "tcp", self.generation.now(), outer.size_bytes)
        request._peer, request._local = outer._peer, outer._local
        request.metadata = {} if outer.metadata is not None else None
        spawn_below(self._below[id(plugin)], query.ask(request=request), done)

    # Other processes ---------------------------------------------------------------------------------------------

    def relay(self, plugin: Plugin[Any], body: bytes) -> None:
        """Send octets from a worker to this block's plugin object in the keeper (`relayed`), or back to all workers."""
        self.generation.relay(self.block.index, plugin.directive, body)

    def fatal(self, text: str) -> None:
        """End the whole server with status 1 and a `[FATAL]` line."""
        self.generation.fatal(f"[FATAL] {text}")


def _merge(outer: Request, inner: Request) -> None:
    """Carry over what the memo must know of a follow-up."""
    outer.once = outer.once or inner.once
    outer.variants = max(outer.variants, inner.variants)
    outer.tallies += inner.tallies
    if inner.until is not None:
        outer.hold(inner.until, inner.until)
    if inner.zones:
        outer.zones = (outer.zones or []) + inner.zones
    if inner.repeats:
        outer.repeats = (outer.repeats or []) + inner.repeats
    if inner.guards:
        outer.guards = (outer.guards or []) + inner.guards


async def _await_lookup(outer: Request, asked: Query, waiting: Awaitable[Settled]) -> Settled:
    try:
        result = await waiting
    except Failure as failure:
        result = _failed(asked, failure)
    _merge(outer, asked.request)
    return fitted(asked, result)


def _failed(asked: Query, failure: Failure) -> Reply:
    """Answer a follow-up as the core answers a failure; like one, it is not for the memo."""
    asked.once()
    return (asked.request.shown or asked).reply(failure.rcode)


def fitted(query: Query, result: Settled) -> Settled:
    """Return the reply as the client of `query` would get it, cut where it is too long."""
    return DROP if isinstance(result, Drop) else cut(query.request.shown or query, result)
