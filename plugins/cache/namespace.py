"""Which entries belong to a server block: those stored under the same configuration, by whichever generation.

The namespace is a digest of what decides about an answer at this point of the chain: the block's keys and address
(`bind`), its view, and the options of `cache` and of every directive below it. A reload that leaves them alone keeps
the entries; one that changes them starts empty. So does the machine, as times are counted from its start.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from shardns.config.model import ServerBlock
from shardns.plugins import order
from shardns.worker.store.places import NAMESPACE_BYTES

_BOOT = Path("/proc/sys/kernel/random/boot_id")


def boot() -> str:
    """Return what tells one run of the machine from another."""
    try:
        return _BOOT.read_text()
    except OSError:
        return ""


def namespace(block: ServerBlock, machine: str | None = None) -> bytes:
    """Return the namespace of a block's cache, in this run of the machine if nothing else is said."""
    names = order()
    below = set(names[names.index("cache") :]) | {"bind", "view"}
    told = [(found.name, found.options) for found in block.directives if found.name in below or found.name not in names]
    run = boot() if machine is None else machine
    digest = hashlib.blake2b(digest_size=NAMESPACE_BYTES)
    for part in _parts((run, block.keys, block.hosts, block.root, block.filters, told)):
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.digest()


def _parts(value: Any) -> Iterator[bytes]:
    """Yield octets that differ where values differ, the same in every process."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        yield type(value).__qualname__.encode()
        for field in dataclasses.fields(value):
            if field.compare:
                yield field.name.encode()
                yield from _parts(getattr(value, field.name))
    elif isinstance(value, (tuple, list)):
        yield b"(%d" % len(value)
        for item in value:
            yield from _parts(item)
    elif isinstance(value, Mapping):
        yield b"{%d" % len(value)
        for pair in sorted(value.items(), key=repr):
            yield from _parts(pair)
    elif isinstance(value, (set, frozenset)):
        yield b"<%d" % len(value)
        for item in sorted(value, key=repr):
            yield from _parts(item)
    else:
        yield repr(value).encode()
