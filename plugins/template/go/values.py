"""Values of templates: structures, maps, what is true, how they print."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from shardns.config.expression.show import go_type, show

from .errors import Refused


class Missing:
    """What a map gives for a key that it does not have."""

    def __repr__(self) -> str:
        return "<no value>"


MISSING = Missing()


class Struct:
    """A structure: its Go type, its fields, its methods, and its text where the type has one."""

    __slots__ = ("fields", "go_type", "methods", "text")

    def __init__(
        self,
        go_type: str,
        fields: Mapping[str, Any],
        methods: Mapping[str, Callable[..., Any]] | None = None,
        text: Callable[[], str] | None = None,
    ) -> None:
        self.go_type = go_type
        self.fields = fields
        self.methods = methods or {}
        self.text = text

    def __str__(self) -> str:
        if self.text is not None:
            return self.text()
        return "&{" + " ".join(show(value) for value in self.fields.values()) + "}"


class Texts(dict[str, str]):
    """A map from string to string: `index` gives an empty string for a key that it does not have."""


def type_name(value: Any) -> str:
    """Return the name of a value's type."""
    if isinstance(value, Struct):
        return value.go_type
    if isinstance(value, Texts):
        return "map[string]string"
    if value is None or value is MISSING:
        return "<nil>"
    if isinstance(value, list) and value and all(isinstance(one, str) for one in value):
        return "[]string"
    return go_type(value)


def truth(value: Any) -> bool:
    """Tell whether a value counts as true: not false, 0, nil or empty."""
    if value is MISSING:
        return False
    return True if isinstance(value, Struct) else bool(value)


def text_of(value: Any) -> str:
    """Return what an action prints."""
    return "<no value>" if value is MISSING else show(value)


def field(value: Any, name: str) -> Any:
    """Return a field, method or map entry; raises Refused."""
    if isinstance(value, Struct):
        if name in value.methods:
            return value.methods[name]
        if name in value.fields:
            return value.fields[name]
        raise Refused(f"can't evaluate field {name} in type {value.go_type}")
    if isinstance(value, dict):
        return value.get(name, MISSING)
    if value is MISSING or value is None:
        raise Refused(f"nil pointer evaluating interface {{}}.{name}")
    method = None
    if name[:1].isupper() and hasattr(value, "GO_TYPE"):
        method = getattr(value, name, None)
    if not callable(method):
        raise Refused(f"can't evaluate field {name} in type {type_name(value)}")
    return method
