"""What HTTP/1.1 and HTTP/2 have in common for a client that asks DNS questions (RFC 8484)."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

PATH: Final = "/dns-query"
CONTENT_TYPE: Final = b"application/dns-message"
PROTOCOLS: Final = ("h2", "http/1.1")
MAX_ANSWER_BYTES: Final = 65536
AWAITING: Final = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"


@dataclass(frozen=True, slots=True)
class Request:
    """How an upstream is asked: the method, and the address as the URL has it."""

    authority: str
    method: str = "POST"

    def path(self, message: bytes) -> str:
        """Return the target of the request for a message."""
        if self.method == "POST":
            return PATH
        return f"{PATH}?dns={urlsafe_b64encode(message).rstrip(b'=').decode()}"

    def url(self, message: bytes) -> str:
        """Return the whole URL."""
        return f"https://{self.authority}{self.path(message)}"


class Answer(NamedTuple):
    """An exchange that is over: the body, whatever it is, and the status where it is known."""

    key: int
    body: bytes
    status: int | None


class Lost(NamedTuple):
    """An exchange that the server did not finish. `again`: it did not begin it either."""

    key: int
    text: str
    again: bool = False


Event = Answer | Lost


class Http(Protocol):
    """A connection without I/O; `closing` says that it takes no more requests, `broken` why it has no more answers."""

    closing: bool
    broken: str

    @property
    def out(self) -> bytearray:
        """The octets to send; whoever sends some deletes them."""

    @property
    def settled(self) -> bool:
        """Whether it is known how many requests the server takes at a time; until then one is made at most."""

    @property
    def room(self) -> bool:
        """Whether another request may be made now."""

    def ask(self, message: bytes) -> int:
        """Begin an exchange; returns its key."""

    def cancel(self, key: int) -> None:
        """Give an exchange up."""

    def receive(self, data: bytes) -> list[Event]:
        """Take octets from the server; returns what became of exchanges."""

    def ended(self) -> list[Event]:
        """Take the end of what the server sends; it may be the end of an answer."""
