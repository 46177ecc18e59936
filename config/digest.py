"""The SHA-512 that the `reload` plugin prints and compares: of the words as they were read (spec core §6.2).

The JSON is the one that Go's encoder writes for the reference's parse result.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from .blocks import Block
from .tokens import Token

_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def parsed_json(blocks: Sequence[Block], file: str) -> str:
    """Return the JSON text; words of the main file carry an empty file name."""
    if not blocks:
        return "null"
    shown: list[Any] = [
        {
            "Keys": [key.text for key in block.keys],
            "Tokens": {name: [_token(token, file) for token in block.directives[name]] for name in _sorted(block)},
        }
        for block in blocks
    ]
    text = json.dumps(shown, ensure_ascii=False, separators=(",", ":"))
    for char, escape in _ESCAPES.items():
        text = text.replace(char, escape)
    return text


def running_digest(blocks: Sequence[Block], file: str) -> str:
    """Return the digest in hexadecimal."""
    return hashlib.sha512(parsed_json(blocks, file).encode("utf-8", "replace")).hexdigest()


def _sorted(block: Block) -> list[str]:
    return sorted(block.directives, key=lambda name: name.encode("utf-8", "replace"))


def _token(token: Token, file: str) -> dict[str, str | int]:
    where = "" if token.place.file == file else token.place.file
    return {"File": where, "Line": token.place.line, "Text": token.text}
