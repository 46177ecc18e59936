"""quic: limits of the DNS over QUIC listeners."""

from __future__ import annotations

import pytest

from shardns.plugins.quic.quic import Options
from tests.plugins.small import options, refusal

COUNT = "Wrong argument count or unexpected line ending after"
ATOI = 'strconv.Atoi: parsing "abc": invalid syntax'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("quic", Options()),
        ("quic {\n}", Options()),
        ("quic {\n # nothing\n}", Options()),
        ("quic {\n max_streams 100\n}", Options(max_streams=100)),
        ("quic {\n worker_pool_size 1000\n}", Options(worker_pool_size=1000)),
        ("quic {\n max_streams 1\n worker_pool_size 2\n}", Options(max_streams=1, worker_pool_size=2)),
        ("quic {\n max_streams 1\n}\nquic {\n max_streams 2\n}", Options(max_streams=1)),
    ],
)
def test_limits_are_read(text: str, expected: Options) -> None:
    assert options(Options, text) == expected


def test_limits_are_the_reference_s_where_nothing_is_said() -> None:
    assert (Options().max_streams, Options().worker_pool_size) == (256, 1024)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("quic arg", f"Corefile:1 - Error during parsing: {COUNT} 'arg'"),
        ("quic {\n max_streams\n}", f"Corefile:2 - Error during parsing: {COUNT} 'max_streams'"),
        ("quic {\n max_streams 1 2\n}", f"Corefile:2 - Error during parsing: {COUNT} '2'"),
        ("quic {\n max_streams abc\n}", f"Corefile:2 - Error during parsing: invalid max_streams value 'abc': {ATOI}"),
        ("quic {\n max_streams 0\n}", "Corefile:2 - Error during parsing: max_streams must be a positive integer: 0"),
        (
            "quic {\n worker_pool_size -10\n}",
            "Corefile:2 - Error during parsing: worker_pool_size must be a positive integer: -10",
        ),
        (
            "quic {\n max_streams 1\n max_streams 2\n}",
            "Corefile:3 - Error during parsing: max_streams already defined for this server block",
        ),
        (
            "quic {\n worker_pool_size 1\n worker_pool_size 2\n}",
            "Corefile:3 - Error during parsing: worker_pool_size already defined for this server block",
        ),
        ("quic {\n max_connections 1\n}", "Corefile:2 - Error during parsing: unknown property 'max_connections'"),
    ],
)
def test_wrong_limits_are_refused(text: str, complaint: str) -> None:
    assert refusal(Options, text) == f"plugin/quic: {complaint}"
