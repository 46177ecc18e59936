"""The plugin contract: four shapes, and what a plugin is given when it is built.

A plugin class stands in `plugins/<directive>/<directive>.py`, beside its `Options` (a `shardns.config.schema.Schema`).
One object is built per server block and process that needs it: sources, layers and gates in every worker, services
in the keeper. A class may be a source (or layer) and a service at once: workers call `answer`/`around`, the keeper
`load`/`start`; the two objects live in different processes and meet only in the store and in shared cells.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Generator, Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from .query import Query
from .reply import Drop, Packed, Reply

if TYPE_CHECKING:
    from .scope import Scope
    from .site import Site
    from .store.publish import Staging

O = TypeVar("O")  # noqa: E741

Outcome = Reply | Drop | None


class Timed:
    """Yielded by a layer instead of a Query: ask below, but wait no longer than `timeout_s`.

    Past that the yield raises TimeoutError, the run below goes on, and its outcome (a Reply, DROP or the exception)
    is handed to `late`.
    """

    def __init__(self, query: Query, timeout_s: float, late: Callable[[Reply | Drop | BaseException], None]) -> None:
        self.query = query
        self.timeout_s = timeout_s
        self.late = late


Steps = Generator[Query | Timed | Awaitable[Reply | Drop] | Reply | Drop, Reply | Drop, None]


class Plugin(ABC, Generic[O]):
    """A directive in one server block. Plain plugins only carry options.

    Class attributes:
    `repeatable`  same key, same answer: its answers may go into the memo (DESIGN §4). Default: no.
    `mutable`     every attribute that changes after `__init__`, by name, with where its truth lives:
                  "worker" (pools, caches that may differ), "store", "shared" (a `Shared` cell) or "keeper".
    `opens_classes`  the listener lets classes other than IN through (chaos, forward).
    `transparent` a plain query (see `Spot`) and its answer pass unchanged, and nobody could tell that they did.
    """

    directive: ClassVar[str] = ""
    repeatable: ClassVar[bool] = False
    opens_classes: ClassVar[bool] = False
    transparent: ClassVar[bool] = False
    mutable: ClassVar[dict[str, str]] = {}

    def __init__(self, options: O, site: Site) -> None:
        self.options = options
        self.site = site
        self.prepare()

    def prepare(self) -> None:
        """Build what queries need; called once per process, before any query, with no event loop running."""

    def end_name(self, query: Query) -> str:
        """Return what the reference calls this plugin where a query runs off the end of the chain behind it."""
        return self.directive


class Spot(ABC):
    """Answers plain queries for the names of a zone that stand directly below one name, each without a Query.

    Plain is: over UDP, no opcode, class IN, no EDNS option, neither DS nor a transfer. What is returned is the packed
    form of the reply that the source's `answer` gives; None where that has to be asked.
    """

    __slots__ = ()

    @abstractmethod
    def look_up(self, name: bytes, qtype: int, flags: int, signed: bool) -> Packed | None:
        """Answer for any lower-case name of the zone. `flags` is the header's second word, `signed` the DO bit."""

    def answer(self, name: bytes, qtype: int, flags: int, signed: bool) -> Packed | None:
        """Answer for a name directly below the spot; its label has no zero octet."""
        return self.look_up(name, qtype, flags, signed)


class Source(Plugin[O]):
    """Answers queries. `plain_zones` are those whose plain queries may be brought to its spots, told once."""

    plain_zones: frozenset[bytes] = frozenset()

    @abstractmethod
    def answer(self, query: Query) -> Outcome | Awaitable[Outcome]:
        """Return a Reply, DROP (answer nothing), or None (not mine: ask the next plugin).

        An `async def` only if it really waits. Raises `Failure` subclasses for answers the core shall write.
        """

    def spot(self, parent: bytes, zone: bytes) -> Spot | None:
        """Return where plain queries for names below `parent` go, in one of its plain zones."""
        return None


class Layer(Plugin[O]):
    """Acts around the plugins below it."""

    @abstractmethod
    def around(self, query: Query) -> Steps:
        """Yield a Query to ask below (the yield's value is what came back: a Reply or DROP); yield a Reply to answer.

        An awaitable (what `site.lookup` may return) can be yielded as well: its result comes back. The first Reply (or
        DROP) yielded is the outcome and ends the layer. A `Failure` raised below appears at the yield, where it may be
        caught.
        """


class Gate(Plugin[O]):
    """Decides whether a site takes a query."""

    @abstractmethod
    def admits(self, query: Query) -> bool:
        """Tell whether the site may answer this query."""


class Service(Plugin[O]):
    """Runs once per generation, in the keeper.

    Services start and stop in the order of directives. One with `on_events` acts on the start and the end of the server
    as a whole: it starts behind the others and leaves before them.
    """

    on_events: ClassVar[bool] = False

    async def load(self, staging: Staging) -> None:
        """Read inputs and write them to the generation's staging; raise `ConfigError`/`SetupError` to refuse.

        Nothing may be sent, listened on or written elsewhere: the generation may never be committed.
        """

    async def start(self, scope: Scope) -> None:
        """After commit: watch, notify, listen. Timers, tasks and cleanups belong to `scope`."""

    async def refused(self) -> None:
        """After a reload came to nothing, while this generation serves on."""

    async def leaving(self) -> None:
        """Before the process ends for good, ahead of any service's `stopping`: what need not wait for `health`."""

    async def stopping(self) -> None:
        """Before the process ends for good (SIGTERM, SIGINT), workers still answering: `health` sleeps here."""


class SetupError(Exception):
    """A generation that cannot start: the reference's text, printed as it is."""


class Metadata(ABC):
    """Mix-in: offers labels before the chain runs, to sites with a `metadata` directive."""

    @abstractmethod
    def describe(self, query: Query) -> Iterable[tuple[str, Any]]:
        """Yield (label, function returning its value)."""


class Ready(ABC):
    """Mix-in: takes part in `ready`. Asked in the keeper."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Tell whether the plugin can serve."""
