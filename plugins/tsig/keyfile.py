"""Key files as BIND, `tsig-keygen` and nsupdate write them, read line by line."""

from __future__ import annotations

from collections.abc import Iterator

from shardns.config.golang import quote
from shardns.config.names import from_text, to_text


class KeyFileError(ValueError):
    """A file that holds something else; the text is the reference's."""


def key_name(text: str) -> bytes:
    """Return a key's name, lower case; raises ValueError."""
    return from_text(text).lower()


def keys_of(text: str) -> dict[bytes, str]:
    """Return the secrets (base64) by key name."""
    found: dict[bytes, str] = {}
    lines = iter([line.removesuffix("\r") for line in text.split("\n")])
    for line in lines:
        words = line.split()
        if not words:
            continue
        if words[0] != "key":
            raise KeyFileError(f"unexpected token {quote(words[0])}")
        name = words[1].strip('"{') if len(words) > 1 else ""
        if not name:
            raise KeyFileError(f"expected key name {quote(line)}")
        key = key_name(name)
        if key in found:
            raise KeyFileError(f"key {quote(to_text(key))} redefined")
        secret = _secret_of(lines)
        if secret is None:
            raise KeyFileError(f"expected secret for key {quote(to_text(key))}")
        found[key] = secret
    return found


def _secret_of(lines: Iterator[str]) -> str | None:
    """Read a block up to its end."""
    secret = None
    for line in lines:
        match line.split():
            case [] | ["algorithm", *_]:
                continue
            case ["secret", *rest]:
                secret = rest[0].strip('";') if rest else ""
                if not secret:
                    raise KeyFileError(f"expected secret key {quote(line)}")
            case ["}" | "};", *_]:
                break
            case [word, *_]:
                raise KeyFileError(f"unexpected token {quote(word)}")
    return secret
