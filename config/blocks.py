"""Words → server blocks: keys, and the words of each directive; snippets and imports are spliced in (core §2.3, §2.4).

1. `Words` follows the reference's parser step by step, including what it accepts by accident.
2. An unknown directive is noted and read on; a broken structure ends the reading, since nothing behind it is certain.
3. Everything is bounded: expansions as in the reference, and the number of words in all.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from .errors import Place, Refuse, count_text, nearest
from .tokens import Token

MAX_SNIPPETS = 10_000
MAX_FILES = 100_000
MAX_WORDS = 4_000_000
TOO_DEEP = "maximum {} import depth (10000) exceeded"  # the reference prints the same number for both


class Broken(Refuse):
    """The structure is broken here. `syntax`: `Syntax error` instead of `Error during parsing`."""

    def __init__(self, text: str, at: Token | None = None, *, syntax: bool = False, hint: str = "") -> None:
        super().__init__(text, True, at, hint=hint)
        self.syntax = syntax

    def full_text(self, place: Place) -> str:
        """Return the reference's whole text."""
        kind = "Syntax error" if self.syntax else "Error during parsing"
        return f"{place.file}:{place.line} - {kind}: {self.text}"


@dataclass
class Block:
    """A server block as it stands in the file: keys as written, the words of each directive with all its lines."""

    keys: list[Token] = field(default_factory=list)
    directives: dict[str, list[Token]] = field(default_factory=dict)


Importer = Callable[[str, Token], list[Token]]
Expand = Callable[[str], str]


