"""What `template` can be told."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from shardns.config import expression, golang, regex
from shardns.config.expression import ANY, BUILTINS, BadExpression, Program, Type
from shardns.config.expression.queries import GROUP, QUERY
from shardns.config.schema import Arg, Args, Draft, Fallthrough, Prop, Props, Schema
from shardns.config.tokens import Token
from shardns.config.values import CLASS, RCODE, STRING, TYPE, ZONES, Convert, Refuse, Words

from .go import BadTemplate, Template

MAX_PATTERN = 10_000  # characters
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_KNOWN = "template variables"  # in the draft's notebook: the environment of the stanza that is being read


@dataclass(frozen=True)
class Variable:
    """`var NAME EXPR`."""

    name: str
    program: Program


@dataclass(frozen=True)
class ExtendedError:
    """`ederror CODE [TEXT]` (RFC 8914)."""

    code: int
    text: str = ""


def known(draft: Draft) -> dict[str, Type]:
    """Return the environment of the stanza: what every query offers, and the variables so far."""
    found: dict[str, Type] = draft.shared.setdefault(_KNOWN, QUERY | GROUP)
    return found


class StanzaClass(CLASS):
    """The class of a stanza; with it a stanza begins, and its variables are forgotten."""

    def parse(self, word: str, draft: Draft) -> int:
        """Return the class's number."""
        draft.shared[_KNOWN] = QUERY | GROUP
        return super().parse(word, draft)


def pattern(word: str, draft: Draft) -> regex.Pattern:
    """Read a regular expression."""
    if len(word) > MAX_PATTERN:
        raise Refuse(f"regex pattern too long: {len(word)} > {MAX_PATTERN}", True)
    try:
        return regex.compile(word)
    except regex.BadRegex as error:
        raise Refuse(f"could not parse regex: {word}, {error}", True) from None


def templates(section: str) -> Words:
    """Return the value type of a section's records: every word is one template."""

    def judge(words: Sequence[Token], draft: Draft) -> tuple[Template, ...]:
        found = []
        for word in words:
            try:
                found.append(Template(section, word.text))
            except BadTemplate as error:
                text = f"could not compile template: {words[-1]}, {error}"
                raise Refuse(text, True, word) from None
        return tuple(found)

    return Words(judge, "RR...")


def variable(words: Sequence[Token], draft: Draft) -> Variable:
    """Read `NAME EXPR`; the expression may use the variables before it."""
    name, *rest = words
    if not _NAME.fullmatch(name.text):
        raise Refuse(f"invalid variable name {golang.quote(name.text)}", True, name)
    environment = known(draft)
    if name.text in environment or name.text in BUILTINS or not expression.is_name(name.text):
        raise Refuse(f"variable name {golang.quote(name.text)} is reserved", True, name)
    try:
        program = expression.compile(" ".join(word.text for word in rest), dict(environment))
    except BadExpression as error:
        environment[name.text] = ANY  # so that its uses are no further problems
        raise Refuse(f"could not compile expression: {name}, {error}", True, rest[0]) from None
    environment[name.text] = ANY if program.type.kind == "nil" else program.type
    return Variable(name.text, program)


def condition(words: Sequence[Token], draft: Draft) -> Program:
    """Read `EXPR`."""
    try:
        return expression.compile(" ".join(word.text for word in words), dict(known(draft)))
    except BadExpression as error:
        raise Refuse(f"could not compile expression: {error}", True, words[0]) from None


def extended_error(words: Sequence[Token], draft: Draft) -> ExtendedError:
    """Read `CODE [TEXT]`."""
    try:
        code = golang.integer(words[0].text, "ParseUint", 16)
    except ValueError as error:
        text = f"error parsing extended DNS error code {words[-1]}, {error}"
        raise Refuse(text, True, words[0], hint="expected a number from 0 to 65535") from None
    return ExtendedError(code, words[1].text if len(words) > 1 else "")


Records = tuple[tuple[Template, ...], ...]


class Options(Schema, repeat="each", unknown=None):
    """Build replies from templates."""

    qclass: Annotated[int, Arg(StanzaClass("invalid query class {}", fold=False, located=True), name="class")]
    "Class of the queries that are answered: IN, CH, CS, HS, NONE or ANY."

    qtype: Annotated[int, Arg(TYPE("invalid RR class {}", fold=False, located=True), name="type")]
    "Type of the queries that are answered, or ANY."

    zones: Annotated[tuple[bytes, ...], Args(ZONES(), block_zones=True)] = ()
    "Zones that are answered. Without any, those of the server block."

    match: Annotated[tuple[regex.Pattern, ...], Props(Convert(pattern, "REGEX"))] = ()
    "Regular expressions for the name, lower case and with the final dot; the first that matches gives the groups. "
    "Without any, every name matches."

    variables: Annotated[tuple[Variable, ...], Props(Words(variable, "NAME EXPR..."), name="var", least=2)] = ()
    "A variable for later expressions and, as `.Var.NAME`, for the templates."

    conditions: Annotated[tuple[Program, ...], Props(Words(condition, "EXPR..."), name="expr")] = ()
    "A condition; all must be true."

    answer: Annotated[Records, Props(templates("answer"))] = ()
    "Records of the answer section, one template an argument."

    additional: Annotated[Records, Props(templates("additional"))] = ()
    "Records of the additional section."

    authority: Annotated[Records, Props(templates("authority"))] = ()
    "Records of the authority section."

    rcode: Annotated[int, Prop(RCODE("unknown rcode {}", fold=False, located=True), rest="property")] = 0
    "Response code. SERVFAIL is sent without any record."

    ederror: Annotated[
        ExtendedError | None, Prop(Words(extended_error, "CODE [TEXT]"), least=1, most=2, repeat="replace")
    ] = None
    "Extended DNS error (RFC 8914) to add."

    fallthrough: Annotated[tuple[bytes, ...] | None, Fallthrough()] = None
    "Where no regular expression or not every condition fits, go on to the next stanza or plugin instead of SERVFAIL; "
    "with zones, only for names in them."

    upstream: Annotated[tuple[str, ...], Props(STRING(), least=0, repeat="replace")] = ()
    "Ignored; CNAME records are always followed."
