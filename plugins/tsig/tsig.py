"""Checks the signatures of queries, requires them where told to, and has the answers signed.

1. The keys of all blocks that share a listener are one table; a name must match letter by letter.
2. What the plugins below see of a signed query has no TSIG record any more.
"""

from __future__ import annotations

import time
from typing import ClassVar, Final

from shardns.worker import log, tsig
from shardns.worker.listener import Listener
from shardns.worker.plugin import Layer, Steps
from shardns.worker.query import Query
from shardns.worker.reply import Drop, Failure, FormErr
from shardns.worker.tsig import BADKEY, BADSIG, BADTIME, BADTRUNC, Key, Secrets, Signer, TsigError
from shardns.worker.wire.codes import TSIG, Rcode
from shardns.worker.wire.names import ROOT
from shardns.worker.wire.read import Malformed

from .options import Options

_REASONS: Final = {
    BADKEY: "dns: no secrets defined",
    BADSIG: "dns: bad signature",
    BADTIME: "dns: bad time",
    BADTRUNC: "dns: truncated signature",
}


class Tsig(Layer[Options]):
    """One block's rules; `secrets` are its keys, for `transfer` and `secondary` too."""

    directive = "tsig"
    repeatable = True
    mutable: ClassVar[dict[str, str]] = {"pools": "worker"}

    def prepare(self) -> None:
        """Collect the keys and the rules."""
        options = self.options
        self.zones = frozenset(options.zones)
        self.secrets: Secrets = options.keys
        self.types = frozenset(options.require[-1].numbers if options.require else ())
        self.opcodes = frozenset(options.require_opcode[-1].numbers if options.require_opcode else ())
        # `require none` behind `require all` takes nothing back, as in the reference.
        self.everything = any(line.all for line in (*options.require, *options.require_opcode))
        self.pools: dict[int, Secrets] = {}

    def around(self, query: Query) -> Steps:
        """Pass on, refuse, or verify."""
        request = query.request
        if not request.tsig_at:
            if self._requires(query) and self._covers(query.name):
                log.debug(f"rejecting '{query.type_text}' request without TSIG\n")
                yield query.reply(Rcode.REFUSED)
            yield (yield query)
        elif not self._covers(query.name):
            yield (yield query)
        else:
            yield from self._verified(query)

    def _verified(self, query: Query) -> Steps:
        request = query.request
        secrets = self._pool(request.listener)
        now = int(time.time())
        try:
            record = tsig.parse(request.wire, request.tsig_at)
            tsig.verify(request.wire, request.tsig_at, secrets, now)
        except Malformed:
            raise FormErr from None
        except TsigError as error:
            log.debug(f"TSIG validation failed: {query.type_text} {_REASONS[error.code]}")
            secret = secrets.get(record.name) if error.code == BADTIME else None
            request.signer = Signer(record, query.id, secret, now, error.code)
            yield query.reply(Rcode.NOTAUTH)
            return
        request.signer = Signer(record, query.id, secrets[record.name], now)
        request.tsig, request.tsig_at = None, 0
        try:
            reply = yield query.ask()
        except Failure as failure:
            if failure.text:
                log.error(f"request handler returned an error: {failure.text}\n")
            reply = query.reply(failure.rcode)
        if not isinstance(reply, Drop) and reply.additional and reply.additional[-1].rtype == TSIG:
            request.signer = None
        yield reply

    def _requires(self, query: Query) -> bool:
        return self.everything or query.qtype in self.types or query.opcode in self.opcodes

    def _covers(self, name: bytes) -> bool:
        zones = self.zones
        while name not in zones:
            if name == ROOT:
                return False
            name = name[1 + name[0] :]
        return True

    def _pool(self, listener: Listener) -> Secrets:
        """Return the keys of all blocks of a listener."""
        pool = self.pools.get(listener.index)
        if pool is None:
            merged: dict[bytes, bytes | None] = {}
            sites = {id(site): site for sites in listener.zones.values() for site in sites}
            for site in sites.values():
                other = site.find(self.directive)
                if isinstance(other, Tsig):
                    merged |= other.secrets
            pool = self.pools[listener.index] = merged or self.secrets
        return pool

    def key(self, name: bytes) -> Key | None:
        """Return a key to sign messages of our own with."""
        secret = self.secrets.get(name)
        return Key(name, secret) if secret is not None else None


PLUGIN = Tsig
__all__ = ["PLUGIN", "Options", "Tsig"]
