"""The value type of addresses that are only split when somebody listens: Go's `net.SplitHostPort`."""

from __future__ import annotations

from shardns.config.draft import Draft
from shardns.config.errors import Refuse
from shardns.config.values import Value


class HOSTPORT(Value[str]):
    """`HOST:PORT`, `[IPv6]:PORT` or `:PORT`, kept as it is written; host and port themselves are not judged."""

    label = "ADDRESS"

    def parse(self, word: str, draft: Draft) -> str:
        """Return the word."""
        problem = trouble(word)
        if problem:
            raise Refuse(f"address {word}: {problem}" if word else problem, located=False, hint="expected HOST:PORT")
        return word


def trouble(word: str) -> str:
    """Return what keeps an address from being split, in Go's words; empty if nothing does."""
    if ":" not in word:
        return "missing port in address"
    if word.startswith("["):
        end = word.find("]")
        if end < 0:
            return "missing ']' in address"
        rest = word[end + 1 :]
        if not rest:
            return "missing port in address"
        if not rest.startswith(":"):
            return "missing port in address"
        host, port = word[1:end], rest[1:]
        if ":" in port:
            return "too many colons in address"
    else:
        host, _, port = word.rpartition(":")
        if ":" in host:
            return "too many colons in address"
    if "[" in host + port:
        return "unexpected '[' in address"
    return "unexpected ']' in address" if "]" in host + port else ""
