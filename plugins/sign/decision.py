"""Whether a signed file has to be made anew; the reasons are the reference's texts."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from shardns.config.golang import duration_text
from shardns.worker.wire.codes import RRSIG, SOA
from shardns.worker.wire.names import ROOT
from shardns.worker.zone.errors import ZoneTextError
from shardns.worker.zone.sources import Sources
from shardns.worker.zone.text import Reader

SIGN_AGAIN_S: Final = 6 * 86400  # after a signature's inception
LEFT_S: Final = 7 * 86400  # before its expiration
MAX_RECORDS: Final = 100  # looked at
NOT_FOUND: Final = f"no SOA RRSIG found in first {MAX_RECORDS} records"


class _Enough(Exception):
    """The decision is made: a reason, or None."""

    def __init__(self, reason: str | None) -> None:
        super().__init__(reason)
        self.reason = reason


class _Scan:
    """A sink that looks for signatures of the SOA record."""

    def __init__(self, now: float, signed: bool) -> None:
        self.origin = ROOT
        self.entries: list[bytes] = []
        self.count = 0
        self.now = now
        self.signed = signed
        self.seen = 0

    def add_record(self, owner: bytes, record: bytes) -> None:
        """Judge one record."""
        self.seen += 1
        if int.from_bytes(record[:2], "big") == RRSIG and int.from_bytes(record[10:12], "big") == SOA:
            raise _Enough(judge(record[10:], self.now))
        self._stop()

    def count_plain(self) -> None:
        """Count what the reader left in the form of the store: no signature of a SOA record is among that."""
        self.seen += len(self.entries)
        self.entries.clear()
        self._stop()

    def _stop(self) -> None:
        if self.seen > MAX_RECORDS:
            raise _Enough(NOT_FOUND if self.signed else None)


def reason(path: str, now: float, signed: bool) -> str | None:
    """Return why the file at `path` has to be signed at `now` (s since 1970), None where its signatures are valid.

    `signed` is whether there are keys at all: without, a file is good if it is there.
    """
    scan = _Scan(now, signed)
    try:
        data = Path(path).read_bytes()
        for _ in Reader(Sources(), path, ROOT, scan).read(data):
            scan.count_plain()
    except OSError as error:
        return f"open {path}: {(error.strerror or str(error)).lower()}"
    except ZoneTextError as error:
        return str(error)
    except _Enough as enough:
        return enough.reason
    return NOT_FOUND if signed else None


def judge(rdata: bytes, now: float) -> str | None:
    """Return what is wrong with an RRSIG's times, None where nothing is."""
    expiration, inception = (int.from_bytes(rdata[at : at + 4], "big") for at in (8, 12))
    if now - inception > SIGN_AGAIN_S:
        age = duration_text(now - inception)
        return (
            f'inception "{stamp(inception)}" was more than: {duration_text(SIGN_AGAIN_S)} ago from {stamp(now)}: {age}'
        )
    if inception > now:
        return f'inception "{stamp(inception)}" date is in the future: {duration_text(now - inception)}'
    if expiration - now < LEFT_S:
        left = duration_text(expiration - now)
        return f'expiration "{stamp(expiration)}" is less than: {duration_text(LEFT_S)} away from {stamp(now)}: {left}'
    return None


def stamp(seconds: float) -> str:
    """Return a time as the log shows it: UTC with milliseconds."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
