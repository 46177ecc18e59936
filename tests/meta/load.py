"""Loads a Corefile text with all directives."""

from __future__ import annotations

from shardns.config.load import load
from shardns.config.model import Model
from shardns.config.source import Source
from shardns.plugins import order, schema


def load_text(text: str, port: int = 53) -> Model:
    """Return the model; raises ConfigError."""
    names = order()
    return load(Source("Corefile", text), {name: schema(name) for name in names}, names, port=port, environ={})
