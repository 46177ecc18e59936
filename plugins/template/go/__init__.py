"""Go's text/template, as far as records can be made of strings, numbers, lists and maps.

    template = Template("answer", "{{ .Name }} 60 IN A {{ index .Match 1 }}")
    template.run(Struct("*template.templateData", {"Name": "example.org.", …}))

1. A template is a value: equal if name and source are, and picklable.
2. A run is bounded in steps, in depth and in what it writes.
"""

from __future__ import annotations

from typing import Any

from .errors import BadTemplate, CallError, TemplateError
from .functions import FUNCTIONS
from .parse import Parser
from .run import Origin, Runner
from .values import Struct, Texts

__all__ = ["BadTemplate", "CallError", "Struct", "Template", "TemplateError", "Texts"]


class Template:
    """A parsed template; `str()` gives its normalised text. Raises BadTemplate."""

    __slots__ = ("_origin", "name", "source")

    def __init__(self, name: str, source: str) -> None:
        self.name = name
        self.source = source
        self._origin = Origin(name, source, Parser(name, source, FUNCTIONS).parse())

    def run(self, data: Any) -> str:
        """Return the text for the data; raises TemplateError."""
        return Runner(self._origin, data).run(data)

    def __str__(self) -> str:
        return str(self._origin.trees[self.name])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Template) and (other.name, other.source) == (self.name, self.source)

    def __hash__(self) -> int:
        return hash((self.name, self.source))

    def __reduce__(self) -> tuple[type[Template], tuple[str, str]]:
        return Template, (self.name, self.source)

    def __repr__(self) -> str:
        return f"Template({self.name!r}, {self.source!r})"
