"""Domain names in wire form, as the data path uses them; the text is in `config/names.py`, which the codec shares."""

from shardns.config.names import (
    MAX_LABEL_BYTES,
    MAX_NAME_BYTES,
    ROOT,
    from_text,
    join,
    key,
    labels,
    parent,
    to_text,
    within,
)

__all__ = [
    "MAX_LABEL_BYTES",
    "MAX_NAME_BYTES",
    "ROOT",
    "from_text",
    "join",
    "key",
    "labels",
    "parent",
    "to_text",
    "within",
]
