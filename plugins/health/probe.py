"""One HTTP request to ourselves."""

from __future__ import annotations

import asyncio
from typing import Final

TIMEOUT_S: Final = 3.0


async def probe(address: str, path: str) -> str:
    """Ask for a path; return an empty string for any HTTP answer, else what went wrong."""
    host, _, port = address.rpartition(":")
    request = f"GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n".encode()
    try:
        async with asyncio.timeout(TIMEOUT_S):
            reader, writer = await asyncio.open_connection(host.strip("[]") or "localhost", int(port))
            try:
                writer.write(request)
                answer = await reader.read(16)
            finally:
                writer.close()
    except TimeoutError:
        return f'Get "http://{address}{path}": context deadline exceeded'
    except (OSError, ValueError) as error:
        return f'Get "http://{address}{path}": {error}'
    return "" if answer.startswith(b"HTTP/1.") else f'Get "http://{address}{path}": EOF'
