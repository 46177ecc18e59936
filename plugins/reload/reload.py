"""Watches the configuration and has it reloaded when its words change.

1. What counts is the digest of the parsed words with their lines: comments do not, moved lines and imported files do.
2. A content is tried once: one that was refused is not tried again until it changes again.
3. One watcher a server, the last block's; it ends with its keeper, and the next keeper starts its own.
"""

from __future__ import annotations

import asyncio
import hashlib
import os.path
import random
from dataclasses import replace
from typing import Annotated, ClassVar, Self

from shardns.config.digest import running_digest
from shardns.config.errors import ConfigError, Refuse
from shardns.config.load import parse
from shardns.config.schema import Arg, Draft, Schema
from shardns.config.source import Source, built_in, read_text
from shardns.config.values import DURATION, Convert
from shardns.worker.metrics import Counter, Gauge
from shardns.worker.plugin import Service
from shardns.worker.scope import Scope

MINIMUM_S = 2.0
INTERVAL = DURATION(MINIMUM_S, below="interval value must be greater or equal to 2s", located=False)
INTERVAL.label = "INTERVAL"
STDIN = "/dev/stdin"
_TABLE = "reload"

failed_total = Counter("reload_failed_total", "Counter of the number of failed reload attempts.")
version_info = Gauge(
    "reload_version_info",
    "A metric with a constant '1' value labeled by hash, and value which type of hash generated.",
    labels=("hash", "value"),
)


def jitter(word: str, draft: Draft) -> float:
    """Read a jitter: none, or at least a second."""
    span = DURATION(located=False).parse(word, draft)
    if span != 0 and span < 1:
        raise Refuse("jitter value must be 0 or greater or equal to 1s", located=False)
    return span


class Options(Schema, repeat="first", block="again"):
    """Look at the configuration file now and then, and reload it when it has changed."""

    interval_s: Annotated[float, Arg(INTERVAL, name="interval")] = 30.0
    "How often to look (at least 2s)."

    jitter_s: Annotated[float, Arg(Convert(jitter, "JITTER"), name="jitter")] = 15.0
    "Spread of the interval, so that many servers do not reload at once: it is drawn once from INTERVAL ± JITTER/2. "
    "At most half of INTERVAL."

    def settle(self, draft: Draft) -> Self:
        """Keep the jitter within half of the interval."""
        return replace(self, jitter_s=min(self.jitter_s, self.interval_s / 2))


class Reload(Service[Options]):
    """Runs in the keeper."""

    directive = "reload"
    on_events = True
    repeatable = True
    mutable: ClassVar[dict[str, str]] = {"seen": "keeper", "announced": "keeper", "asking": "keeper"}

    def prepare(self) -> None:
        """Remember what runs; the last block's line counts for all."""
        generation = self.site.generation
        generation.table[_TABLE] = self
        self.file, self.looked_up = generation.model.file, generation.model.looked_up
        self.running = generation.model.digest
        self.seen = self.running
        self.announced = False
        self.asking: asyncio.Task[None] | None = None
        self.log = self.site.logger(self.directive)

    async def start(self, scope: Scope) -> None:
        """Say what runs, once, and begin to watch."""
        if self.site.generation.table[_TABLE] is not self:
            return
        if not self.announced:
            self.announced = True
            self.log.info(f"Running configuration SHA512 = {self.running}\n")
            if self.file.endswith(".toml"):
                self.seen = await asyncio.to_thread(digest, self.file, self.looked_up) or self.seen
        if self.file == STDIN:  # what was read at the start stays in force
            return
        options = self.options
        interval_s = options.interval_s + random.uniform(-options.jitter_s / 2, options.jitter_s / 2)
        scope.every(interval_s, lambda: self.look(scope))

    async def look(self, scope: Scope) -> None:
        """Compare once; a change is handed to the master."""
        try:
            found = await asyncio.to_thread(digest, self.file, self.looked_up)
        except ConfigError as error:
            self.log.warning(f"Corefile parse failed: {error.text}")
            return
        if found is None or found == self.seen or (self.asking is not None and not self.asking.done()):
            return
        version_info.remove("sha512", self.seen)
        self.seen = found
        # Not a task of the scope: a commit closes that, and the answer is still to be told.
        self.asking = asyncio.get_running_loop().create_task(self.ask(scope, found))

    async def ask(self, scope: Scope, found: str) -> None:
        """Have the master reload, and tell how it ended."""
        ok, text = await scope.reload()
        version_info.set(1, "sha512", found)
        if not ok:
            failed_total.inc()
            self.log.error(f"Corefile changed but reload failed: {text}")


def digest(file: str, looked_up: bool = False) -> str | None:
    """Return the digest of a configuration file as it is now; None where it cannot be read.

    A file that nobody named and that is gone counts as the built-in configuration, which is what a server without one
    runs. Raises ConfigError where the text cannot be parsed.
    """
    try:
        text = read_text(os.path.normpath(file))
    except OSError as error:
        if not looked_up or not isinstance(error, FileNotFoundError):
            return None
        return running_digest(parse(built_in()).blocks, file)
    if file.endswith(".toml"):
        return hashlib.sha512(text.encode("utf-8", "replace")).hexdigest()
    parsed = parse(Source(file, text))
    if parsed.problems:
        raise ConfigError(parsed.problems)
    return running_digest(parsed.blocks, parsed.file)


PLUGIN = Reload
