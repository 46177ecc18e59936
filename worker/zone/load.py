"""From a zone file to a zone in the store, under the rules that `file` and `auto` share.

The texts of all errors are the reference's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ..store.chain import BrokenChain
from ..store.layout import PROOFS
from ..store.nodes import runs
from ..store.publish import Staging, ZoneWriter
from ..wire.codes import NSEC3PARAM, SOA
from ..wire.names import to_text
from .errors import ZoneTextError, quoted
from .sources import Sources
from .text import Reader

_SERIAL: Final = slice(-20, -16)  # in the rdata of a SOA record


class LoadError(Exception):
    """A zone file that makes no zone."""


class SameSerial(LoadError):
    """The file's serial is the one that is served already."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a load published: the zone's serial, and the digest of all that it was made of."""

    serial: int
    digest: bytes


def load(
    staging: Staging,
    sources: Sources,
    path: str,
    origin: bytes,
    owner: str,
    *,
    serial: int | None = None,
    reuse: bool = True,
    complete: bool = False,
) -> Iterator[Loaded | None]:
    """Read a zone file and publish it: a generator that yields None between slices of work, then what was loaded.

    Stops with `SameSerial` at a first SOA record whose serial is `serial`. With `reuse`, what is stored under the same
    digest is published again instead. `complete` asks for all proofs of a zone with NSEC records (`layout.PROOFS`).
    Raises `LoadError`, and OSError for the file.
    """
    digest = sources.digest(path, origin)
    if complete:
        digest += b"complete"
    known = staging.reuse(origin, owner, digest) if reuse else None
    if known is not None:
        soa = runs(b"", known.apex)[SOA]
        yield Loaded(int.from_bytes(soa[0].rdatas[0][_SERIAL], "big"), digest)
        return
    writer = staging.zone(origin, owner, digest)
    writer.flags = PROOFS if complete else 0
    try:
        yield from _read(writer, sources, path, origin, serial)
        if writer.soa is None:
            raise LoadError(f"file {quoted(path.encode())} has no SOA record for origin {to_text(origin)}")
        yield from writer.write(strict=True)
    except BrokenChain as broken:
        writer.discard()
        text = f"NSEC3 zone is not supported, dropping RR: {to_text(broken.name)} for zone: {to_text(origin)}"
        raise LoadError(text) from None
    except BaseException:
        writer.discard()
        raise
    yield Loaded(int.from_bytes(writer.soa[1][_SERIAL], "big"), digest)


def _read(writer: ZoneWriter, sources: Sources, path: str, origin: bytes, serial: int | None) -> Iterator[None]:
    zone = to_text(origin)
    seen = False

    def inspect(name: bytes, rtype: int, rdata: bytes) -> None:
        nonlocal seen
        if rtype == SOA and not seen:
            seen = True
            if serial is not None and int.from_bytes(rdata[_SERIAL], "big") == serial:
                raise SameSerial(f"no change in SOA serial for origin {zone} in file {path}, with {serial} SOA serial")
        elif rtype == NSEC3PARAM and name.lower() != origin:
            raise BrokenChain(name.lower())

    try:
        yield from Reader(sources, path, origin, writer, inspect=inspect).read()
    except ZoneTextError as error:
        text = f"failed to parse file {quoted(path.encode())} for origin {zone} with error {error}"
        raise LoadError(text) from error
