"""grpc_server: limits of the gRPC listeners."""

from __future__ import annotations

import pytest

from shardns.config.load import load
from shardns.config.source import Source
from shardns.plugins import order, schema
from shardns.plugins.grpc_server.grpc_server import Options
from shardns.worker.places import limiting
from tests.plugins.small import options, refusal

COUNT = "Wrong argument count or unexpected line ending after"
ATOI = 'strconv.Atoi: parsing "abc": invalid syntax'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("grpc_server", Options()),
        ("grpc_server {\n}", Options()),
        ("grpc_server {\n max_streams 100\n}", Options(max_streams=100)),
        ("grpc_server {\n max_streams 0\n max_connections 0\n}", Options(max_streams=0, max_connections=0)),
        ("grpc_server {\n max_connections 7\n}\ngrpc_server {\n max_connections 9\n}", Options(max_connections=7)),
    ],
)
def test_limits_are_read(text: str, expected: Options) -> None:
    assert options(Options, text) == expected


def test_limits_are_the_reference_s_where_nothing_is_said() -> None:
    assert (Options().max_streams, Options().max_connections) == (256, 200)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("grpc_server arg", f"Corefile:1 - Error during parsing: {COUNT} 'arg'"),
        ("grpc_server {\n max_connections\n}", f"Corefile:2 - Error during parsing: {COUNT} 'max_connections'"),
        (
            "grpc_server {\n max_connections abc\n}",
            f"Corefile:2 - Error during parsing: invalid max_connections value 'abc': {ATOI}",
        ),
        (
            "grpc_server {\n max_streams -1\n}",
            "Corefile:2 - Error during parsing: max_streams must be a non-negative integer: -1",
        ),
        (
            "grpc_server {\n max_connections 1\n max_connections 1\n}",
            "Corefile:3 - Error during parsing: max_connections already defined for this server block",
        ),
        (
            "grpc_server {\n unknown_option 1\n}",
            "Corefile:2 - Error during parsing: unknown property 'unknown_option'",
        ),
    ],
)
def test_wrong_limits_are_refused(text: str, complaint: str) -> None:
    assert refusal(Options, text) == f"plugin/grpc_server: {complaint}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("grpc://.:1 {\n grpc_server {\n max_streams 1\n }\n whoami\n}", Options(max_streams=1)),
        ("grpc://.:1 {\n whoami\n}", None),
        ("dns://.:2 grpc://.:1 {\n grpc_server {\n max_streams 1\n }\n whoami\n}", None),
        (
            "grpc://a:1 {\n whoami\n}\ngrpc://b:1 {\n grpc_server {\n max_streams 1\n }\n whoami\n}",
            None,
        ),
        (
            "grpc://a:1 {\n grpc_server\n whoami\n}\ngrpc://b:1 {\n grpc_server {\n max_streams 1\n }\n whoami\n}",
            Options(),
        ),
    ],
)
def test_the_first_block_s_values_count_where_its_first_name_is_for_the_address(
    text: str, expected: Options | None
) -> None:
    names = order()
    model = load(Source("Corefile", text), {name: schema(name) for name in names}, names)
    index = 1 if text.startswith("dns://") else 0
    assert limiting(model, index, "grpc_server") == expected
