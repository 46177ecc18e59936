"""Connection IDs that find their way: which worker one leads to, and what tells a client that its worker is gone.

    octets 0-1: a number whose remainder by the count of sockets is the socket's index (the kernel's program, `steer`)
    octets 2-6: random
    octets 7-9: generation and slot of the worker, masked with a keyed hash of the octets before

1. Observers who do not know the secret learn the index and nothing else: two IDs of one connection share no more
   (RFC 9000 §5.1).
2. The secret is made once in the master, so every generation reads every other's IDs, and knows their reset tokens.
"""

from __future__ import annotations

import os
from functools import cache
from hashlib import blake2s
from typing import NamedTuple

LENGTH = 10  # octets
MAX_SLOTS = 1 << 16
_HEAD, _PLAIN = 2, 7


class Origin(NamedTuple):
    """Who issued a connection ID; `generation` counts modulo 256."""

    generation: int
    slot: int


@cache
def secret() -> bytes:
    """Return the secret of this server; the master calls it first, its children inherit it."""
    return os.urandom(32)


def home(cid: bytes, sockets: int) -> int:
    """Return the index of the socket that the kernel chooses for a destination connection ID."""
    return int.from_bytes(cid[:_HEAD], "big") % sockets if len(cid) >= _HEAD else 0


class Issuer:
    """Makes the connection IDs of one socket: the `index`th of `sockets`, read by a worker."""

    def __init__(self, key: bytes, origin: Origin, index: int, sockets: int) -> None:
        self._key = key
        self._origin = bytes((origin.generation & 255,)) + origin.slot.to_bytes(2, "big")
        self._index = index
        self._sockets = sockets
        self._rounds = (1 << 16) // sockets

    def issue(self) -> bytes:
        """Return a new ID."""
        drawn = os.urandom(_PLAIN)
        number = int.from_bytes(drawn[:_HEAD], "big") % self._rounds * self._sockets + self._index
        plain = number.to_bytes(2, "big") + drawn[_HEAD:]
        return plain + _masked(self._key, plain, self._origin)


def origin(key: bytes, cid: bytes) -> Origin | None:
    """Return who issued an ID; what others made gives nonsense, rarely a slot that exists."""
    if len(cid) != LENGTH:
        return None
    generation, *slot = _masked(key, cid[:_PLAIN], cid[_PLAIN:])
    return Origin(generation, int.from_bytes(slot, "big"))


def reset_token(key: bytes, cid: bytes) -> bytes:
    """Return the stateless reset token of an ID (RFC 9000 §10.3.2)."""
    return blake2s(cid, key=key, digest_size=16, person=b"reset").digest()


def _masked(key: bytes, plain: bytes, octets: bytes) -> bytes:
    mask = blake2s(plain, key=key, digest_size=3, person=b"origin").digest()
    return bytes(a ^ b for a, b in zip(mask, octets, strict=True))
