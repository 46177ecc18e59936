"""multisocket: how many sockets an address has."""

from __future__ import annotations

import pytest

from shardns.config.draft import Draft
from shardns.plugins.multisocket.multisocket import Options
from tests.plugins.small import options, refusal


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("multisocket 1", 1),
        ("multisocket 2", 2),
        ("multisocket 1024", 1024),
    ],
)
def test_the_block_gets_its_number(text: str, count: int) -> None:
    draft = Draft()
    options(Options, text, draft)
    assert draft.sockets == count


def test_without_a_number_it_is_that_of_the_cores_that_a_quota_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shardns.plugins.multisocket.multisocket.usable_cores", lambda: 3)
    draft = Draft()
    options(Options, "multisocket", draft)
    assert draft.sockets == 3


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("multisocket text", 'invalid num sockets: strconv.Atoi: parsing "text": invalid syntax'),
        ("multisocket 0", "num sockets can not be zero or negative: 0"),
        ("multisocket -1", "num sockets can not be zero or negative: -1"),
        ("multisocket 1025", "num sockets exceeds maximum (1024): 1025"),
        ("multisocket 2 2", "Wrong argument count or unexpected line ending after '2'"),
        ("multisocket 2 {\n block\n}", "Unexpected token '{', expecting argument"),
        ("multisocket\nmultisocket", "Wrong argument count or unexpected line ending after 'multisocket'"),
    ],
)
def test_wrong_numbers_are_refused(text: str, complaint: str) -> None:
    assert refusal(Options, text).startswith("plugin/multisocket: ")
    assert refusal(Options, text).endswith(complaint)
