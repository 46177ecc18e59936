"""The options of `tsig`. Every mistake is a wrong argument count, as the reference reports it; the hint says more."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from shardns.config.errors import WrongCount
from shardns.config.golang import quote
from shardns.config.names import to_text
from shardns.config.schema import Args, Draft, Props, Schema
from shardns.config.tokens import Token
from shardns.config.values import ZONES, Words
from shardns.worker.wire.codes import TYPE_CODE, Opcode

from .keyfile import KeyFileError, key_name, keys_of

Keys = tuple[tuple[bytes, str], ...]  # name, secret in base64

_OPCODES = {code.name: int(code) for code in (Opcode.QUERY, Opcode.IQUERY, Opcode.STATUS, Opcode.NOTIFY, Opcode.UPDATE)}


@dataclass(frozen=True, slots=True)
class Required:
    """What one `require` line says: these numbers, or all of them."""

    numbers: tuple[int, ...] = ()
    all: bool = False


def _secret(words: Sequence[Token], draft: Draft) -> Keys:
    try:
        return _new(((key_name(words[0].text), words[1].text),), draft)
    except ValueError as error:
        raise WrongCount(at=words[-1], hint=str(error)) from None


def _secrets(words: Sequence[Token], draft: Draft) -> Keys:
    try:
        # The reference does not put this name below `root`.
        return _new(tuple(keys_of(Path(words[0].text).read_text(errors="surrogateescape")).items()), draft)
    except (OSError, KeyFileError, ValueError) as error:
        raise WrongCount(at=words[-1], hint=str(error)) from None


def _new(keys: Keys, draft: Draft) -> Keys:
    """Note the keys of a line; raises KeyFileError for one that another line has."""
    known: set[bytes] = draft.shared.setdefault(f"tsig {draft.index}", set())
    for name, _ in keys:
        if name in known:
            raise KeyFileError(f"key {quote(to_text(name))} redefined")
        known.add(name)
    return keys


def _required(words: Sequence[Token], table: dict[str, int]) -> Required:
    if words[0].text in ("all", "none"):
        return Required(all=words[0].text == "all")
    unknown = next((word.text for word in words if word.text not in table), None)
    if unknown is not None:
        raise WrongCount(at=words[-1], hint=f"unknown: {unknown}")
    return Required(tuple(table[word.text] for word in words))


def _types(words: Sequence[Token], draft: Draft) -> Required:
    return _required(words, TYPE_CODE)


def _opcodes(words: Sequence[Token], draft: Draft) -> Required:
    return _required(words, _OPCODES)


class Options(Schema, repeat="count", unknown=None):
    """Checks the signatures of queries, requires them where told to, and signs the answers (RFC 8945)."""

    zones: Annotated[tuple[bytes, ...], Args(ZONES(), block_zones=True)] = ()
    "Zones in which queries are checked; without any, those of the server block."

    secret: Annotated[tuple[Keys, ...], Props(Words(_secret, "NAME KEY"), least=2, most=2)] = ()
    "A key: its name, and the secret in base64."

    secrets: Annotated[tuple[Keys, ...], Props(Words(_secrets, "FILE"), least=1, most=1)] = ()
    "A file of keys as BIND writes them; the name is not put below `root`."

    require: Annotated[tuple[Required, ...], Props(Words(_types, "TYPE..."))] = ()
    "Types whose queries must be signed, or `all`, or `none`; each line replaces the one before it."

    require_opcode: Annotated[tuple[Required, ...], Props(Words(_opcodes, "OPCODE..."))] = ()
    "Opcodes whose messages must be signed: QUERY IQUERY STATUS NOTIFY UPDATE, `all` or `none`."

    @property
    def keys(self) -> dict[bytes, bytes | None]:
        """The secrets by key name; None for one that is not base64, with which nothing verifies."""
        return {name: decoded(text) for line in (*self.secret, *self.secrets) for name, text in line}


def decoded(text: str) -> bytes | None:
    """Return a secret's octets."""
    try:
        return base64.b64decode(text.encode("ascii", "replace"), validate=True)
    except binascii.Error:
        return None
