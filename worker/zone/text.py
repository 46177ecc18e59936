"""Reads zone text (RFC 1035 §5, RFC 2308 §4, RFC 3597): records in file order into a sink.

1. What is accepted, what an omitted field means and what an error says is the reference's.
2. `Reader.read` is a generator that pauses every few milliseconds: a keeper loads a large zone and still answers HTTP.
3. Lines of the usual shape go through `plain`, everything else, and every error, through the full grammar here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Protocol

from ..wire.names import to_text
from . import tokens
from .errors import Bad, Token, ZoneTextError
from .generate import lines_of
from .plain import CHUNK_BYTES, Default, Plain
from .rare import rdata_of, unclosed
from .rdata import Words, fold, name, ttl
from .sources import Sources

MAX_INCLUDES: Final = 7  # nested
DEFAULT_TTL: Final = 3600  # of $GENERATE, where nothing else is said


class Sink(Protocol):
    """Where records go; `worker.store.publish.ZoneWriter` is one."""

    origin: bytes
    entries: list[bytes]
    count: int

    def add_record(self, owner: bytes, record: bytes) -> None:
        """Take one record: owner, and type, class, TTL, length and rdata."""


class Reader:
    """Reads one file, or the lines of a $GENERATE, and those it includes."""

    def __init__(
        self,
        sources: Sources,
        path: str,
        origin: bytes,
        sink: Sink,
        *,
        inspect: Callable[[bytes, int, bytes], None] | None = None,
        folds: bool = True,
    ) -> None:
        """`inspect` sees (owner, type, rdata) of every record that is not plain, before the sink; it may raise.

        `folds`: names in the rdata become lower case, as the reference keeps its zones.
        """
        self.sources = sources
        self.path = path
        self.origin = origin
        self.sink = sink
        self.inspect = inspect
        self.folds = folds
        self.default: Default | None = None
        self.owner = b""
        self.last_ttl = 0
        self.depth = 0
        self.generated = False

    def read(self, data: bytes | None = None) -> Iterator[None]:
        """Read everything, yielding now and then; raises `ZoneTextError`, and OSError for the file itself."""
        data = self.sources.read(self.path) if data is None else data
        plain = Plain(self)
        at, line, size = 0, 1, len(data)
        paused = 0
        while at < size:
            at, line = plain.lines(data, at, line)
            if at - paused > CHUNK_BYTES // 8:
                paused = at
                yield
            if at < size:
                at, line, more = self._read_entry(data, at, line)
                if more is not None:
                    yield from more
                plain.renew()

    def single(self, row: bytes, line: int) -> None:
        """Read an entry that is one line and no directive."""
        self._read_entry(row, 0, line)

    def _read_entry(self, data: bytes, at: int, line: int) -> tuple[int, int, Iterator[None] | None]:
        try:
            words, at, after = tokens.entry(data, at, line)
            return at, after, self._entry(words)
        except Bad as bad:
            token = bad.token or Token(tokens.NEWLINE, b"", line, 0)
            raise ZoneTextError(self.path, bad.text, token) from None

    def _entry(self, words: list[Token]) -> Iterator[None] | None:
        """Handle one entry; $INCLUDE and $GENERATE return more to read."""
        first = words[0]
        if first.kind == tokens.NEWLINE or (first.kind == tokens.BLANK and words[1].kind == tokens.NEWLINE):
            return None
        if first.kind == tokens.DIRECTIVE:
            return self._directive(first.text.upper(), words)
        self._record(words)
        return None

    def _directive(self, kind: bytes, words: list[Token]) -> Iterator[None] | None:
        text = kind.decode()
        blank, value = words[1], words[2] if len(words) > 2 else words[-1]
        if blank.kind != tokens.BLANK:
            raise Bad(f"no blank after {text}-directive", blank)
        if value.kind not in (tokens.WORD, tokens.TYPE, tokens.CLASS):
            raise Bad(f"expecting {text} value, not this...", value)
        if kind == b"$GENERATE":
            return self._generate(value, words[3:])
        if kind == b"$INCLUDE":
            return self._include(value, words[3:])
        rest = [word for word in words[3:] if word.kind != tokens.BLANK]
        if rest[0].kind != tokens.NEWLINE:
            raise Bad("garbage after rdata", rest[0])
        if kind == b"$ORIGIN":
            self.origin = self._name(value, "bad origin name")
        else:
            seconds = ttl(value.text)
            if seconds is None:
                raise Bad("expecting $TTL value, not this...", value)
            self.default = Default(seconds, True)
        return None

    def _name(self, token: Token, text: str) -> bytes:
        try:
            return name(token.text, self.origin)
        except ValueError:
            raise Bad(text, token) from None

    def _include(self, value: Token, rest: list[Token]) -> Iterator[None]:
        named = [word for word in rest if word.kind not in (tokens.BLANK, tokens.NEWLINE)]
        origin = self._name(named[0], "bad origin name") if named else self.origin
        if self.depth >= MAX_INCLUDES:
            raise Bad("too deeply nested $INCLUDE", value)
        given = value.text.decode("utf-8", "surrogateescape")
        path = given if given.startswith("/") else str(Path(self.path).parent / given)
        try:
            data = self.sources.read(path)
        except OSError as error:
            also = f" as `{path}'" if path != given else ""
            reason = f"open {path}: {(error.strerror or str(error)).lower()}"
            raise Bad(f"failed to open `{given}'{also}: {reason}", value) from None
        return self._sub(path, origin).read(data)

    def _generate(self, value: Token, rest: list[Token]) -> Iterator[None]:
        if self.generated:
            raise Bad("nested $GENERATE directive not allowed", value)
        reader = self._sub(self.path, self.origin)
        reader.depth = self.depth
        reader.generated = True
        reader.default = Default(DEFAULT_TTL, False)
        return reader.read(lines_of(value, rest))

    def _sub(self, path: str, origin: bytes) -> Reader:
        reader = Reader(self.sources, path, origin, self.sink, inspect=self.inspect)
        reader.default = self.default
        reader.depth = self.depth + 1
        return reader

    def _record(self, words: list[Token]) -> None:
        seconds = self.last_ttl if self.default is None else self.default.ttl
        at = 0
        explicit = named = classed = False
        rclass = 1
        if words[0].kind == tokens.OWNER:
            self.owner = self._name(words[0], "bad owner name")
            if words[1].kind != tokens.BLANK:
                raise Bad("no blank after owner", words[1])
            at, named = 2, True
        elif words[0].kind == tokens.BLANK:
            at = 1
        while words[at].kind != tokens.TYPE:
            word = words[at]
            if word.kind == tokens.CLASS and not classed:
                rclass, classed = word.code, True
            elif word.kind == tokens.WORD and not explicit:
                seconds = self._ttl(word)
                explicit = True
            else:
                raise Bad(_unexpected(named, explicit, classed), word)
            at += 1
            if words[at].kind != tokens.BLANK:
                raise Bad("no blank before RR type", words[at])
            at += 1
        if named and not explicit and not classed and self.default is None:
            raise Bad("missing TTL with no previous value", words[at])
        self.last_ttl = seconds
        self._emit(words, at, seconds, rclass)

    def _ttl(self, word: Token) -> int:
        seconds = ttl(word.text)
        if seconds is None:
            raise Bad("not a TTL", word)
        if self.default is None or not self.default.fixed:
            self.default = Default(seconds, False)
        return seconds

    def _emit(self, words: list[Token], at: int, seconds: int, rclass: int) -> None:
        rtype = words[at].code
        end = words[-1]
        behind = Words(words[at + 1 : -1], end, self.origin)
        if not behind.words:
            raise Bad("unexpected newline", end)
        if behind.words[-1].kind == tokens.UNCLOSED:
            raise Bad(unclosed(rtype), behind.tokens[0])
        rdata = rdata_of(rtype, behind)
        if self.folds:
            rdata = fold(rtype, rdata)
        if behind.at < len(behind.words):
            raise Bad("garbage after rdata", behind.words[behind.at])
        owner = self.owner or self.origin  # a blank where no owner came before
        if self.inspect is not None:
            self.inspect(owner, rtype, rdata)
        head = rtype.to_bytes(2, "big") + rclass.to_bytes(2, "big") + seconds.to_bytes(4, "big")
        self.sink.add_record(owner, head + len(rdata).to_bytes(2, "big") + rdata)

    def __repr__(self) -> str:
        return f"Reader({self.path}, {to_text(self.origin)})"


def _unexpected(named: bool, explicit: bool, classed: bool) -> str:
    if explicit and classed:
        return "unknown RR type"
    if explicit:
        return "expecting RR type or class, not this..."
    if classed:
        return "expecting RR type or TTL, not this..."
    return "expecting RR type, TTL or class, not this..." if named else "syntax error at beginning"
