"""One attempt to bring a zone up to date: ask a primary, build the new version, publish it, keep it on disk.

Nothing that is served or kept changes before the last record has come and the new version is whole.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from shardns.worker.store.chain import BrokenChain
from shardns.worker.store.layout import PROOFS
from shardns.worker.store.pins import pinned
from shardns.worker.store.publish import ZoneWriter
from shardns.worker.store.reader import Zone
from shardns.worker.tsig import Key
from shardns.worker.wire.names import to_text
from shardns.worker.zone.copy import Change, Copy, Draft, Timers, changed_digest
from shardns.worker.zone.diff import record
from shardns.worker.zone.fetch import fetch
from shardns.worker.zone.journal import Delta
from shardns.worker.zone.peers import Peer
from shardns.worker.zone.rebuild import rebuild, save
from shardns.worker.zone.slices import in_slices
from shardns.worker.zone.transfer import Inbound, Soa, TransferError

from .catalog import Listed, foreign_record
from .vault import Vault

Validate = Callable[[list[Listed]], None]


class Unstorable(TransferError):
    """A whole zone has come that cannot be served."""


class Intake:
    """One attempt for one zone. `validate` sees the records of a whole zone before it counts; it may raise."""

    def __init__(
        self, vault: Vault, origin: bytes, copy: Copy, validate: Validate | None, complete: bool = False
    ) -> None:
        self.vault = vault
        self.origin = origin
        self.copy = copy
        self.validate = validate
        self.complete = complete
        self.listed: list[Listed] = []
        self.writer: ZoneWriter | None = None
        self.draft: Draft | None = None

    async def run(self, peer: Peer, key: Key | None, soa: bytes) -> bytes | None:
        """Transfer from one primary; returns the rdata of the new SOA, None where nothing has changed.

        With `soa`, the one that is held, differences are asked for. Raises TransferError.
        """
        inbound = Inbound(self.origin, self._take, soa)
        try:
            await fetch(inbound, peer, key)
            if inbound.whole:
                await self._install_whole(inbound)
            elif inbound.deltas:
                await self._install_deltas(inbound.deltas)
            else:
                return None
        except BrokenChain as broken:
            text = f"NSEC3 zone is not supported, dropping RR: {to_text(broken.name)} for zone: {to_text(self.origin)}"
            raise Unstorable(text) from None
        finally:
            self._discard()
        return inbound.first

    def _take(self, owner: bytes, tail: bytes) -> None:
        if self.writer is None:
            self.writer = new_zone(self.vault, self.origin, self.complete)
            try:
                self.draft = self.copy.begin()
            except OSError as error:
                self.vault.disk_failed(self.origin, error)
        self.writer.add_record(owner, tail)
        if self.validate is not None:
            self.listed.append((owner.lower(), (tail[0] << 8) | tail[1], tail[10:]))
        if self.draft is not None:
            try:
                self.draft.add(owner + tail)
            except OSError as error:
                self._give_up_draft(error)

    async def _install_whole(self, inbound: Inbound) -> None:
        vault, writer = self.vault, self.writer
        assert writer is not None
        if self.validate is not None:
            if inbound.foreign is not None:
                raise foreign_record(self.origin, inbound.foreign)
            self.validate(self.listed)
        if self.draft is not None:
            try:
                writer.digest = zone_digest(self.draft.digest, self.complete)
            except OSError as error:
                self._give_up_draft(error)
        before = vault.zone(self.origin)
        with pinned(vault.runtime, before.number if before is not None else None):
            await in_slices(writer.write(strict=True))
            self.writer = None
            await self._journal(before)
        serial = Soa.of(inbound.first).serial
        self._commit(serial)

    async def _journal(self, before: Zone | None) -> None:
        """Note what has changed, for those who transfer from here."""
        vault, journal = self.vault, self.copy.journal
        if before is not None and before.soa and vault.notify is not None:
            await record(vault.staging, journal, vault.owner, self.origin, before.number, vault.log)
            return
        try:
            journal.clear()
        except OSError as error:
            vault.disk_failed(self.origin, error)

    def _commit(self, serial: int) -> None:
        """Let the new base take the old one's place."""
        draft = self.draft
        if draft is None:
            return
        try:
            draft.commit()
            self.draft = None
            self.copy.write_timers(Timers(serial, time.time(), serial, draft.digest))
        except OSError as error:
            self._give_up_draft(error)

    async def _install_deltas(self, deltas: list[Delta]) -> None:
        vault, copy = self.vault, self.copy
        zone = vault.zone(self.origin)
        if zone is None or not zone.soa or zone.serial != deltas[0].before:
            raise TransferError("the differences do not fit the zone")
        known = copy.deltas()
        digest = changed_digest(copy.digest(known), deltas) if known is not None else b""
        self.writer = writer = new_zone(vault, self.origin, self.complete, digest)
        with pinned(vault.runtime, zone.number):
            await in_slices(rebuild(zone, writer, Change(deltas)))
            await in_slices(writer.write(strict=True))
        self.writer = None
        await self._keep_deltas(deltas)

    async def _keep_deltas(self, deltas: list[Delta]) -> None:
        """Add to the journal; where that began anew, write the whole zone."""
        copy, serial = self.copy, deltas[-1].after
        try:
            copy.journal.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            for delta in deltas:
                copy.journal.append(delta)
            timers = copy.timers
            if timers is not None and copy.journal.since(timers.base_serial, serial) is not None:
                copy.write_timers(Timers(serial, time.time(), timers.base_serial, timers.digest))
                return
            zone = self.vault.zone(self.origin)
            assert zone is not None
            self.draft = copy.begin()
            await in_slices(self._saving(zone, self.draft))
        except OSError as error:
            self._give_up_draft(error)
            return
        self._commit(serial)

    def _saving(self, zone: Zone, draft: Draft) -> Iterator[None]:
        with pinned(self.vault.runtime, zone.number):
            yield from save(zone, draft)

    def _give_up_draft(self, error: OSError) -> None:
        self.vault.disk_failed(self.origin, error)
        self._discard_draft()

    def _discard(self) -> None:
        if self.writer is not None:
            self.writer.discard()
            self.writer = None
        self._discard_draft()

    def _discard_draft(self) -> None:
        if self.draft is not None:
            self.draft.discard()
            self.draft = None


def zone_digest(digest: bytes, complete: bool) -> bytes:
    """Name a zone in the store: what it holds, and how it is served (`complete_proofs`)."""
    return digest + b"complete" if complete and digest else digest


def new_zone(vault: Vault, origin: bytes, complete: bool, digest: bytes = b"") -> ZoneWriter:
    """Begin a zone with some content, named by its digest where that is known already."""
    writer = vault.staging.zone(origin, vault.owner, zone_digest(digest, complete))
    writer.flags = PROOFS if complete else 0
    return writer
