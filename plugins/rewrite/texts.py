"""Changes of names as texts: matching, replacing, and undoing it in an answer (spec plugins/rewrite.md).

Names are presentation form with a final dot. Everything here is a frozen value, so a model can be compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from shardns.config import regex
from shardns.config.regex import BadRegex, Pattern

MAX_PATTERN: Final = 10000  # characters
MATCHES: Final = ("exact", "prefix", "suffix", "substring", "regex")


class Change(Protocol):
    """A change of a text; one that does not match gives it back as it is."""

    def apply(self, text: str) -> str: ...


@dataclass(frozen=True, slots=True)
class Regex:
    """Replaces all of a text in which the pattern is found; `{n}` is group n."""

    pattern: Pattern
    to: str

    def apply(self, text: str) -> str:
        """Return the new text."""
        return text if (found := substituted(self.pattern, self.to, text)) is None else found


@dataclass(frozen=True, slots=True)
class Remap:
    """Maps a name and all names below it."""

    old: str
    new: str

    def apply(self, text: str) -> str:
        """Return the new text."""
        if text == self.old:
            return self.new
        if text.endswith(self.old) and text[: -len(self.old)].endswith("."):
            return text[: -len(self.old)] + self.new
        return text


@dataclass(frozen=True, slots=True)
class Suffix:
    """Maps whatever ends in a text, at a label or inside one."""

    old: str
    new: str

    def apply(self, text: str) -> str:
        """Return the new text."""
        return text[: len(text) - len(self.old)] + self.new if text.endswith(self.old) else text


def substituted(pattern: Pattern, to: str, text: str) -> str | None:
    """Return `to` with the groups of a match filled in, one after the other; None where the pattern is not found."""
    found = pattern.search(text)
    if found is None:
        return None
    for number in range(pattern.groups + 1):
        if "{" not in to:
            break
        to = to.replace(f"{{{number}}}", found.group(number) or "")
    return to


def fqdn(text: str) -> str:
    """Return a name lower case and with its final dot."""
    text = lower(text)
    return text if text.endswith(".") and not _escaped_end(text) else text + "."


def lower(text: str) -> str:
    """Return a text with its ASCII letters in lower case."""
    return text.lower() if text.isascii() else "".join(c.lower() if c.isascii() else c for c in text)


def _escaped_end(text: str) -> bool:
    bare = text[:-1]
    return (len(bare) - len(bare.rstrip("\\"))) % 2 == 1


def checked(pattern: str, to: str) -> Pattern:
    """Compile a pattern that a replacement goes with. Raises ValueError with the reference's text."""
    if len(pattern) > MAX_PATTERN:
        raise ValueError(f"regex pattern too long: {len(pattern)} > {MAX_PATTERN}")
    try:
        compiled = regex.compile(pattern)
    except BadRegex:
        raise ValueError(f"invalid regex matching pattern: {pattern}") from None
    if sum(f"{{{number}}}" in to for number in range(101)) > compiled.groups:
        raise ValueError(
            f"the rewrite regex pattern ({to}) uses more subexpressions than its corresponding matching regex pattern "
            f"({pattern})"
        )
    return compiled


@dataclass(frozen=True, slots=True)
class Match:
    """Whether a name is one that a rule is for."""

    kind: str
    text: str
    pattern: Pattern | None = None

    def fits(self, name: str) -> bool:
        """Tell whether the name matches."""
        match self.kind:
            case "exact":
                return name == self.text
            case "prefix":
                return name.startswith(self.text)
            case "suffix":
                return name.endswith(self.text)
            case "substring":
                return self.text in name
            case _:
                return self.pattern is not None and self.pattern.search(name) is not None

    def replaced(self, name: str, to: str) -> str | None:
        """Return the name with what matches replaced by `to`; None where it does not match."""
        if self.pattern is not None:
            return substituted(self.pattern, to, name)
        if not self.fits(name):
            return None
        match self.kind:
            case "exact":
                return to
            case "prefix":
                return to + name[len(self.text) :]
            case "suffix":
                return name[: len(name) - len(self.text)] + to
            case _:
                return name.replace(self.text, to)


def matcher(kind: str, text: str, field: str) -> Match:
    """Return how a `ttl` or `rcode` rule matches names. Raises ValueError with the reference's text."""
    kind = kind.lower()
    if kind not in MATCHES:
        raise ValueError(f"{field} rule supports only exact, prefix, suffix, substring, and regex name matching")
    if kind != "regex":
        return Match(kind, fqdn(text))
    if len(text) > MAX_PATTERN:
        raise ValueError(f"regex pattern too long in a {field} rule: {len(text)} > {MAX_PATTERN}")
    try:
        return Match(kind, text, regex.compile(text))
    except BadRegex:
        raise ValueError(f"invalid regex pattern in a {field} rule: {text}") from None
