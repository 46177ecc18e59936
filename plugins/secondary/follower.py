"""One zone kept up to date: the first transfer, refresh, retry and expiry (RFC 1035 §3.3.13), NOTIFY.

1. Timers run from the last time that a primary confirmed the version that is served.
2. A primary that answers with an error has confirmed nothing: expiry is reached.
3. Checks and transfers of one zone never overlap.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Final

from shardns.config.golang import duration_text, quote
from shardns.worker.store.chain import BrokenChain
from shardns.worker.tsig import Key
from shardns.worker.wire.names import to_text
from shardns.worker.zone.copy import Timers
from shardns.worker.zone.fetch import DialError, check
from shardns.worker.zone.peers import Peer, peer_text
from shardns.worker.zone.slices import in_slices
from shardns.worker.zone.transfer import Soa, TransferError, older

from .catalog import CatalogError
from .intake import Intake, Unstorable, Validate, new_zone, zone_digest
from .vault import Vault

FIRST_RETRY_S: Final = 0.25
LAST_RETRY_S: Final = 10.0
REFRESH_JITTER_S: Final = 5.0
RETRY_JITTER_S: Final = 2.0

Clock = Callable[[], float]


class Follower:
    """Follows the primaries of one zone. `validate` and `applied` are for catalogs."""

    def __init__(
        self, vault: Vault, origin: bytes, peers: tuple[Peer, ...], key: Key | None, complete: bool = False
    ) -> None:
        self.vault = vault
        self.origin = origin
        self.text = to_text(origin)
        self.peers = peers
        self.key = key
        self.complete = complete
        self.validate: Validate | None = None
        self.applied: Callable[[], Awaitable[None]] | None = None
        self.copy = vault.copy(origin)
        self.soa = b""  # rdata of the version that is served
        self.checked = 0.0  # seconds since 1970
        self.expired = False
        self.asked = False  # a NOTIFY is waiting
        self.clock: Clock = time.time
        self._busy = asyncio.Lock()
        self._woken = asyncio.Event()

    @property
    def times(self) -> Soa:
        """The timers of the version that is served."""
        return Soa.of(self.soa)

    # From disk -------------------------------------------------------------------------------------------------------

    async def restore(self) -> bool:
        """Publish the copy on disk, as expired if it is; returns whether there is one."""
        copy, vault = self.copy, self.vault
        timers = copy.read_timers()
        deltas = copy.deltas()
        if timers is None or deltas is None:
            return False
        digest = copy.digest(deltas)
        if vault.staging.reuse(self.origin, vault.owner, zone_digest(digest, self.complete)) is None:
            writer = new_zone(vault, self.origin, self.complete, digest)
            try:
                await in_slices(copy.restore(writer, deltas))
                if writer.soa is None or int.from_bytes(writer.soa[1][-20:-16], "big") != timers.serial:
                    raise TransferError("the copy is of another version")
                await in_slices(writer.write(strict=True))
            except (TransferError, BrokenChain, IndexError, ValueError) as error:
                writer.discard()
                copy.timers = None
                vault.log.warning(f"Failed to restore zone {self.text} from disk: {error}")
                return False
        zone = vault.zone(self.origin)
        assert zone is not None and zone.soa
        self.soa = zone.soa[0].rdatas[0]
        self.checked = min(timers.checked, self.clock())
        if self.clock() >= self.expires:
            self._expire()
        return True

    # The loop --------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Transfer, then follow, for ever."""
        confirmed = True
        if self.soa:
            confirmed = await self._check("refresh", anew=True)
        else:
            await self._first()
        while True:
            if not confirmed:
                confirmed = await self._wait_retry() or await self._check("retry")
            elif not await self._sleep(self._until_refresh()):
                confirmed = await self._check("refresh")

    async def _first(self) -> None:
        wait = FIRST_RETRY_S
        while not self.soa:
            try:
                async with self._busy:
                    if not self.soa:
                        await self.transfer()
            except TransferError as error:
                span = duration_text(wait)
                self.vault.log.warning(f"All '{self.text}' masters failed to transfer, retrying in {span}: {error}")
                await self._sleep(wait)
                wait = min(wait * 2, LAST_RETRY_S)

    def _until_refresh(self) -> float:
        left = self.checked + max(self.times.refresh, 1) - self.clock()
        return max(left, 0.0) + random.uniform(0, REFRESH_JITTER_S)

    async def _wait_retry(self) -> bool:
        """Wait until it is time to ask again, and expire on the way; returns whether a NOTIFY was quicker."""
        due = self.clock() + max(self.times.retry, 1) + random.uniform(0, RETRY_JITTER_S)
        while (left := due - self.clock()) > 0:
            if not self.expired and self.expires <= self.clock():
                self._expire()
            wait = left if self.expired else min(left, self.expires - self.clock())
            if await self._sleep(wait):
                return True
        return False

    @property
    def expires(self) -> float:
        """When the data may no longer be used unless somebody confirms them."""
        return self.checked + max(self.times.expire, 1)

    def _expire(self) -> None:
        self.expired = True
        self.vault.staging.expire(self.origin, self.vault.owner)
        self.vault.log.warning(f"Zone {self.text} expires: no primary has confirmed it for {self.times.expire}s")

    async def _sleep(self, seconds: float) -> bool:
        """Wait; returns whether a NOTIFY brought something new meanwhile."""
        self._woken.clear()
        try:
            await asyncio.wait_for(self._woken.wait(), seconds)
        except TimeoutError:
            return False
        return True

    # Asking ----------------------------------------------------------------------------------------------------------

    async def _check(self, kind: str, anew: bool = False) -> bool:
        """Ask for the serial, and transfer if need be; returns whether the version is confirmed or new."""
        async with self._busy:
            try:
                serial = await self._remote()
            except TransferError as error:
                self.vault.file_log.warning(f"Failed {kind} check {error}")
                return False
            try:
                ours = self.times.serial
                if older(ours, serial) or (anew and ours != serial):
                    await self.transfer(whole=not older(ours, serial))
                else:
                    self._confirm()
            except TransferError:
                return False  # said already
        return True

    async def notified(self, ip: str) -> None:
        """Do what a NOTIFY from a primary asks for."""
        if self.asked:
            return  # one that waits for its turn sees everything
        log = self.vault.file_log
        self.asked = True
        log.info(f"Notify from {ip} for {self.text}: checking transfer")
        async with self._busy:
            self.asked = False
            where = f"Notify from {ip} for {self.text}"
            try:
                serial = await self._remote()
            except TransferError as error:
                log.info(f"{where}: no SOA serial increase seen")
                log.warning(f"{where}: failed primary check: {error}")
                return
            if self.soa and not older(self.times.serial, serial):
                log.info(f"{where}: no SOA serial increase seen")
                self._confirm()
            else:
                try:
                    await self.transfer()
                except TransferError as error:
                    log.warning(f"{where}: transfer failed: {error}")
                    return
        self._woken.set()

    async def _remote(self) -> int:
        """Return the serial of the first primary that gives one; raises TransferError."""
        failure = TransferError("no primary")
        for peer in self.peers:
            try:
                async with self.vault.gate:
                    return (await check(self.origin, peer, self.key)).serial
            except TransferError as error:
                failure = error
        raise failure

    def _confirm(self) -> None:
        """The version that is served is still the primary's."""
        self.checked = self.clock()
        if self.expired:
            self.expired = False
            self.vault.staging.expire(self.origin, self.vault.owner, False)
        timers = self.copy.timers
        if timers is None:
            return
        try:
            self.copy.write_timers(Timers(timers.serial, self.checked, timers.base_serial, timers.digest))
        except OSError as error:
            self.vault.disk_failed(self.origin, error)

    async def transfer(self, whole: bool = False) -> None:
        """Transfer from the first primary that can; raises TransferError where none can."""
        failure = TransferError("no primary")
        for peer in self.peers:
            try:
                async with self.vault.gate:
                    soa = await self._attempt(peer, whole)
            except CatalogError:
                raise
            except DialError as error:
                # The reference quotes this one twice.
                self.vault.file_log.error(
                    f"Failed to setup transfer `{self.text}' with `\"{peer_text(peer)}\"': {error}"
                )
                failure = error
            except TransferError as error:
                what, colon = ("parse transfer", ":") if isinstance(error, Unstorable) else ("transfer", "")
                self.vault.file_log.error(
                    f"Failed to {what} `{self.text}' from{colon} {quote(peer_text(peer))}: {error}"
                )
                failure = error
            else:
                await self._transferred(peer, soa)
                return
        raise failure

    async def _attempt(self, peer: Peer, whole: bool) -> bytes | None:
        """Ask for differences where there is something to start from, for the whole zone otherwise or if that fails."""
        if self.soa and not whole and self.validate is None:
            try:
                return await self._intake().run(peer, self.key, self.soa)
            except DialError:
                raise
            except TransferError as error:
                self.vault.log.debug(f"No differences of {self.text} from {peer_text(peer)}: {error}")
        return await self._intake().run(peer, self.key, b"")

    def _intake(self) -> Intake:
        return Intake(self.vault, self.origin, self.copy, self.validate, self.complete)

    async def _transferred(self, peer: Peer, soa: bytes | None) -> None:
        if soa is None:
            self._confirm()
            return
        self.soa, self.checked, self.expired = soa, self.clock(), False
        self.vault.file_log.info(f"Transferred: {self.text} from {peer_text(peer)}")
        if self.applied is not None:
            await self.applied()
        self.vault.tell(self.origin)
