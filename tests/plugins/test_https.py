"""https: the limit of the DNS over HTTPS listeners."""

from __future__ import annotations

import pytest

from shardns.plugins.https.https import Options
from tests.plugins.small import options, refusal

COUNT = "Wrong argument count or unexpected line ending after"
ATOI = 'strconv.Atoi: parsing "abc": invalid syntax'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https", 200),
        ("https {\n}", 200),
        ("https {\n max_connections 200\n}", 200),
        ("https {\n max_connections 100\n}", 100),
        ("https {\n max_connections 0\n}", 0),
        ("https {\n max_connections 7\n}\nhttps {\n max_connections 9\n}", 7),
    ],
)
def test_the_limit_is_read(text: str, expected: int) -> None:
    assert options(Options, text).max_connections == expected


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("https extra_arg", f"Corefile:1 - Error during parsing: {COUNT} 'extra_arg'"),
        ("https {\n max_connections\n}", f"Corefile:2 - Error during parsing: {COUNT} 'max_connections'"),
        ("https {\n max_connections 1 2\n}", f"Corefile:2 - Error during parsing: {COUNT} '2'"),
        (
            "https {\n max_connections abc\n}",
            f"Corefile:2 - Error during parsing: invalid max_connections value 'abc': {ATOI}",
        ),
        (
            "https {\n max_connections -1\n}",
            "Corefile:2 - Error during parsing: max_connections must be a non-negative integer: -1",
        ),
        (
            "https {\n max_connections 1\n max_connections 1\n}",
            "Corefile:3 - Error during parsing: max_connections already defined for this server block",
        ),
        ("https {\n max_streams 1\n}", "Corefile:2 - Error during parsing: unknown property 'max_streams'"),
    ],
)
def test_a_wrong_limit_is_refused(text: str, complaint: str) -> None:
    assert refusal(Options, text) == f"plugin/https: {complaint}"
