"""The pipelines of a template: what stands inside its actions."""

from __future__ import annotations

from collections.abc import Collection

from shardns.config.golang import quote

from .constants import character, number, unquote
from .errors import BadTemplate
from .nodes import Chain, Command, Constant, Dot, Fields, Function, Node, Pipe, Variable
from .tokens import KEYWORDS, Lexer, Token

MAX_DEPTH = 100  # of actions and parentheses in each other


class Pipelines:
    """The lower half of the parser. `functions` are the names of functions that a template may use."""

    def __init__(self, name: str, source: str, functions: Collection[str]) -> None:
        self.name = name
        self.lexer = Lexer(name, source)
        self.functions = functions
        self.all = self.lexer.tokens()
        self.index = 0
        self.variables = ["$"]
        self.ranges = 0
        self.depth = 0

    @property
    def token(self) -> Token:
        """The current token."""
        return self.all[self.index]

    def next(self) -> Token:
        """Take the current token."""
        token = self.all[self.index]
        self.index = min(self.index + 1, len(self.all) - 1)
        return token

    def skip(self) -> Token:
        """Step over spaces; return the current token."""
        while self.token.kind == "space":
            self.index += 1
        return self.token

    def word_after_left(self) -> str:
        """The first word of the action that begins here."""
        at = self.index + 1
        while self.all[at].kind == "space":
            at += 1
        return self.all[at].text

    def error(self, text: str, token: Token | None = None) -> BadTemplate:
        """Return an error at a token, the current one if none is given."""
        return self.lexer.error((token or self.token).at, text)

    def unexpected(self, token: Token, context: str) -> BadTemplate:
        """Return the error that a token cannot stand here."""
        if token.kind == "eof":
            return self.error(f"unexpected EOF in {context}" if context != "input" else "unexpected EOF", token)
        shown = f"<{token.text}>" if token.text in KEYWORDS else quote(token.text)
        return self.error(f"unexpected {shown} in {context}", token)

    def expect(self, kind: str, context: str) -> Token:
        """Take a token of this kind."""
        token = self.skip()
        if token.kind != kind:
            raise self.unexpected(token, context)
        return self.next()

    def unquoted(self, token: Token) -> str:
        """The value of a string literal."""
        try:
            return unquote(token.text)
        except ValueError as error:
            raise self.error(str(error), token) from None

    def pipeline(self, context: str, end: str) -> Pipe:
        """Declarations and commands, up to and with the end."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.error("template nests too deeply")
        at = self.skip().at
        declared, assigns = self.declarations(context)
        commands: list[Command] = []
        while True:
            token = self.skip()
            if token.kind == end:
                self.next()
                break
            if token.kind in ("right", "close", "eof"):
                raise self.unexpected(token, context)
            commands.append(self.command(context))
        self.check(commands, context)
        self.variables += [] if assigns else declared
        self.depth -= 1
        return Pipe(at, commands, declared, assigns)

    def check(self, commands: list[Command], context: str) -> None:
        """Refuse what cannot be executed."""
        if not commands:
            raise self.error(f"missing value for {context}")
        for number_, command in enumerate(commands[1:], 2):
            if isinstance(command.words[0], (Constant, Dot)):
                raise self.error(f"non executable command in pipeline stage {number_}")

    def declarations(self, context: str) -> tuple[list[str], bool]:
        """`$x :=`, `$x =` and, of a range, `$i, $x :=`."""
        start = self.index
        names: list[str] = []
        while self.skip().kind == "variable":
            token = self.next()
            names.append(token.text)
            after = self.skip()
            if after.kind in ("declare", "assign"):
                self.next()
                assigns = after.kind == "assign"
                for name in names if assigns else ():
                    self.known(name, token)
                return names, assigns
            if after.kind != "comma" or context != "range":
                if after.kind == "comma":
                    raise self.error(f"too many declarations in {context}", token)
                break
            self.next()
            if len(names) == 2:
                raise self.error("too many declarations in range", token)
        self.index = start
        return [], False

    def known(self, name: str, token: Token) -> None:
        """Refuse a variable that is not declared."""
        if name not in self.variables:
            raise self.error(f"undefined variable {quote(name)}", token)

    def command(self, context: str) -> Command:
        """Operands up to `|` or an end."""
        words: list[Node] = []
        at = self.token.at
        while True:
            token = self.skip()
            if token.kind in ("right", "close"):
                break
            if token.kind == "pipe":
                self.next()
                if self.skip().kind in ("right", "close", "pipe"):
                    raise self.error(f"missing value for {context}" if self.token.kind != "pipe" else "empty command")
                break
            words.append(self.operand())
            if self.token.kind not in ("space", "right", "close", "pipe"):
                raise self.unexpected(self.token, "operand")
        if not words:
            raise self.error("empty command")
        if isinstance(words[0], Constant) and words[0].source == "nil":
            raise self.error("nil is not a command")
        return Command(at, words)

    def operand(self) -> Node:
        """A term and the fields behind it."""
        token = self.token
        term = self.term()
        names: list[str] = []
        while self.token.kind == "field":
            names.append(self.next().text[1:])
        if not names:
            return term
        if isinstance(term, Fields):
            return Fields(term.at, term.names + names)
        if isinstance(term, Variable):
            return Variable(term.at, term.name, term.names + names)
        if isinstance(term, (Constant, Dot)):
            raise self.error(f"unexpected . after term {quote(str(term))}", token)
        return Chain(token.at, term, names)

    def term(self) -> Node:
        """A value without what is attached to it."""
        token = self.next()
        match token.kind:
            case "word":
                return self.word(token)
            case "dot":
                return Dot(token.at)
            case "variable":
                self.known(token.text, token)
                return Variable(token.at, token.text, [])
            case "field":
                return Fields(token.at, [token.text[1:]])
            case "string" | "raw":
                return Constant(token.at, self.unquoted(token), token.text)
            case "char" | "number":
                try:
                    value = character(token.text) if token.kind == "char" else number(token.text)
                except ValueError as error:
                    raise self.error(str(error), token) from None
                return Constant(token.at, value, token.text)
            case "open":
                return self.pipeline("parenthesized pipeline", "close")
        raise self.unexpected(token, "operand")

    def word(self, token: Token) -> Node:
        """A function, true, false or nil."""
        if token.text in ("true", "false"):
            return Constant(token.at, token.text == "true", token.text)
        if token.text == "nil":
            return Constant(token.at, None, "nil")
        if token.text in KEYWORDS:
            raise self.unexpected(token, "operand")
        if token.text not in self.functions:
            raise self.error(f"function {quote(token.text)} not defined", token)
        return Function(token.at, token.text)
