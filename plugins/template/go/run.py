"""Runs a template: walks its tree and writes the text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .evaluate import Evaluator, Origin
from .nodes import Action, Branch, Include, Jump, Listing, Node, Text
from .values import MISSING, text_of, truth

__all__ = ["Origin", "Runner"]

MAX_DEPTH = 100  # templates in each other


class _Jump(Exception):
    """`break` or `continue` on its way to the `range`."""


class Runner(Evaluator):
    """One run over one piece of data."""

    def run(self, data: Any) -> str:
        """Return the text; raises TemplateError."""
        self.walk(data, self.origin.trees[self.name])
        return "".join(self.written)

    def walk(self, dot: Any, node: Node) -> None:
        """Run one node."""
        self.step()
        match node:
            case Text():
                self.write(node.text)
            case Action():
                value = self.pipe(dot, node.pipe)
                if not node.pipe.declared:
                    if callable(value):
                        raise self.error(node.pipe, f"can't print {node.pipe} of type func()")
                    self.write(text_of(value))
            case Listing():
                for inner in node.nodes:
                    self.walk(dot, inner)
            case Branch():
                self.branch(dot, node)
            case Include():
                self.include(dot, node)
            case Jump():
                raise _Jump(node.kind)

    def branch(self, dot: Any, node: Branch) -> None:
        """`if`, `with`, `range`."""
        mark = len(self.variables)
        value = self.pipe(dot, node.pipe, declare=node.kind != "range")
        if node.kind == "range":
            self.loop(dot, node, value, mark)
        elif truth(value):
            self.walk(value if node.kind == "with" else dot, node.body)
        elif node.otherwise is not None:
            self.walk(dot, node.otherwise)
        del self.variables[mark:]

    def loop(self, dot: Any, node: Branch, value: Any, mark: int) -> None:
        """The rounds of a `range`."""
        any_round = False
        try:
            for key, item in self.items(node, value):
                any_round = True
                self.step()
                self.bind(node, key, item)
                self.round(item, node.body)
                del self.variables[mark:]
        except _Jump:
            pass
        if not any_round and node.otherwise is not None:
            self.walk(dot, node.otherwise)

    def round(self, item: Any, body: Listing) -> None:
        """One round; `continue` ends it."""
        try:
            self.walk(item, body)
        except _Jump as jump:
            if jump.args != ("continue",):
                raise

    def items(self, node: Branch, value: Any) -> Iterator[tuple[Any, Any]]:
        """What a `range` goes through: an array, a map by its sorted keys, the integers below a number."""
        if isinstance(value, (list, bytes)):
            return iter(enumerate(value))
        if isinstance(value, dict):
            return iter([(key, value[key]) for key in sorted(value, key=lambda key: (str(type(key)), key))])
        if type(value) is int:
            return ((number, number) for number in range(value))
        if value is None or value is MISSING:
            return iter(())
        raise self.error(node.pipe, f"range can't iterate over {text_of(value)}")

    def bind(self, node: Branch, key: Any, item: Any) -> None:
        """Set the variables of a round."""
        names = node.pipe.declared
        for name, value in zip(names, (item,) if len(names) == 1 else (key, item), strict=False):
            if node.pipe.assigns:
                self.assign(name, value)
            else:
                self.variables.append((name, value))

    def include(self, dot: Any, node: Include) -> None:
        """`template`."""
        tree = self.origin.trees.get(node.name)
        if tree is None:
            raise self.error(node, f'template "{node.name}" not defined')
        if self.depth >= MAX_DEPTH:
            raise self.error(node, f"exceeded maximum template depth ({MAX_DEPTH})")
        value = self.pipe(dot, node.pipe) if node.pipe else MISSING
        name, variables = self.name, self.variables
        self.name, self.variables, self.depth = node.name, [("$", value)], self.depth + 1
        self.walk(value, tree)
        self.name, self.variables, self.depth = name, variables, self.depth - 1
