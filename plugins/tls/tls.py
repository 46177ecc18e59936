"""The certificate of the encrypted listeners: checked when the configuration is, watched while it is used."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar

from shardns.config.model import listeners
from shardns.worker.acme import LABEL
from shardns.worker.plugin import Outcome, Service, SetupError, Source
from shardns.worker.query import Query
from shardns.worker.scope import Scope
from shardns.worker.site import Site
from shardns.worker.wire.codes import IN, TXT
from shardns.worker.wire.names import within
from shardns.worker.wire.records import RRset, Section

from .challenges import Challenges
from .ddr import RESOLVER, Designations
from .issuance import Issuance
from .options import Options
from .watch import INTERVAL_S, Watch

if TYPE_CHECKING:
    from shardns.worker.store.publish import Staging

__all__ = ["PLUGIN", "Options"]

PACKAGES = ("acme", "josepy")
_WATCH, _ISSUANCE = "tls", "tls acme"


class Tls(Service[Options]):
    """The listeners encrypt; the keeper watches the files and the ACME domains, for all blocks together."""

    directive = "tls"
    repeatable = True
    mutable: ClassVar[dict[str, str]] = {}

    def __new__(cls, options: Options, site: Site) -> Tls:
        """Return a plugin that answers where any block has ACME domains, or where this one has a name to announce."""
        blocks = site.generation.model.blocks
        acme = any(block.encryption is not None and block.encryption.acme is not None for block in blocks)
        return super().__new__(Answering if (acme or options.ddr) and cls is Tls else cls)

    async def load(self, staging: Staging) -> None:
        """Refuse ACME domains where the packages for them are missing. Raises SetupError."""
        if self.options.acme is not None and any(find_spec(name) is None for name in PACKAGES):
            raise SetupError(
                f"plugin/tls: acme needs the packages {' and '.join(PACKAGES)} (pip install shardns[acme])"
            )

    async def start(self, scope: Scope) -> None:
        """Begin to watch."""
        encryption = self.site.block.encryption
        if encryption is None:
            return
        table: dict[Any, Any] = scope.generation.table
        if encryption.acme is not None:
            if _ISSUANCE not in table:
                issuance = table[_ISSUANCE] = Issuance(self.site.logger(self.directive), scope.generation.folder)
                issuance.start(scope)
            table[_ISSUANCE].add(encryption.acme, encryption.stamp)
        elif encryption.certificate:
            if _WATCH not in table:
                watch = table[_WATCH] = Watch(self.site.logger(self.directive))
                scope.every(INTERVAL_S, lambda: watch.look(scope))
            table[_WATCH].add(encryption)


class Answering(Tls, Source[Options]):
    """The same in a server with ACME domains, where it answers for the challenges in every block, or with `ddr`."""

    def prepare(self) -> None:
        """Find the folder where challenges are presented, and the listeners that are announced."""
        generation = self.site.generation
        self.challenges = Challenges(generation.folder)
        name = self.options.ddr
        self.designations = Designations(name, listeners(generation.model)) if name is not None else None

    def answer(self, query: Query) -> Outcome:
        """Answer TXT queries for what is presented now (TTL 0, so nobody keeps it), and what `ddr` answers."""
        if self.designations is not None and query.qclass == IN and within(query.name, RESOLVER):
            return self.designations.reply(query)
        if query.qtype != TXT or query.qclass != IN or not query.name.startswith(LABEL):
            return None
        query.once()
        values = self.challenges.find(query.name)
        if not values:
            return None
        rdatas = tuple(bytes((len(value),)) + value.encode() for value in values)
        return query.reply(answer=Section([RRset(query.owner, TXT, 0, rdatas)]), aa=True)


PLUGIN = Tls
