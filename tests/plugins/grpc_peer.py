"""A gRPC upstream made by Google's library, which does what a test tells it to."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any

import grpc

from shardns.worker.grpc.wire import PATH, framed, unpacked
from tests.plugins.peer import answer

Script = Callable[[bytes, Any], bytes]


class Peer(grpc.GenericRpcHandler):  # type: ignore[misc]  # the library has no types
    """A server. `seen` are the messages that came, `deadlines` how long (s) each call had left, `peers` who called."""

    def __init__(
        self,
        script: Script = lambda wire, context: answer(wire),
        address: str = "127.0.0.1:0",
        pair: tuple[bytes, bytes] | None = None,
    ) -> None:
        self.script = script
        self.seen: list[bytes] = []
        self.deadlines: list[float] = []
        self.peers: list[str] = []
        self.server = grpc.server(ThreadPoolExecutor(4), handlers=(self,), options=[("grpc.so_reuseport", 0)])
        if pair is None:
            self.port = self.server.add_insecure_port(address)
        else:
            key, certificate = pair
            self.port = self.server.add_secure_port(address, grpc.ssl_server_credentials([(key, certificate)]))

    def service(self, handler_call_details: Any) -> Any:
        """Return what answers a method."""
        assert handler_call_details.method == PATH.decode()
        return grpc.unary_unary_rpc_method_handler(
            self._handle, request_deserializer=unpacked, response_serializer=lambda message: framed(message)[5:]
        )

    def _handle(self, wire: bytes, context: Any) -> bytes:
        self.seen.append(wire)
        self.deadlines.append(context.time_remaining())
        self.peers.append(context.peer())
        return self.script(wire, context)

    @property
    def address(self) -> str:
        """The address as it stands in a Corefile."""
        return f"127.0.0.1:{self.port}"

    def __enter__(self) -> Peer:
        self.server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.stop(0).wait()


def failing(code: str, text: str = "") -> Script:
    """Return a script that ends every call with a status."""

    def script(wire: bytes, context: Any) -> bytes:
        context.abort(getattr(grpc.StatusCode, code), text)
        raise AssertionError("abort raises")

    return script
