"""quic and https3: limits of the QUIC listeners."""

from __future__ import annotations

import pytest

from shardns.plugins.https3.https3 import Options as Https3
from shardns.plugins.quic.quic import Options as Quic
from tests.plugins.small import options, refusal

COUNT = "Wrong argument count or unexpected line ending after"
ATOI = 'strconv.Atoi: parsing "abc": invalid syntax'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("quic", Quic()),
        ("quic {\n}", Quic()),
        ("quic {\n # nothing\n}", Quic()),
        ("quic {\n max_streams 100\n}", Quic(max_streams=100)),
        ("quic {\n worker_pool_size 1000\n}", Quic(worker_pool_size=1000)),
        ("quic {\n max_streams 1\n worker_pool_size 2\n}", Quic(max_streams=1, worker_pool_size=2)),
        ("quic {\n max_streams 1\n}\nquic {\n max_streams 2\n}", Quic(max_streams=1)),
    ],
)
def test_limits_of_quic_are_read(text: str, expected: Quic) -> None:
    assert options(Quic, text) == expected
    assert (Quic().max_streams, Quic().worker_pool_size) == (256, 1024)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https3", Https3()),
        ("https3 {\n}", Https3()),
        ("https3 {\n max_streams 100\n}", Https3(max_streams=100)),
        ("https3 {\n max_streams 0\n max_connections 0\n}", Https3(max_streams=0, max_connections=0)),
    ],
)
def test_limits_of_https3_are_read(text: str, expected: Https3) -> None:
    assert options(Https3, text) == expected
    assert (Https3().max_streams, Https3().max_connections) == (256, 200)


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
        ("quic {\n X 1\n}", "Corefile:2 - Error during parsing: unknown property 'X'"),
    ],
)
def test_wrong_limits_of_quic_are_refused(text: str, complaint: str) -> None:
    assert refusal(Quic, text) == f"plugin/quic: {complaint}"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("https3 arg", f"Corefile:1 - Error during parsing: {COUNT} 'arg'"),
        (
            "https3 {\n max_connections abc\n}",
            f"Corefile:2 - Error during parsing: invalid max_connections value 'abc': {ATOI}",
        ),
        (
            "https3 {\n max_streams -1\n}",
            "Corefile:2 - Error during parsing: max_streams must be a non-negative integer: -1",
        ),
        (
            "https3 {\n max_connections 1\n max_connections 1\n}",
            "Corefile:3 - Error during parsing: max_connections already defined for this server block",
        ),
        ("https3 {\n worker_pool_size 1\n}", "Corefile:2 - Error during parsing: unknown property 'worker_pool_size'"),
    ],
)
def test_wrong_limits_of_https3_are_refused(text: str, complaint: str) -> None:
    assert refusal(Https3, text) == f"plugin/https3: {complaint}"
