"""What all processes print: `[LEVEL] text` lines on standard output, or JSON objects, each line one write.

1. A text is the reference's, byte for byte, where the reference logs it; our own events carry `key=value` fields.
2. `plugin_logger("forward")` puts `plugin/forward: ` in front, as plugin authors know it.
3. Debug lines appear only while the switch is on (`debug` in a server block).
4. Between `hold()` and `release()` lines are collected and written at once: a worker does so for each burst.
"""

from __future__ import annotations

import os
import time
from collections.abc import MutableMapping
from typing import Any, Literal

import msgspec
import structlog

Format = Literal["text", "json"]

_LEVELS = {"debug": "DEBUG", "info": "INFO", "warning": "WARNING", "error": "ERROR", "critical": "FATAL"}


class Writer:
    """Where lines go. One a process; `fd` is inherited by its children."""

    def __init__(self, fd: int = 1) -> None:
        self.fd = fd
        self.format: Format = "text"
        self.debug = False
        self._held: list[str] | None = None

    def line(self, text: str) -> None:
        """Write one line as it is, or keep it until `release`."""
        if self._held is None:
            self._write(text + "\n")
        else:
            self._held.append(text)

    def hold(self) -> None:
        """Collect lines from now on."""
        if self._held is None:
            self._held = []

    def release(self) -> None:
        """Write what was collected, in one call where the system takes it."""
        held, self._held = self._held, None
        if held:
            self._write("\n".join(held) + "\n")

    def _write(self, text: str) -> None:
        rest = text.encode("utf-8", "surrogateescape")
        try:
            while rest:
                rest = rest[os.write(self.fd, rest) :]
        except OSError:  # nobody reads any more: the server goes on
            return


writer = Writer()


class _Sink:
    """The bottom of structlog: every level is a method that takes the rendered line."""

    def msg(self, line: str) -> None:
        writer.line(line)

    debug = info = warning = error = critical = msg


def _render(_logger: Any, method: str, event: MutableMapping[str, Any]) -> str:
    if method == "debug" and not writer.debug:
        raise structlog.DropEvent
    text = str(event.pop("event", ""))
    plugin = event.pop("plugin", "")
    if writer.format == "json":
        entry: dict[str, Any] = {"time": round(time.time(), 6), "level": _LEVELS[method].lower()}
        if plugin:
            entry["plugin"] = plugin
        return msgspec.json.encode(entry | {"text": text} | dict(event), enc_hook=str).decode()
    prefix = f"plugin/{plugin}: " if plugin else ""
    fields = "".join(f" {key}={_field(value)}" for key, value in event.items())
    return f"[{_LEVELS[method]}] {prefix}{text}{fields}"


def _field(value: object) -> str:
    text = f"{value:.3g}" if isinstance(value, float) else str(value)
    return f'"{text}"' if not text or any(c.isspace() for c in text) else text


Logger = structlog.typing.FilteringBoundLogger

log: Logger = structlog.wrap_logger(
    _Sink(),
    processors=[_render],
    wrapper_class=structlog.make_filtering_bound_logger(0),
    context_class=dict,
)


def plugin_logger(name: str) -> Logger:
    """Return the logger of a plugin."""
    bound: Logger = log.bind(plugin=name)
    return bound


def configure(format: Format = "text") -> None:
    """Choose how lines look; called once, before the first fork."""
    writer.format = format


def set_debug(on: bool) -> None:
    """Switch debug lines of this process on or off."""
    writer.debug = on
