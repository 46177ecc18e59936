"""One HTTP server an address, however many plugins and blocks name it."""

import asyncio
import socket
from types import SimpleNamespace
from typing import Any

import pytest

from shardns.worker import endpoints
from shardns.worker.hostport import trouble
from shardns.worker.http import Response


def said(text: bytes) -> Any:
    return lambda _request: Response(200, text)


class Scope:
    """A scope whose generation has one lent socket."""

    def __init__(self, listener: socket.socket | None, table: dict[Any, Any]) -> None:
        self.listener = listener
        self.generation = SimpleNamespace(table=table)
        self.cleanups: list[Any] = []

    def endpoint(self, _address: str) -> socket.socket | None:
        return self.listener

    def defer(self, cleanup: Any) -> None:
        self.cleanups.append(cleanup)


async def get(address: tuple[str, int], path: str) -> bytes:
    reader, writer = await asyncio.open_connection(*address)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    return answer.partition(b"\r\n\r\n")[2]


@pytest.mark.system
def test_an_address_is_served_until_its_last_user_has_gone() -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            where = listener.getsockname()
            table: dict[Any, Any] = {}
            scopes: list[Any] = [Scope(listener, table), Scope(listener, table)]
            one = await endpoints.serve(scopes[0], "a:1", "/health", said(b"one"))
            two = await endpoints.serve(scopes[1], "a:1", "/health", said(b"two"))
            await endpoints.serve(scopes[1], "a:1", "/ready", said(b"ready"))
            assert one is not None and two is not None
            assert [await get(where, path) for path in ("/health", "/ready")] == [b"two", b"ready"]
            await two()
            await two()
            assert await get(where, "/health") == b"one"
            await one()
            assert await get(where, "/health") == b"404 page not found\n"
            for cleanup in scopes[1].cleanups:
                await cleanup()
            assert table == {endpoints._TABLE: {}}

    asyncio.run(main())


def test_nobody_can_listen_without_a_socket() -> None:
    scope: Any = Scope(None, {})
    assert asyncio.run(endpoints.serve(scope, "a:1", "/", said(b""))) is None


@pytest.mark.system
def test_nobody_can_listen_where_the_master_could_not() -> None:
    with socket.socket() as bound:
        scope: Any = Scope(bound, {})
        assert asyncio.run(endpoints.serve(scope, "a:1", "/", said(b""))) is None


@pytest.mark.parametrize(
    ("word", "problem"),
    [
        (":53", ""), ("a:", ""), ("[::1]:53", ""),
        ("a", "missing port in address"), ("[::1]", "missing port in address"), ("[::1", "missing ']' in address"),
        ("::1", "too many colons in address"), ("[a]:1:2", "too many colons in address"),
        ("a[:1", "unexpected '[' in address"), ("a]:1", "unexpected ']' in address"),
    ],
)  # fmt: skip
def test_addresses_are_split_as_go_does(word: str, problem: str) -> None:
    assert trouble(word) == problem


@pytest.mark.system
def test_an_address_that_nobody_will_serve_again_resets_connections_at_once() -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            where = listener.getsockname()
            release = await endpoints.serve(Scope(listener, {}), "a:1", "/ready", said(b"OK"))  # type: ignore[arg-type]  # enough of a scope
            assert release is not None
            assert await get(where, "/ready") == b"OK"
            await release(for_good=True)
            async with asyncio.timeout(2):
                with pytest.raises(ConnectionError):
                    await get(where, "/ready")

    asyncio.run(main())