class Blocks:
    """Reads the blocks of one configuration.

    `importer` gives the words of the files that a pattern names, `expand` substitutes the environment, `known` are the
    directive names (None: any). After `read`, `problems` holds what is wrong, in the order of the file, and
    `broken` tells whether the reading ended early.
    """

    def __init__(
        self, words: list[Token], importer: Importer, expand: Expand, known: Collection[str] | None, keep: bool = False
    ) -> None:
        self.words = words
        self.at = -1
        self.importer = importer
        self.expand = expand
        self.expand_words: Expand = str if keep else expand
        self.known = known
        self.snippets: dict[str, list[Token]] = {}
        self.snippet_uses = self.file_uses = 0
        self.block = Block()
        self.ended = self.broken = False
        self.problems: list[tuple[Broken, Token | None]] = []

    def read(self) -> list[Block]:
        """Return the blocks that have a key."""
        found = []
        try:
            while self.next():
                self.block = Block()
                self._one()
                if self.block.keys:
                    found.append(self.block)
        except Broken as broken:
            self.broken = True
            self.problems.append((broken, broken.at or self.current()))
        return found

    # Moving about ----------------------------------------------------------------------------------------------------

    @property
    def value(self) -> str:
        """The current word's text, empty beyond the end."""
        return self.words[self.at].text if 0 <= self.at < len(self.words) else ""

    def current(self) -> Token | None:
        """Return the current word, the last one beyond the end."""
        return self.words[min(max(self.at, 0), len(self.words) - 1)] if self.words else None

    def next(self) -> bool:
        """Go to the next word."""
        if self.at < len(self.words) - 1:
            self.at += 1
            return True
        return False

    def next_here(self) -> bool:
        """Go to the next word if it stands on the same line."""
        if self.at < len(self.words) - 1 and self.words[self.at + 1].follows(self.words[self.at]):
            self.at += 1
            return True
        return False

    def on_new_line(self) -> bool:
        """Tell whether the current word starts a line."""
        if self.at < 1:
            return True
        if self.at > len(self.words) - 1:
            return False
        before, here = self.words[self.at - 1], self.words[self.at]
        return before.place.file != here.place.file or before.place.line + before.breaks < here.place.line

    # Grammar ---------------------------------------------------------------------------------------------------------

    def _one(self) -> None:
        self._keys()
        if self.ended:
            return
        name = self._snippet_name()
        if name is None:
            self._contents()
        else:
            self._define(name)

    def _keys(self) -> None:
        more = False
        while True:
            token = self.current()
            text = self.expand(self.value)
            if text == "import" and self.on_new_line():
                self._import()
                continue
            if text == "{":
                if more:
                    raise Broken("Expected another address but had '{' - check for extra comma")
                return
            key = self.expand_words(self.value)
            if key and token is not None:
                more = key.endswith(",")
                self.block.keys.append(token.holding(key.removesuffix(",")))
            if not self.next():
                if more:
                    raise Broken("Unexpected EOF")
                self.ended = True
                return
            if not more and self.on_new_line():
                return

    def _snippet_name(self) -> str | None:
        keys = [key.text for key in self.block.keys]
        if len(keys) == 1 and keys[0].startswith("(") and keys[0].endswith(")"):
            return keys[0][1:].removesuffix(")")
        return None

    def _define(self, name: str) -> None:
        if name in self.snippets:
            raise Broken(f"redeclaration of previously declared snippet {name}")
        body = self._snippet_body()
        for place, word in enumerate(body[:-1]):
            starts = place == 0 or body[place - 1].place[:2] != word.place[:2]
            if starts and word.text == "import" and self.expand(body[place + 1].text) == name:
                raise Broken(TOO_DEEP.format("snippet"))  # told at the closing brace
        self.snippets[name] = body
        self.block.keys = []

    def _snippet_body(self) -> list[Token]:
        if self.value != "{":
            raise self._unexpected("{")
        depth = 1
        body: list[Token] = []
        while self.next():
            if self.value == "}":
                depth -= 1
                if not depth:
                    return body
            depth += self.value == "{"
            body.append(self.words[self.at])
        raise self._unexpected("}")

    def _unexpected(self, expected: str) -> Broken:
        return Broken(f"Unexpected token '{self.value}', expecting '{expected}'", syntax=True)

    def _contents(self) -> None:
        braced = self.value == "{"
        if not braced:
            self.at -= 1
        while self.next():
            if self.value == "}":
                break
            if self.value == "import":
                self._import()
                self.at -= 1
                continue
            self._directive()
        if braced and self.value != "}":
            raise self._unexpected("}")

    def _directive(self) -> None:
        head = self.words[self.at]
        name = self.expand(head.text)
        if self.known is not None and name not in self.known:
            hint = nearest(name, sorted(self.known)) if len(name) > 1 else ""
            self.problems.append((Broken(f"Unknown directive '{name}'", hint=hint), head))
        own = self.block.directives.setdefault(name, [])
        own.append(head)
        depth = 0
        while self.next():
            if self.value == "{":
                depth += 1
            elif not depth and self.on_new_line():
                self.at -= 1
                break
            elif self.value == "}":
                if not depth:
                    raise Broken("Unexpected '}' because no matching opening brace", hint="put } on a line of its own")
                depth -= 1
            elif self.value == "import" and self.on_new_line():
                self._import()
                self.at -= 1
                continue
            word = self.words[self.at] = self.words[self.at].holding(self.expand_words(self.value))
            own.append(word)
        if depth:
            raise Broken("Unexpected EOF", hint=f"the block of '{name}' is not closed")

    # Imports ---------------------------------------------------------------------------------------------------------

    def _import(self) -> None:
        """Replace `import X` by what it names; the first imported word, if any, is then the current one."""
        if not self.next_here():
            raise Broken(count_text(self.value))
        pattern = self.expand(self.value)
        at = self.words[self.at]
        if not pattern:
            raise Broken("Import requires a non-empty filepath")
        if self.next_here():
            raise Broken("Import takes only one argument (glob pattern or file)")
        imported = self._imported(pattern, at)
        if len(self.words) + len(imported) > MAX_WORDS:
            raise Broken(f"more than {MAX_WORDS} words after imports")
        self.words[self.at - 1 : self.at + 1] = imported
        self.at -= 1

    def _imported(self, pattern: str, at: Token) -> list[Token]:
        if pattern in self.snippets:
            if self.snippet_uses >= MAX_SNIPPETS:
                raise Broken(TOO_DEEP.format("snippet"))
            self.snippet_uses += 1
            return self.snippets[pattern]
        if self.file_uses >= MAX_FILES:
            raise Broken(TOO_DEEP.format("file"))
        self.file_uses += 1
        return self.importer(pattern, at)
