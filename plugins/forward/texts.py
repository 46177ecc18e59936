"""The words of Go's network errors, which operators' `errors` patterns match."""

from __future__ import annotations

import errno
import os
import socket
from typing import Final

from shardns.worker.address import Address

TIMEOUT: Final = "i/o timeout"
STOPPED: Final = "proxy: transport stopped"
SHORT_READ: Final = "dns: short read"
BAD_RDATA: Final = "dns: bad rdata"
OVERFLOW: Final = "dns: overflowing header size"
WRONG_QUESTION: Final = "dns: answer to another question"
NO_SECRETS: Final = "dns: no secrets defined"


def reason(error: OSError) -> str:
    """Return the system's text for an error, as Go prints it: lower case first letter."""
    text = os.strerror(error.errno) if error.errno else str(error)
    if error.errno == errno.ETIMEDOUT:
        return "connection timed out"
    return text[:1].lower() + text[1:]


def ends(sock: socket.socket, remote: str) -> str:
    """Return `local->remote` of a connected socket."""
    try:
        name = sock.getsockname()
    except OSError:
        return remote
    return f"{Address(name[0].partition('%')[0], name[1])}->{remote}"


def during(action: str, proto: str, sock: socket.socket, remote: str, error: OSError) -> str:
    """Return what Go says of a failed `read` or `write`."""
    return f"{action} {proto} {ends(sock, remote)}: {action}: {reason(error)}"


def timed_out(proto: str, sock: socket.socket, remote: str, action: str = "read") -> str:
    """Return what Go says when a deadline passes."""
    return f"{action} {proto} {ends(sock, remote)}: {TIMEOUT}"


def dialling(proto: str, source: str | None, remote: str, call: str, error: OSError) -> str:
    """Return what Go says when a connection cannot be made; `call` is the system call that failed."""
    return f"dial {proto} {route(source, remote)}: {call}: {reason(error)}"


def dial_timed_out(source: str | None, remote: str) -> str:
    """Return what Go says when a connection takes too long."""
    return f"dial tcp {route(source, remote)}: {TIMEOUT}"


def route(source: str | None, remote: str) -> str:
    """Return the ends of a connection that was never made."""
    return remote if source is None else f"{Address(source, 0)}->{remote}"
