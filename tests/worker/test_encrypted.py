"""A TLS connection whose handshake waits for its turn keeps no more than a handshake can be long."""

from __future__ import annotations

import asyncio
import ssl
from types import SimpleNamespace
from typing import Any, cast

from shardns.worker.crowd import Crowd
from shardns.worker.encrypted import HELLO_BYTES, Encrypted
from shardns.worker.tcp import TcpSocket


class Turns:
    """Handshakes whose turn does not come by itself."""

    def begin(self, handshake: object) -> None:
        """Let one in."""

    advance = end = begin


class Raw(asyncio.Transport):
    """The socket's side."""

    def __init__(self) -> None:
        super().__init__()
        self.paused = False

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def is_closing(self) -> bool:
        return False

    def write(self, data: Any) -> None:
        pass

    def write_eof(self) -> None:
        pass


def connection() -> tuple[Encrypted, Raw]:
    """Return a connection that has just been accepted, and its socket's side."""
    server = SimpleNamespace(
        context=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER),
        worker=SimpleNamespace(crowd=Crowd(), handshakes=Turns()),
        dispatch=SimpleNamespace(listener=SimpleNamespace(read_s=3.0)),
        reading=True,
    )
    made, raw = Encrypted(cast("TcpSocket", server), asyncio.Protocol), Raw()
    made.connection_made(raw)
    return made, raw


def test_a_client_that_says_much_before_its_turn_is_read_no_further() -> None:
    made, raw = connection()
    kept = 0
    while not raw.paused:
        made.data_received(bytes(8192))
        kept += 8192
        assert kept <= HELLO_BYTES + 8192
    made.shake()
    assert (raw.paused, made.silent) == (False, True)  # zeros are no TLS; what still comes is thrown away


def test_a_hello_in_pieces_is_read_on_after_each_turn() -> None:
    made, raw = connection()
    made.data_received(bytes.fromhex("16 0301 0200 01 0001fc 0303"))
    raw.pause_reading()
    made.shake()
    assert (raw.paused, made.silent) == (False, False)
