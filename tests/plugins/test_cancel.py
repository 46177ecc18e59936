"""cancel: a deadline that others can see."""

from __future__ import annotations

from typing import Any

import pytest

from shardns.plugins.cancel.cancel import Options
from tests.plugins.small import built, options, refusal
from tests.worker.fakes import query


def at(text: str, now: float) -> Any:
    plugin = built(Options, text)
    plugin.clock = lambda: now
    return plugin


def test_the_deadline_counts_from_the_plugin_on() -> None:
    asked = query("example.org.")
    assert at("cancel 2s", 100.0).answer(asked) is None
    assert asked.request.deadline == 102.0


def test_a_lookup_inside_can_only_shorten_it() -> None:
    asked = query("example.org.")
    at("cancel 2s", 100.0).answer(asked)
    at("cancel 2s", 101.0).answer(asked)
    assert asked.request.deadline == 102.0
    at("cancel 500ms", 101.0).answer(asked)
    assert asked.request.deadline == 101.5


def test_the_default_is_just_over_five_seconds() -> None:
    assert options(Options, "cancel").timeout == 5.001
    assert options(Options, "cancel 1s\ncancel 3s").timeout == 3.0


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("cancel 5", 'plugin/cancel: invalid duration: "5"'),
        ("cancel -1s", 'plugin/cancel: invalid negative duration: "-1s"'),
        ("cancel 0s", 'plugin/cancel: invalid negative duration: "0s"'),
        ("cancel 0", 'plugin/cancel: invalid negative duration: "0"'),
        ("cancel -1000ms", 'plugin/cancel: invalid negative duration: "-1000ms"'),
    ],
)
def test_wrong_timeouts_are_refused(text: str, complaint: str) -> None:
    assert refusal(Options, text) == complaint


def test_there_is_one_timeout() -> None:
    assert refusal(Options, "cancel 1s 2s").endswith("Wrong argument count or unexpected line ending after '2s'")
