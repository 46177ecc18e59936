"""No text makes the loader fail with anything but ConfigError, and none keeps it busy."""

from __future__ import annotations

from typing import Any

import tomli_w
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shardns.config.errors import ConfigError
from shardns.config.load import load
from shardns.config.source import Source
from tests.config.small import ORDER, REGISTRY

STRUCTURE = ["{", "}", "(s)", "import", "s", "nofile", "*", "/nope/*", "{$X}", "{$", '""', '"', "#", ",", "\\", "\x00"]
ZONES = [".", "a.org", "a.org:", ":1", "10.0.0.0/9", "::1/64", "tls://x:99999", "a,", "é", "x" * 70]
NAMES = ["hosts", "log", "bind", "view", "root", "debug", "health", "forward", "whoami"]
INNER = ["ttl", "0", "5", "fallthrough", "no_reverse", "reload", "1s", "-1s", "class", "denial", "except", "127.0.0.1"]
WORDS = st.sampled_from(STRUCTURE + ZONES + NAMES + INNER)
TEXTS = st.lists(st.tuples(WORDS, st.sampled_from([" ", "\n", "\n", ""])), max_size=60).map(
    lambda parts: "".join(word + gap for word, gap in parts)
)
SCALARS = WORDS | st.integers(-3, 99999) | st.booleans() | st.floats(allow_nan=False, allow_infinity=False)
KEYS = st.sampled_from(
    [*ORDER, "keys", "ttl", "lines", "fallthrough", "corefile", "class", "path", "zones", "except", "x"]
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)
BLOCKS = st.lists(st.dictionaries(KEYS, VALUES, max_size=5) | SCALARS, max_size=3)


def try_to_load(source: Source) -> None:
    """Load; a refusal must have a text, and places inside the file."""
    try:
        load(source, REGISTRY, ORDER, environ={"X": "y {$X2}"})
    except ConfigError as error:
        assert str(error)
        lines = source.text.count("\n") + 1
        assert all(not problem.place or problem.place.line <= lines for problem in error.problems)


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(TEXTS)
def test_no_corefile_breaks_the_loader(text: str) -> None:
    try_to_load(Source("Corefile", text))


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(BLOCKS | VALUES)
def test_no_toml_breaks_the_loader(blocks: Any) -> None:
    try_to_load(Source("x.toml", tomli_w.dumps({"block": blocks})))
