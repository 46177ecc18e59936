"""Rendered text → one record, as the reference's parser reads it."""

from __future__ import annotations

import re
from functools import lru_cache

from shardns.worker.wire.records import RRset
from shardns.worker.zone.errors import ZoneTextError
from shardns.worker.zone.plain import Default
from shardns.worker.zone.sources import Sources
from shardns.worker.zone.text import Reader

DEFAULT_TTL_S = 3600
_EMPTY_LINE = re.compile(rb"[ \t]*(?:;[^\n]*)?\r?\n")


class BadRecord(Exception):
    """Text that is no record, in the reference's words."""


class _First:
    """Takes the first record."""

    def __init__(self) -> None:
        self.origin = b"\0"
        self.entries: list[bytes] = []
        self.count = 0
        self.found: RRset | None = None

    def add_record(self, owner: bytes, record: bytes) -> None:
        """Keep a record: type, class, TTL, length, rdata."""
        if self.found is None:
            rtype, rclass, ttl = (int.from_bytes(record[a:b], "big") for a, b in ((0, 2), (2, 4), (4, 8)))
            self.found = RRset(owner, rtype, ttl, (record[10:],), rclass)


class _NoFiles(Sources):
    """A record cannot include files."""

    def read(self, path: str) -> bytes:
        """Refuse."""
        raise OSError("$INCLUDE directive not allowed")


@lru_cache(4096)
def record(text: str) -> RRset:
    """Return the record; raises BadRecord."""
    data = text.encode("utf-8", "surrogateescape") + (b"" if text.endswith("\n") else b"\n")
    at, line = 0, 1
    while at < len(data) and (empty := _EMPTY_LINE.match(data, at)):
        at, line = empty.end(), line + 1
    sink = _First()
    reader = Reader(_NoFiles(), "", b"\0", sink, folds=False)
    reader.default = Default(DEFAULT_TTL_S, False)
    if at < len(data):
        try:
            reader.single(data[at:], line)
        except ZoneTextError as error:
            raise BadRecord(str(error).removeprefix(": ")) from None
    if sink.found is None:
        raise BadRecord("no record in the text")
    if not reader.owner:
        raise BadRecord("no owner name in the text")
    return sink.found
