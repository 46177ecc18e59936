"""Tokens → the tree of a template and those that it defines."""

from __future__ import annotations

from collections.abc import Collection

from .nodes import Action, Branch, Include, Jump, Listing, Node, Text
from .pipelines import MAX_DEPTH, Pipelines
from .tokens import KEYWORDS, Token


class Parser(Pipelines):
    """Parses one source; `trees` are the templates found, the source itself under its name."""

    def __init__(self, name: str, source: str, functions: Collection[str]) -> None:
        super().__init__(name, source, functions)
        self.trees: dict[str, Listing] = {}

    def parse(self) -> dict[str, Listing]:
        """Return the trees; raises BadTemplate."""
        nodes: list[Node] = []
        while self.token.kind != "eof":
            if self.token.kind == "left" and self.word_after_left() == "define":
                self.definition()
                continue
            node = self.node()
            if isinstance(node, str):
                raise self.error(f"unexpected {{{{{node}}}}}")
            nodes.append(node)
        self.trees[self.name] = Listing(0, nodes)
        return self.trees

    def node(self) -> Node | str:
        """Text or an action; `else …` and `end` are returned as words."""
        token = self.next()
        if token.kind == "text":
            return Text(token.at, token.text)
        word = self.skip()
        if word.kind == "word" and word.text in KEYWORDS - {"nil"}:
            self.next()
            return self.keyword(word)
        at = word.at
        pipe = self.pipeline("command", "right")
        return Action(at, pipe)

    def keyword(self, word: Token) -> Node | str:
        """An action that begins with a keyword."""
        match word.text:
            case "if" | "with" | "range":
                return self.branch(word)
            case "end":
                self.expect("right", "end")
                return "end"
            case "else":
                after = self.skip()
                if after.text in ("if", "with"):
                    return f"else {after.text}"
                self.expect("right", "else")
                return "else"
            case "break" | "continue":
                self.expect("right", f"{{{{{word.text}}}}}")
                if not self.ranges:
                    raise self.error(f"{{{{{word.text}}}}} outside {{{{range}}}}", word)
                return Jump(word.at, word.text)
            case "template":
                return self.include(word)
            case "block":
                return self.block(word)
        raise self.unexpected(word, "command")

    def listing(self) -> tuple[Listing, str]:
        """Nodes up to `else …` or `end`, and which it was."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.error("template nests too deeply")
        at, nodes = self.token.at, list[Node]()
        while self.token.kind != "eof":
            if self.token.kind == "left" and self.word_after_left() == "define":
                raise self.error("unexpected <define> in command")
            node = self.node()
            if isinstance(node, str):
                self.depth -= 1
                return Listing(at, nodes), node
            nodes.append(node)
        raise self.error("unexpected EOF")

    def branch(self, word: Token) -> Branch:
        """`{{if}}`, `{{with}}`, `{{range}}` with what belongs to it."""
        kind = word.text
        scope = len(self.variables)
        pipe = self.pipeline(kind, "right")
        self.ranges += kind == "range"
        body, ended = self.listing()
        self.ranges -= kind == "range"
        otherwise: Listing | None = None
        if ended.startswith("else "):
            inner = self.skip()
            if (kind, inner.text) not in (("if", "if"), ("with", "with")):
                raise self.unexpected(inner, "else")
            self.next()
            # `else if` is an `if` inside the `else`; the one `end` closes both.
            otherwise = Listing(inner.at, [self.branch(inner)])
        elif ended == "else":
            otherwise, ended = self.listing()
            if ended != "end":
                raise self.error(f"expected end; found {{{{{ended}}}}}")
        del self.variables[scope:]
        return Branch(word.at, kind, pipe, body, otherwise)

    def include(self, word: Token) -> Include:
        """`{{template "name" pipeline}}`."""
        token, name = self.template_name("template clause")
        pipe = None
        if self.skip().kind != "right":
            pipe = self.pipeline("template clause", "right")
        else:
            self.next()
        return Include(word.at, name, token.text, pipe)

    def template_name(self, context: str) -> tuple[Token, str]:
        """A quoted name."""
        token = self.skip()
        if token.kind not in ("string", "raw"):
            raise self.unexpected(token, context)
        self.next()
        return token, self.unquoted(token)

    def block(self, word: Token) -> Include:
        """`{{block "name" pipeline}}…{{end}}`: a definition and its use."""
        token, name = self.template_name("block clause")
        pipe = self.pipeline("block clause", "right")
        self.trees.setdefault(name, self.inner())
        return Include(word.at, name, token.text, pipe)

    def definition(self) -> None:
        """`{{define "name"}}…{{end}}`."""
        self.next()
        self.skip()
        self.next()
        _, name = self.template_name("define clause")
        self.expect("right", "define clause")
        self.trees[name] = self.inner()

    def inner(self) -> Listing:
        """The body of a definition; it sees no variable from outside."""
        outer, self.variables = self.variables, ["$"]
        ranges, self.ranges = self.ranges, 0
        body, ended = self.listing()
        if ended != "end":
            raise self.error(f"unexpected {{{{{ended}}}}} in define clause")
        self.variables, self.ranges = outer, ranges
        return body
