"""The file of weights: a name on a line of its own, then lines of an address and its weight."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path

from shardns.config.golang import integer
from shardns.config.values import is_ip
from shardns.worker.wire.names import from_text

Table = dict[tuple[bytes, bytes], int]  # (owner as written, address) → weight


class BadWeights(Exception):
    """A file of weights that cannot be used, in the reference's words."""


class Unopened(BadWeights):
    """The file cannot be opened."""


def read(path: str) -> bytes:
    """Return the file's content; raises Unopened."""
    try:
        return Path(os.path.normpath(path)).read_bytes()
    except OSError:
        raise Unopened("weight file open error") from None


def parse(content: bytes, path: str) -> Table:
    """Return the weights; raises BadWeights. Of two lines for one name and address the first counts."""
    owner: bytes | None = None
    table: Table = {}
    for line in content.decode("utf-8", "surrogateescape").split("\n"):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        match text.split():
            case [name]:
                owner = _owner(name, path)
            case [address, weight]:
                packed = _address(address, path)
                value = _weight(weight, path)
                if owner is None:
                    raise BadWeights(f"missing domain name in weight file {path}")
                table.setdefault((owner, packed), value)
            case _:
                raise BadWeights(f'could not parse weight line:"{text}" in weight file {path}')
    return table


def _owner(name: str, path: str) -> bytes:
    if is_ip(name):
        raise BadWeights(f'wrong domain name:"{name}" in weight file {path}. (Maybe a missing weight value?)')
    try:
        return from_text(name if name.endswith(".") else name + ".")
    except ValueError:
        return b""  # no record can have such an owner


def _address(text: str, path: str) -> bytes:
    if not is_ip(text):
        raise BadWeights(f'wrong IP address:"{text}" in weight file {path}')
    address = ipaddress.ip_address(text)
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).packed


def _weight(text: str, path: str) -> int:
    try:
        value = integer(text, "ParseUint", 8)
    except ValueError:
        value = 0
    if not value:
        raise BadWeights(f'wrong weight value:"{text}" in weight file {path}')
    return value
