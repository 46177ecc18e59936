"""A client of DNS over TLS that shows what happens: handshakes, sessions, frames, how connections end."""

from __future__ import annotations

import socket
import ssl
import struct
import time
from pathlib import Path

import dns.message

from tests.certify import Pair

PATIENCE_S = 10.0


def context(pair: Pair | None = None, *, alpn: tuple[str, ...] = ("dot",), ca: Path | None = None) -> ssl.SSLContext:
    """Return a client's context; without a CA it takes any server."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    if ca is not None:
        made.verify_mode = ssl.CERT_REQUIRED
        made.load_verify_locations(ca)
    if pair is not None:
        made.load_cert_chain(*pair)
    if alpn:
        made.set_alpn_protocols(list(alpn))
    return made


def connect(
    port: int, made: ssl.SSLContext | None = None, session: ssl.SSLSession | None = None, seconds: float = PATIENCE_S
) -> ssl.SSLSocket:
    """Return a connection whose handshake is done."""
    raw = socket.create_connection(("127.0.0.1", port), timeout=seconds)
    try:
        return (made or context()).wrap_socket(raw, server_hostname="dns.test", session=session)
    except (OSError, ssl.SSLError):
        raw.close()
        raise


def frame(name: str, qtype: str = "A", ident: int = 1) -> bytes:
    """Return a query with its length before it."""
    wire = dns.message.make_query(name, qtype, id=ident).to_wire()
    return struct.pack("!H", len(wire)) + wire


def take(sock: socket.socket, size: int) -> bytes:
    """Receive exactly so many octets; raises EOFError where the server ends before."""
    data = b""
    while len(data) < size:
        more = sock.recv(size - len(data))
        if not more:
            raise EOFError(f"{len(data)} of {size} octets")
        data += more
    return data


def reply(sock: socket.socket) -> dns.message.Message:
    """Receive a message."""
    (size,) = struct.unpack("!H", take(sock, 2))
    return dns.message.from_wire(take(sock, size))


def ask(sock: socket.socket, name: str, qtype: str = "A") -> dns.message.Message:
    """Ask on a connection."""
    sock.sendall(frame(name, qtype))
    return reply(sock)


def ended_after(sock: socket.socket, seconds: float = PATIENCE_S) -> float:
    """Wait until the server ends a connection in an orderly way; returns how long that took."""
    began = time.monotonic()
    sock.settimeout(seconds)
    while sock.recv(4096):
        continue
    return time.monotonic() - began
