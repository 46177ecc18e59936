"""Expression text → tokens."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from shardns.config.golang import quote

from .errors import BadExpression

TokenKind = Literal["Identifier", "Number", "String", "Bytes", "Operator", "Bracket", "EOF"]
WORDS = frozenset(
    ("not", "in", "or", "and", "matches", "contains", "startsWith", "endsWith", "let", "if", "else")
)  # words that are operators

_TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*|/\*.*?\*/)
      | (?P<comment>/\*)
      | (?P<Bytes>[bB](?:'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"))
      | (?P<String>'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")
      | (?P<raw>`(?:[^`]|``)*+`)
      | (?P<open>[bB]?['"]|`)
      | (?P<Number>(?:0[xX][0-9a-fA-F_]*|0[oO][0-7_]*|0[bB][01_]*|[0-9][0-9_]*|(?=\.[0-9]))(?:\.(?!\.)[0-9_]*)?
            (?:[eE][+-]?[0-9_]*)?)
      | (?P<Identifier>[\w$]+)
      | (?P<Operator>\#|\.\.|\.|\?\.|\?\?|\?|\|\||\||::|:|[&!=*<>][&=*]?|[,;%+\-^/])
      | (?P<Bracket>[()\[\]{}])""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(
    r"\\(?:x([0-9a-fA-F]{2})|u\{([0-9a-fA-F]{1,6})\}|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})|(.))",
    re.DOTALL,
)
_HEX = re.compile(r"[0-9a-fA-F]{1,6}")
_DIGITS = {"x": 2, "u": 4, "U": 8}
_SHORT = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


@dataclass(frozen=True, slots=True)
class Token:
    """One token; `text` is its value (strings unescaped), `at` its offset in characters."""

    kind: TokenKind
    text: str
    at: int

    def __str__(self) -> str:
        return f"{self.kind}({quote(self.text)})" if self.text else self.kind


def tokenize(source: str) -> tuple[list[Token], BadExpression | None]:
    """Return the tokens, EOF last, and what is wrong with the text that EOF then stands for."""
    found: list[Token] = []
    flaw = None
    at = 0
    try:
        while at < len(source):
            match = _TOKEN.match(source, at)
            if match is None:
                raise BadExpression(f"unrecognized character: U+{ord(source[at]):04X} '{source[at]}'", source, at)
            kind = match.lastgroup or ""
            if kind != "space":
                found.append(_token(kind, match[0], source, at))
            at = match.end()
    except BadExpression as error:
        flaw = error
    found.append(Token("EOF", "", max(0, len(source) - 1)))
    return found, flaw


def _token(kind: str, text: str, source: str, at: int) -> Token:
    match kind:
        case "open":
            _look(source, at)
            raise BadExpression("literal not terminated", source, len(source))
        case "comment":
            raise BadExpression("unclosed comment", source, len(source))
        case "raw":
            return Token("String", text[1:-1].replace("``", "`"), at)
        case "String":
            return Token("String", _unescape(text[1:-1], source, at), at)
        case "Bytes":
            return Token("Bytes", _unescape(text[2:-1], source, at, bytewise=True), at)
        case "Number":
            end = at + len(text)
            if end < len(source) and (source[end].isalnum() or source[end] in "_$"):
                raise BadExpression(f"bad number syntax: {quote(source[at : end + 1])}", source, end)
            return Token("Number", text, at)
        case "Identifier":
            return Token("Operator" if text in WORDS else "Identifier", text, at)
        case "Bracket":
            return Token("Bracket", text, at)
    return Token("Operator", text, at)


def _look(source: str, at: int) -> None:
    """Raise BadExpression at the character that shows that a quoted string is none."""
    at += source[at] in "bB"
    quote = source[at]
    if quote == "`":
        return
    at += 1
    while (char := source[at : at + 1]) != quote:
        if char in ("", "\n"):
            raise BadExpression("literal not terminated", source, at)
        at = _end_of_escape(source, at + 1, quote) if char == "\\" else at + 1


def _end_of_escape(source: str, at: int, quote: str) -> int:
    """Return where an escape ends; `at` is behind its backslash."""
    char = source[at : at + 1]
    if char and char in f"abfnrtv\\{quote}":
        return at + 1
    if source.startswith("u{", at):
        digits = _HEX.match(source, at + 2)
        end = at + 2 if digits is None else digits.end()
        if digits is not None and source[end : end + 1] == "}":
            return end + 1
        raise BadExpression("invalid char escape", source, end - 1)
    base, count, at = (8, 3, at) if char and char in "01234567" else (16, _DIGITS.get(char, 0), at + 1)
    if not count:
        raise BadExpression("invalid char escape", source, at - 1)
    for place in range(at, at + count):
        digit = source[place : place + 1]
        if not digit or digit not in "0123456789abcdefABCDEF"[: 22 if base == 16 else 8]:
            raise BadExpression("invalid char escape", source, place)
    return at + count


def _unescape(body: str, source: str, at: int, bytewise: bool = False) -> str:
    """Resolve escapes; with `bytewise` each character of the result stands for one octet."""
    if "\\" in body:
        _look(source, at)
    end = at + len(body) + 1 + bytewise

    def resolve(match: re.Match[str]) -> str:
        digits = match[1] or match[2] or match[3] or match[4]
        if match[5]:
            return chr(int(match[5], 8))
        if digits:
            code = int(digits, 16)
            if code > 0x10FFFF or (bytewise and not match[1]):
                raise BadExpression("unable to unescape string", source, end)
            return chr(code)
        if match[6] in _SHORT:
            return _SHORT[match[6]]
        if match[6] in "\\'\"":
            return match[6]
        raise BadExpression("unable to unescape string", source, end)

    if bytewise:
        body = body.encode().decode("latin-1")
    return _ESCAPE.sub(resolve, body) if "\\" in body else body
