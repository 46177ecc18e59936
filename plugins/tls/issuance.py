"""Sees to it that every ACME domain has a certificate: a thread of the keeper that looks every ten minutes.

1. One runtime a generation, for the stanzas of all blocks. Its thread alone asks the authority: it holds a lock in the
   storage, which a former generation's thread, or another server with the same storage, gives back when it is done.
2. What was obtained is stored; when a round is over and the storage is not what the listeners were made with, they are
   renewed. The generation that follows finds nothing to do.
3. Failures are logged and tried again, later each time. Nothing here ends the keeper, and no part of it waits for us.
"""

from __future__ import annotations

import asyncio
import datetime
import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from shardns.worker.acme import Acme, Storage, stamp
from shardns.worker.scope import Scope

from .challenges import Challenges

CHECK_S: Final = 600.0
# certmagic's: after that, and after what failed for a month, half an hour
RETRY_S: Final = (60.0, 120.0, 120.0, 300.0, 600.0, 600.0, 600.0, 1200.0, 1200.0, 1200.0, 1200.0, 1800.0)
LOCKED_S: Final = 1.0


class Issuance:
    """The stanzas of one generation; `stamps` are what the storages held when its listeners were made."""

    def __init__(self, log: Any, folder: Path, retry_s: tuple[float, ...] = RETRY_S) -> None:
        self._log = log
        self._folder = folder
        self._retry_s = retry_s
        self._stanzas: dict[Acme, str] = {}
        self._failures = 0
        self._stop = threading.Event()
        self._renew: Callable[[], None] = lambda: None

    def add(self, acme: Acme, stamp: str) -> None:
        """See to the domains of one more stanza; stanzas that say the same count once."""
        same = (one for one in self._stanzas if one.account == acme.account and set(one.domains) == set(acme.domains))
        if next(same, None) is None:
            self._stanzas[acme] = stamp

    def start(self, scope: Scope) -> None:
        """Begin, once all services have added theirs."""
        loop = asyncio.get_running_loop()

        def renew() -> None:
            try:
                loop.call_soon_threadsafe(scope.renew)
            except RuntimeError:  # the keeper has ended meanwhile; its successor compares for itself
                return

        self._renew = renew
        scope.defer(self._stop.set)
        thread = threading.Thread(target=self._run, name="acme", daemon=True)
        loop.call_soon(thread.start)

    def _run(self) -> None:
        while not self._stop.is_set():
            delay_s = CHECK_S
            if not self._round():
                delay_s = self._retry_s[min(self._failures, len(self._retry_s) - 1)]
                self._failures += 1
            stored = {acme: stamp(acme) for acme in self._stanzas}
            if stored != self._stanzas:
                self._stanzas = stored
                self._renew()
            self._stop.wait(delay_s)

    def _round(self) -> bool:
        """See to each domain; tells whether all is well."""
        well = True
        for acme in self._stanzas:
            try:
                with self._alone(Storage(acme)):
                    for domain in acme.domains:
                        well = self._see_to(acme, domain) and well
            except OSError as error:
                self._log.error(f"ACME storage {acme.storage}: {error}")
                well = False
        return well

    def _see_to(self, acme: Acme, domain: str) -> bool:
        from .order import FAILURES, due, obtain  # cryptography and requests are heavy, and not every keeper needs them

        now = datetime.datetime.now(datetime.UTC)
        if self._stop.is_set() or not due(acme, domain, now):
            return True
        self._log.info(f"Obtaining a certificate for {domain} from {acme.ca}")
        try:
            obtain(acme, domain, Challenges(self._folder), self._folder)
        except FAILURES as error:
            self._log.error(f"No certificate for {domain}: {explained(error)}")
            return False
        self._log.info(f"Certificate for {domain} obtained")
        return True

    @contextmanager
    def _alone(self, storage: Storage) -> Iterator[None]:
        """Hold the storage's lock, or go without once told to stop. Raises OSError."""
        storage.make(storage.lock.parent)
        descriptor = os.open(storage.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            while not self._stop.is_set():
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    self._stop.wait(LOCKED_S)
            yield
        finally:
            os.close(descriptor)


def explained(error: BaseException) -> str:
    """Return an error in one line; those of the authority by what it says of each name."""
    failed = getattr(error, "failed_authzrs", ())
    details = [
        f"{one.body.identifier.value}: {challenge.error.detail}"
        for one in failed
        for challenge in one.body.challenges
        if challenge.error is not None
    ]
    return "; ".join(details) or " ".join(f"{type(error).__name__}: {error}".split())
