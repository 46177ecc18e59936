"""Log lines on standard output, shaped as the reference's: `[LEVEL] text`, no timestamp, one write a line.

1. Our own events have the same shape with `key=value` behind the text; `json` turns every line into one object.
2. `line` is for the query log alone: octets that are collected and written by `flush`, once a burst.
3. Nothing here raises: a log that cannot be written is lost.
"""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import MutableMapping
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    import structlog

_LEVELS: Final = {"debug": "DEBUG", "info": "INFO", "warning": "WARNING", "error": "ERROR", "critical": "FATAL"}
MAX_WAITING: Final = 1024  # lines of query log kept for the next flush
TRACE_EVERY_S: Final = 60.0  # one traceback a place and minute

as_json = False
debugging = False
_waiting: list[str] = []
_encode = msgspec.json.Encoder().encode
_traced: dict[tuple[str, int], float] = {}


class _Out:
    """structlog's sink: one write a line to standard output."""

    def msg(self, text: str) -> None:
        write(text.encode(errors="surrogateescape"))

    debug = info = warning = error = critical = msg


def _render(_logger: object, method: str, event: MutableMapping[str, Any]) -> str:
    text = str(event.pop("event"))
    if as_json:
        whole = {"ts": round(time.time(), 6), "level": _LEVELS[method].lower(), "msg": text, **event}
        return msgspec.json.encode(whole, enc_hook=str).decode()
    pairs = "".join(f" {key}={value}" for key, value in event.items())
    return f"[{_LEVELS[method]}] {text}{pairs}"


@cache
def logger() -> structlog.BoundLogger:
    """Return the logger of this process. The master calls it before it forks: what it imports takes 60 ms."""
    import structlog

    made: structlog.BoundLogger = structlog.wrap_logger(
        _Out(), processors=[_render], wrapper_class=structlog.BoundLogger
    )
    return made


def configure(*, json: bool | None = None, debug: bool | None = None) -> None:
    """Choose the form of lines and whether debug lines appear; None leaves as it is."""
    global as_json, debugging
    as_json = as_json if json is None else json
    debugging = debugging if debug is None else debug


def write(text: bytes) -> None:
    """Write one line at once, behind the query log's lines that wait."""
    flush()
    try:
        os.write(1, text + b"\n")
    except OSError:
        return


def debug(text: str, **event: object) -> None:
    """Log what only `debug` shows."""
    if debugging:
        logger().debug(text, **event)


def info(text: str, **event: object) -> None:
    """Log what happened."""
    logger().info(text, **event)


def warning(text: str, **event: object) -> None:
    """Log what an operator should look at."""
    logger().warning(text, **event)


def error(text: str, **event: object) -> None:
    """Log what failed."""
    logger().error(text, **event)


def fatal(text: str, **event: object) -> None:
    """Log why the server ends."""
    logger().critical(text, **event)


def trace_once(error: BaseException) -> None:
    """Write a traceback to standard error, once a place and minute."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = (trace.tb_frame.f_code.co_filename, trace.tb_lineno) if trace is not None else ("", 0)
    now = time.monotonic()
    if now - _traced.get(place, -TRACE_EVERY_S) >= TRACE_EVERY_S:
        _traced[place] = now
        sys.stderr.write("".join(traceback.format_exception(error)))
        sys.stderr.flush()


def line(text: str) -> None:
    """Keep one finished line of the query log, with its line feed, for `flush`."""
    _waiting.append(text)
    if len(_waiting) > MAX_WAITING:
        flush()


def line_json(text: str) -> None:
    """Keep the text of one line of the query log as an object."""
    line(_encode({"ts": round(time.time(), 6), "level": "info", "msg": text}).decode() + "\n")


def flush() -> None:
    """Write the query log's lines of this burst."""
    if not _waiting:
        return
    data = "".join(_waiting).encode(errors="surrogateescape")
    _waiting.clear()
    try:
        while data:
            data = data[os.write(1, data) :]
    except OSError:
        return


class PluginLog:
    """A plugin's log: the same functions, each text after `plugin/<directive>: `."""

    __slots__ = ("_prefix",)

    def __init__(self, directive: str) -> None:
        self._prefix = f"plugin/{directive}: "

    def debug(self, text: str) -> None:
        """Log what only `debug` shows."""
        if debugging:
            debug(self._prefix + text)

    def info(self, text: str) -> None:
        """Log what happened."""
        info(self._prefix + text)

    def warning(self, text: str) -> None:
        """Log what an operator should look at."""
        warning(self._prefix + text)

    def error(self, text: str) -> None:
        """Log what failed."""
        error(self._prefix + text)

    def at(self, level: str, text: str) -> None:
        """Log at a level given by name (`errors` consolidation)."""
        {"debug": debug, "info": info, "warning": warning, "error": error}[level](self._prefix + text)


def plugin_logger(directive: str) -> PluginLog:
    """Return the log of a plugin."""
    return PluginLog(directive)
