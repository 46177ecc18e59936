"""One call of a gRPC client as far as it has come: its headers are judged, its octets collected, a message at most."""

from __future__ import annotations

from ..h2.hpack import Field
from .wire import CONTENT_TYPE, HEAD_BYTES, PATH, SERVICE, CallError, Status, is_grpc, length, status_fields, unpacked
from .wire import timeout_s as read_timeout


class NotGrpc(CallError):
    """A request of something else than gRPC; it gets an HTTP status as well."""

    def __init__(self, http: int, status: int, text: str) -> None:
        super().__init__(status, text)
        self.http = http


def refusal(error: CallError) -> list[Field]:
    """Return the only header section of an answer that has nothing but a status."""
    http = error.http if isinstance(error, NotGrpc) else 200
    return [(b":status", b"%d" % http), (b"content-type", CONTENT_TYPE), *status_fields(error.status, error.text)]


class Call:
    """`begun` is when its headers came, `until` when its caller will not wait any more (monotonic s)."""

    __slots__ = ("_parts", "_whole", "begun", "size", "until")

    def __init__(self, fields: list[Field], now: float) -> None:
        table = dict(fields)
        self.begun = now
        self.until = now + _judge(table)
        self.size = 0
        self._parts: list[bytes] = []
        self._whole = HEAD_BYTES  # octets; known once the head has come

    def add(self, data: bytes) -> None:
        """Take octets. Raises CallError where they cannot be what is expected."""
        if not data:
            return
        self._parts.append(data)
        before, self.size = self.size, self.size + len(data)
        if before < HEAD_BYTES <= self.size:
            self._whole = HEAD_BYTES + length(b"".join(self._parts)[:HEAD_BYTES])
        if self.size > self._whole and self.size > HEAD_BYTES:
            raise CallError(Status.INTERNAL, "cardinality violation: received multiple request messages for unary call")

    def message(self) -> bytes:
        """Return the DNS message. Raises CallError where there is none, or half of one."""
        if not self.size:
            raise CallError(
                Status.INTERNAL, "cardinality violation: received no request message from non-client-streaming RPC"
            )
        if self.size < self._whole:
            raise CallError(Status.INTERNAL, "unexpected EOF")
        body = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        return unpacked(body[HEAD_BYTES:])


def _judge(table: dict[bytes, bytes]) -> float:
    """Return how long a call may take. Raises CallError for what is no call of our service."""
    if table.get(b":method") != b"POST":
        text = f"Received a HEADERS frame with :method {_quoted(table.get(b':method', b''))} which should be POST"
        raise NotGrpc(405, Status.INTERNAL, text)
    kind = table.get(b"content-type", b"")
    if not is_grpc(kind):
        raise NotGrpc(415, Status.INVALID_ARGUMENT, f"invalid gRPC request content-type {_quoted(kind)}")
    path = table.get(b":path", b"")
    if path != PATH:
        raise _unknown(path)
    encoding = table.get(b"grpc-encoding", b"identity")
    if encoding != b"identity":
        text = f"grpc: Decompressor is not installed for grpc-encoding {_quoted(encoding)}"
        raise CallError(Status.UNIMPLEMENTED, text)
    timeout = table.get(b"grpc-timeout")
    return float("inf") if timeout is None else read_timeout(timeout)


def _unknown(path: bytes) -> CallError:
    service, slash, method = path[1:].rpartition(b"/")
    if not slash:
        return CallError(Status.UNIMPLEMENTED, f"malformed method name: {_quoted(path)}")
    text = f"unknown method {_text(method)} for service {_text(service)}"
    return CallError(Status.UNIMPLEMENTED, text if service == SERVICE else f"unknown service {_text(service)}")


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _quoted(value: bytes) -> str:
    return f'"{_text(value)}"'
