"""From the text of a zone file to the words of one entry (RFC 1035 §5.1).

An entry is a line, or several where parentheses or quotes span line ends. Comments are dropped. Columns are the
reference's: that of the character behind a word, or of its last one at the end of a line.
"""

from __future__ import annotations

import re
from typing import Final

from ..wire.codes import CLASS_CODE, TYPE_CODE
from .errors import Bad, Token

BLANK: Final = 0
OWNER: Final = 1
WORD: Final = 2
QUOTED: Final = 3
TYPE: Final = 4
CLASS: Final = 5
NEWLINE: Final = 6
DIRECTIVE: Final = 7
UNCLOSED: Final = 8  # a quoted text that goes on to the end of the file

DIRECTIVES: Final = (b"$TTL", b"$ORIGIN", b"$INCLUDE", b"$GENERATE")
_TYPES: Final = {text.encode(): code for text, code in TYPE_CODE.items()}
_CLASSES: Final = {text.encode(): code for text, code in CLASS_CODE.items()}
_PART: Final = re.compile(
    rb'(?P<blank>[ \t]+)|(?P<word>(?:[^ \t\r\n"();\\]|\\[^\n]|\\(?=\n|\Z))+)|(?P<end>\n)'
    rb'|(?P<comment>;[^\n]*)|(?P<quote>")|(?P<open>\()|(?P<close>\))|(?P<return>\r)'
)
_QUOTED: Final = re.compile(rb'(?:[^"\\]|\\[\s\S])*')


def entry(data: bytes, at: int, line: int) -> tuple[list[Token], int, int]:
    """Read one entry; returns its words with the newline that ends it, and where (and on which line) the next begins.

    Raises `Bad` for parentheses that do not match and for unknown `TYPEn` and `CLASSn`.
    """
    lexer = _Entry(data, at, line)
    lexer.read()
    return lexer.found, lexer.at, lexer.line


class _Entry:
    def __init__(self, data: bytes, at: int, line: int) -> None:
        self.data = data
        self.at = at
        self.line = line
        self.line_start = at
        self.line_end = (line, 0)
        self.depth = 0
        self.found: list[Token] = []
        self.typed = False
        self.word = b""
        self.word_end = at

    def read(self) -> None:
        """Read to the end of the entry, or of the text."""
        data, size = self.data, len(self.data)
        while self.at < size:
            part = _PART.match(data, self.at)
            assert part is not None
            start, self.at = self.at, part.end()
            kind = part.lastgroup
            if kind == "word":
                self.word += part[0]
                self.word_end = self.at
            elif kind == "end":
                if self._end(start):
                    return
            elif kind == "quote":
                self._quote()
            elif kind == "open" or kind == "close":
                self._bracket(1 if kind == "open" else -1)
            elif kind != "return":
                self._flush(start + 1 - self.line_start)
                if kind == "blank":
                    self._blank(start)
        self._finish()

    def _column(self, at: int) -> int:
        return at - self.line_start

    def _end(self, start: int) -> bool:
        column = self._column(start)
        if not self.depth:
            self._flush(column, last=True)
            self.found.append(Token(NEWLINE, b"\n", self.line, column))
        else:
            self._flush(column)
            self._blank(start)
        self.line_end = (self.line, column)
        self.line += 1
        self.line_start = self.at
        return not self.depth

    def _quote(self) -> None:
        self._flush(self._column(self.at))
        text = _QUOTED.match(self.data, self.at)
        assert text is not None
        kind = QUOTED if text.end() < len(self.data) else UNCLOSED
        self.at = text.end() + 1  # behind the closing quote
        body = text[0]
        lines = body.count(b"\n")
        if lines:
            self.line += lines
            self.line_start = text.start() + body.rfind(b"\n") + 1
        self.found.append(Token(kind, body, self.line, self._column(self.at)))

    def _bracket(self, step: int) -> None:
        self.depth += step
        if self.depth < 0:
            text = "extra closing brace"
            raise Bad(text, Token(WORD, text.encode(), self.line, self._column(self.at)))

    def _blank(self, start: int) -> None:
        if not self.found or self.found[-1].kind != BLANK:
            self.found.append(Token(BLANK, b" ", self.line, self._column(start) + 1))

    def _flush(self, column: int, *, last: bool = False) -> None:
        word = self.word
        if not word:
            return
        self.word = b""
        if not self.found:
            kind = DIRECTIVE if not last and word.upper() in DIRECTIVES else OWNER
            if last and word.upper() in _TYPES:
                self._add(TYPE, word, column, _TYPES[word.upper()])
            else:
                self._add(kind if not last else WORD, word, column)
            return
        self._classify(word, column, last)

    def _classify(self, word: bytes, column: int, last: bool) -> None:
        upper = word.upper()
        if self.typed:
            self._add(WORD, word, column)
        elif upper in _CLASSES and not last:
            self._add(CLASS, word, column, _CLASSES[upper])
        elif upper in _TYPES:
            self.typed = True
            self._add(TYPE, word, column, _TYPES[upper])
        elif upper.startswith(b"TYPE") and not last:
            self.typed = True
            self._add(TYPE, word, column, self._number(upper[4:], "unknown RR type", column))
        elif upper.startswith(b"CLASS") and not last:
            self._add(CLASS, word, column, self._number(upper[5:], "unknown class", column))
        else:
            self._add(WORD, word, column)

    def _number(self, digits: bytes, text: str, column: int) -> int:
        if not digits.isdigit() or int(digits) > 0xFFFF:
            raise Bad(text, Token(WORD, text.encode(), self.line, column))
        return int(digits)

    def _add(self, kind: int, text: bytes, column: int, code: int = 0) -> None:
        self.found.append(Token(kind, text, self.line, column, code))

    def _finish(self) -> None:
        column = self._column(min(self.at, len(self.data)))
        if self.depth:
            text = "unbalanced brace"
            line, column = (self.line, column) if column else self.line_end
            raise Bad(text, Token(WORD, text.encode(), line, column))
        self.at = len(self.data)
        self._flush(column, last=True)
        self.found.append(Token(NEWLINE, b"\n", self.line, column))
