"""The keeper's HTTP endpoints, over real loopback connections."""

import asyncio
import gzip
import socket
from collections.abc import Awaitable, Callable

import pytest

from shardns.worker import http

pytestmark = pytest.mark.system


def ok(_request: http.Request) -> http.Response:
    return http.Response(200, b"OK" * 500, packed=True)


async def later(request: http.Request) -> http.Response:
    await asyncio.sleep(0)
    return http.Response(200, request.body)


def serve(
    talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter, http.Server], Awaitable[None]],
) -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            server = http.Server({"/ok": ok, "/later": later})
            server.start(listener)
            reader, writer = await asyncio.open_connection(*listener.getsockname())
            async with asyncio.timeout(20):
                await talk(reader, writer, server)
            writer.close()
            await server.close()
            assert listener.fileno() >= 0

    asyncio.run(main())


async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, text: str) -> tuple[int, str, bytes]:
    writer.write(text.replace("\n", "\r\n").encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    size = int(head.lower().split("content-length: ")[1].split("\r\n")[0])
    body = b"" if text.startswith("HEAD") else await reader.readexactly(size)
    return int(head.split()[1]), head, body


def test_paths_are_exact_and_connections_stay() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _server: http.Server) -> None:
        for target, status in (("/ok", 200), ("/ok?x=1", 200), ("/ok/", 404), ("/", 404)):
            assert (await exchange(reader, writer, f"GET {target} HTTP/1.1\nHost: a\n\n"))[0] == status

    serve(talk)


def test_head_has_no_body_and_other_methods_are_taken() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _server: http.Server) -> None:
        status, head, _ = await exchange(reader, writer, "HEAD /ok HTTP/1.1\nHost: a\n\n")
        assert status == 200
        assert "Content-Length: 1000" in head
        assert (await exchange(reader, writer, "POST /later HTTP/1.1\nHost: a\nContent-Length: 2\n\nhi"))[2] == b"hi"

    serve(talk)


def test_gzip_is_given_to_whom_asks() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _server: http.Server) -> None:
        asked = "GET /ok HTTP/1.1\nHost: a\nAccept-Encoding: br, gzip;q=0.5\n\n"
        _, head, body = await exchange(reader, writer, asked)
        assert "Content-Encoding: gzip" in head
        assert gzip.decompress(body) == b"OK" * 500
        assert (await exchange(reader, writer, "GET /ok HTTP/1.1\nHost: a\nAccept-Encoding: gzip;q=0\n\n"))[
            2
        ] == b"OK" * 500

    serve(talk)


def test_nonsense_is_answered_400_and_closed() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _server: http.Server) -> None:
        assert (await exchange(reader, writer, "nonsense\n\n"))[0] == 400
        assert await reader.read() == b""

    serve(talk)


def test_a_stalled_body_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "TIMEOUT_S", 0.2)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _server: http.Server) -> None:
        writer.write(b"POST /later HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n")
        assert await reader.read() == b""

    serve(talk)


def test_closing_drops_idle_connections_at_once() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: http.Server) -> None:
        await exchange(reader, writer, "GET /ok HTTP/1.1\nHost: a\n\n")
        await server.close()
        assert await reader.read() == b""

    serve(talk)
