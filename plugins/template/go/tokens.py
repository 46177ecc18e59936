"""Template text → tokens."""

from __future__ import annotations

import re
from dataclasses import dataclass

from shardns.config.golang import quote

from .errors import BadTemplate

KEYWORDS = frozenset(("block", "break", "continue", "define", "else", "end", "if", "nil", "range", "template", "with"))
SPACE = " \t\r\n"

_INSIDE = re.compile(
    r"""(?P<space>[ \t\r\n]+)
      | (?P<declare>:=) | (?P<assign>=) | (?P<pipe>\|) | (?P<comma>,) | (?P<open>\() | (?P<close>\))
      | (?P<string>"(?:[^"\\\n]|\\.)*") | (?P<raw>`[^`]*`) | (?P<char>'(?:[^'\\\n]|\\.)+')
      | (?P<badstring>["`'])
      | (?P<number>[+-]?(?:0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+|(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)
            (?:[eE][+-]?[0-9_]+)?)i?)
      | (?P<variable>\$\w*) | (?P<field>\.\w+) | (?P<dot>\.) | (?P<word>\w+)""",
    re.VERBOSE,
)
_ENDS = frozenset((" ", "\t", "\r", "\n", ".", ",", "|", ":", ")", "(", "", "=", "}"))


@dataclass(frozen=True, slots=True)
class Token:
    """One token: `text`, or what stands inside an action; `left` and `right` are the delimiters."""

    kind: str
    text: str
    at: int


class Lexer:
    """Cuts one template; errors name it and the line."""

    def __init__(self, name: str, source: str) -> None:
        self.name = name
        self.source = source
        self.found: list[Token] = []

    def error(self, at: int, text: str) -> BadTemplate:
        """Return an error at an offset."""
        return BadTemplate(f"template: {self.name}:{self.source.count(chr(10), 0, at) + 1}: {text}")

    def tokens(self) -> list[Token]:
        """Return all tokens, the last one being `end of file`."""
        source, at, trims = self.source, 0, False
        while True:
            left = source.find("{{", at)
            text = source[at : left if left >= 0 else len(source)]
            start = at
            if trims:
                start += len(text) - len(text.lstrip(SPACE))
                text = text.lstrip(SPACE)
            if left < 0:
                self._text(text, start)
                self.found.append(Token("eof", "", len(source)))
                return self.found
            at = left + 2
            if source[at : at + 1] == "-" and source[at + 1 : at + 2] in (*SPACE,):
                text = text.rstrip(SPACE)
                at += 2
            self._text(text, start)
            at, trims = self._comment(left, at) if source.startswith("/*", at) else self._action(left, at)

    def _text(self, text: str, at: int) -> None:
        if text:
            self.found.append(Token("text", text, at))

    def _comment(self, left: int, at: int) -> tuple[int, bool]:
        end = self.source.find("*/", at)
        if end < 0:
            raise self.error(left, "unclosed comment")
        end += 2
        trims = self._trims(end)
        if not self.source.startswith("}}", end + 2 * trims):
            raise self.error(left, "comment ends before closing delimiter")
        return end + 2 * trims + 2, trims

    def _trims(self, at: int) -> bool:
        return self.source[at : at + 1] in (*SPACE,) and self.source.startswith("-}}", at + 1)

    def _action(self, left: int, at: int) -> tuple[int, bool]:
        self.found.append(Token("left", "{{", left))
        depth = 0
        while True:
            trims = self._trims(at)
            if trims or self.source.startswith("}}", at):
                if depth:
                    raise self.error(at, "unclosed left paren")
                self.found.append(Token("right", "}}", at))
                return at + (4 if trims else 2), trims
            token = self._inside(left, at)
            depth += (token.kind == "open") - (token.kind == "close")
            if depth < 0:
                raise self.error(at, "unexpected right paren")
            self.found.append(token)
            at += len(token.text)

    def _inside(self, left: int, at: int) -> Token:
        source = self.source
        match = _INSIDE.match(source, at)
        if match is None:
            if at >= len(source):
                raise self.error(left, "unclosed action")
            if source[at] == ":":
                raise self.error(at, "expected :=")
            raise self.error(at, f"unrecognized character in action: U+{ord(source[at]):04X} '{source[at]}'")
        kind = str(match.lastgroup)
        following = source[match.end() : match.end() + 1]
        match kind:
            case "badstring":
                what = {'"': "unterminated quoted string", "`": "unterminated raw quoted string"}
                raise self.error(at, what.get(source[at], "unterminated character constant"))
            case "number" if following.isalnum() or following == "_":
                raise self.error(at, f"bad number syntax: {quote(source[at : match.end() + 1])}")
            case "variable" | "field" | "word" if following not in _ENDS:
                raise self.error(at, f"bad character U+{ord(following):04X} '{following}'")
        return Token(kind, match[0], at)
