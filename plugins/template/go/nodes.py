"""The tree of a template. `str()` of a node is its normalised text, `at` its offset in the source."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Node:
    """Base of all nodes."""

    at: int


@dataclass(slots=True)
class Text(Node):
    """Text outside actions."""

    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(slots=True)
class Constant(Node):
    """A number, string, bool or nil; `source` is how it is written."""

    value: Any
    source: str

    def __str__(self) -> str:
        return self.source


@dataclass(slots=True)
class Dot(Node):
    """`.`"""

    def __str__(self) -> str:
        return "."


@dataclass(slots=True)
class Function(Node):
    """The name of a function."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(slots=True)
class Fields(Node):
    """`.A.B`"""

    names: list[str]

    def __str__(self) -> str:
        return "".join(f".{name}" for name in self.names)


@dataclass(slots=True)
class Variable(Node):
    """`$x` or `$x.A.B`"""

    name: str
    names: list[str]

    def __str__(self) -> str:
        return ".".join([self.name, *self.names])


@dataclass(slots=True)
class Chain(Node):
    """`(…).A.B`"""

    base: Node
    names: list[str]

    def __str__(self) -> str:
        base = f"({self.base})" if isinstance(self.base, Pipe) else str(self.base)
        return base + "".join(f".{name}" for name in self.names)


@dataclass(slots=True)
class Command(Node):
    """Operands with spaces between them: a function and its arguments, or one value."""

    words: list[Node]

    def __str__(self) -> str:
        return " ".join(f"({word})" if isinstance(word, Pipe) else str(word) for word in self.words)


@dataclass(slots=True)
class Pipe(Node):
    """Commands with `|` between them; `declared` are the variables set by it, with `:=` unless `assigns`."""

    commands: list[Command]
    declared: list[str] = field(default_factory=list)
    assigns: bool = False

    def __str__(self) -> str:
        head = f"{', '.join(self.declared)} {'=' if self.assigns else ':='} " if self.declared else ""
        return head + " | ".join(map(str, self.commands))


@dataclass(slots=True)
class Action(Node):
    """`{{pipeline}}`"""

    pipe: Pipe

    def __str__(self) -> str:
        return "{{" + str(self.pipe) + "}}"


@dataclass(slots=True)
class Listing(Node):
    """Nodes one after the other."""

    nodes: list[Node]

    def __str__(self) -> str:
        return "".join(map(str, self.nodes))


@dataclass(slots=True)
class Branch(Node):
    """`{{if …}}`, `{{with …}}`, `{{range …}}`."""

    kind: str
    pipe: Pipe
    body: Listing
    otherwise: Listing | None

    def __str__(self) -> str:
        other = "" if self.otherwise is None else "{{else}}" + str(self.otherwise)
        return "{{" + f"{self.kind} {self.pipe}" + "}}" + str(self.body) + other + "{{end}}"


@dataclass(slots=True)
class Jump(Node):
    """`{{break}}`, `{{continue}}`."""

    kind: str

    def __str__(self) -> str:
        return "{{" + self.kind + "}}"


@dataclass(slots=True)
class Include(Node):
    """`{{template "name" pipeline}}`."""

    name: str
    quoted: str
    pipe: Pipe | None

    def __str__(self) -> str:
        return "{{template " + self.quoted + (f" {self.pipe}" if self.pipe else "") + "}}"
