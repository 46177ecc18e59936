"""Loads a Corefile text with all directives."""

from __future__ import annotations

import re

from shardns.config.load import load
from shardns.config.model import Model
from shardns.config.source import Source
from shardns.plugins import order, schema
from tests.certify import example
from tests.meta.tree import TOP

DATABASES = TOP / "tests" / "plugins" / "data"


def load_text(text: str, port: int = 53) -> Model:
    """Return the model; raises ConfigError."""
    names = order()
    return load(Source("Corefile", text), {name: schema(name) for name in names}, names, port=port, environ={})


def with_files(text: str) -> str:
    """Return an example in which every MaxMind database, certificate and key is one that there is."""
    text = re.sub(r"\S+\.pem\b", lambda found: str(example().key if "key" in found[0] else example().certificate), text)
    return re.sub(r"\S+\.mmdb", lambda found: str(DATABASES / ("asn.mmdb" if "ASN" in found[0] else "city.mmdb")), text)
