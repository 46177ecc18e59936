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
      | (?P<raw>`(?:[^`]|``)*`)
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
_SHORT = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


@dataclass(frozen=True, slots=True)
class Token:
    """One token; `text` is its value (strings unescaped), `at` its offset in characters."""

    kind: TokenKind
    text: str
    at: int

    def __str__(self) -> str:
        return f"{self.kind}({quote(self.text)})" if self.text else self.kind


def tokenize(source: str) -> list[Token]:
    """Return the tokens, EOF last; raises BadExpression."""
    found: list[Token] = []
    at = 0
    while at < len(source):
        match = _TOKEN.match(source, at)
        if match is None:
            raise BadExpression(f"unrecognized character: U+{ord(source[at]):04X} '{source[at]}'", source, at)
        kind, text = match.lastgroup, match[0]
        if kind == "open":
            raise BadExpression("literal not terminated", source, at)
        if kind == "comment":
            raise BadExpression("unclosed comment", source, at)
        if kind != "space":
            found.append(_token(kind or "", text, source, at))
        at = match.end()
    found.append(Token("EOF", "", len(source)))
    return found


def _token(kind: str, text: str, source: str, at: int) -> Token:
    match kind:
        case "raw":
            return Token("String", text[1:-1].replace("``", "`"), at)
        case "String":
            return Token("String", _unescape(text[1:-1], source, at), at)
        case "Bytes":
            return Token("Bytes", _unescape(text[2:-1], source, at, bytewise=True), at)
        case "Number":
            end = at + len(text)
            if end < len(source) and (source[end].isalnum() or source[end] in "_$"):
                raise BadExpression(f"bad number syntax: {quote(source[at : end + 1])}", source, at)
            return Token("Number", text, at)
        case "Identifier":
            return Token("Operator" if text in WORDS else "Identifier", text, at)
        case "Bracket":
            return Token("Bracket", text, at)
    return Token("Operator", text, at)


def _unescape(body: str, source: str, at: int, bytewise: bool = False) -> str:
    """Resolve escapes; with `bytewise` each character of the result stands for one octet."""

    def resolve(match: re.Match[str]) -> str:
        digits = match[1] or match[2] or match[3] or match[4]
        if match[5]:
            return chr(int(match[5], 8))
        if digits:
            code = int(digits, 16)
            if code > 0x10FFFF or (bytewise and not match[1]):
                raise BadExpression("unable to unescape string", source, at)
            return chr(code)
        if match[6] in _SHORT:
            return _SHORT[match[6]]
        if match[6] in "\\'\"`":
            return match[6]
        raise BadExpression("unable to unescape string", source, at)

    if bytewise:
        body = body.encode().decode("latin-1")
    return _ESCAPE.sub(resolve, body) if "\\" in body else body
