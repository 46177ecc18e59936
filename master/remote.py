"""`shardns reload` and `shardns status`: a client of the control socket."""

from __future__ import annotations

import socket
import sys
from collections.abc import Sequence
from typing import Any

import msgspec

from . import folder, status
from .control import short
from .flags import Flag, FlagError, HelpWanted, parse, usage

CONNECT_S = 2.0
RELOAD_S = 900.0
_CONF = Flag("conf", "", "The -conf that the server was started with")


class NoServer(Exception):
    """Nobody listens where the server of this configuration would."""


def ask(conf: str, request: dict[str, Any], patience_s: float) -> dict[str, Any]:
    """Send a request to the server of a configuration and return its answer. Raises NoServer."""
    for path in folder.controls(conf):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(CONNECT_S)
            try:
                with short(path) as name:
                    sock.connect(name)
            except OSError:
                continue
            sock.settimeout(patience_s)
            try:
                sock.sendall(msgspec.json.encode(request) + b"\n")
                answer = b"".join(iter(lambda: sock.recv(65536), b""))
                return msgspec.json.decode(answer, type=dict[str, Any])
            except (OSError, msgspec.DecodeError):
                raise NoServer(f"the server at {path} does not answer") from None
    raise NoServer(f"no running server found for {conf or 'Corefile'}")


def reload(line: Sequence[str]) -> int:
    """Have the server reload and wait for the outcome: 0, or 1 and the reason."""
    flags = (_CONF, Flag("workers", 0, "Change the number of workers, until the next start"))
    try:
        parsed = parse(flags, line)
        request = {"do": "reload", "workers": parsed.number("workers")}
        answer = ask(parsed.text("conf"), request, RELOAD_S)
    except (FlagError, HelpWanted, NoServer) as error:
        return _complain("reload", flags, error)
    if not answer.get("ok"):
        print(answer.get("text", ""), file=sys.stderr)
        return 1
    return 0


def show(line: Sequence[str]) -> int:
    """Print what the server is doing."""
    flags = (_CONF, Flag("json", False, "For programs"))
    try:
        parsed = parse(flags, line)
        answer = ask(parsed.text("conf"), {"do": "status"}, CONNECT_S)
    except (FlagError, HelpWanted, NoServer) as error:
        return _complain("status", flags, error)
    if not answer.get("ok"):
        print(answer.get("text", ""), file=sys.stderr)
        return 1
    print(msgspec.json.encode(answer).decode() if parsed.on("json") else status.table(answer))
    return 0


def _complain(command: str, flags: Sequence[Flag], error: Exception) -> int:
    if not isinstance(error, HelpWanted):
        print(error, file=sys.stderr)
    if not isinstance(error, NoServer):
        print(usage(f"shardns {command}", flags), file=sys.stderr)
    return 0 if isinstance(error, HelpWanted) else 2 if isinstance(error, FlagError) else 1
