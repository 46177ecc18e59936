"""Runs commands when the server has started and before it stops.

1. Commands run beside the keeper, once for each server block, without a shell, in the server's folder and environment.
2. A command that fails is logged and stops nothing.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import threading
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final

from shardns.config.errors import Refuse, WrongCount, nearest
from shardns.config.schema import Args, Draft, Schema
from shardns.config.tokens import Token
from shardns.config.values import Words
from shardns.worker import log
from shardns.worker.plugin import Service
from shardns.worker.scope import Scope

from .words import split

EVENTS: Final = ("startup", "shutdown", "certrenew")
# What the keeper ignores and commands must not: an ignored signal stays ignored through exec.
SIGNALS: Final = (
    signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Hook:
    """A command for an event; `wait` is False where `&` stood behind it."""

    event: str
    command: str
    arguments: tuple[str, ...] = ()
    wait: bool = True


def hook(words: Sequence[Token], draft: Draft) -> Hook:
    """Read `EVENT COMMAND [ARGS...] [&]`."""
    if not words:
        raise WrongCount
    event = words[0].text.lower()
    if event not in EVENTS:
        text = f"Wrong event name or event not supported: '{words[0].text}'"
        raise Refuse(text, True, words[0], hint=nearest(event, EVENTS))
    line = " ".join(word.text for word in words[1:])
    try:
        found = split(line)
    except ValueError as error:
        raise Refuse(f"error parsing command: {error}", True, words[-1]) from None
    if not found:
        raise Refuse(f"no command contained in '{line}'", True, words[-1])
    command, *arguments = found
    wait = arguments[-1:] != ["&"]
    return Hook(event, command, tuple(arguments if wait else arguments[:-1]), wait)


class Options(Schema, repeat="each", prefix="", block="again"):
    """Runs a command when the server has started or before it stops."""

    hook: Annotated[Hook, Args(Words(hook, "EVENT COMMAND [ARGS...] [&]"), least=1)]
    "EVENT is startup (also after a reload), shutdown, or certrenew, which never happens here. The words behind it are "
    "joined with blanks and split again at blanks outside quotes. With `&` at the end the server does not wait."


class On(Service[tuple[Options, ...]]):
    """The commands of one block."""

    directive = "on"
    on_events = True

    def prepare(self) -> None:
        """Give each command the name under which it is logged."""
        self.hooks = [(options.hook, str(uuid.uuid4())) for options in self.options]

    async def start(self, scope: Scope) -> None:
        """Run what waits for the start."""
        await self.fire("startup")

    async def leaving(self) -> None:
        """Run what waits for the end."""
        await self.fire("shutdown")

    async def fire(self, event: str) -> None:
        """Run the commands of an event, one after the other."""
        for found, name in self.hooks:
            if found.event == event:
                error = await run(found, name)
                if error:
                    complain(f"error on 'on-{name}' hook: {error}")


async def run(found: Hook, name: str) -> str:
    """Run one command, to its end where that is asked for; return what went wrong."""
    kind = "Blocking" if found.wait else "Nonblocking"
    log.info(f'{kind} Command "{found.command} {" ".join(found.arguments)}" with ID {name}')
    words = (found.command, *found.arguments)
    try:
        if not found.wait:
            leave(subprocess.Popen(words, preexec_fn=restore_signals, start_new_session=True))
            return ""
        process = await asyncio.create_subprocess_exec(*words, preexec_fn=restore_signals)
    except FileNotFoundError:
        return missing(found.command)
    except OSError as error:
        return f"fork/exec {found.command}: {os.strerror(error.errno or 0).lower()}"
    status = await process.wait()
    if status < 0:
        return f"signal: {signal.strsignal(-status) or -status}".lower()
    return f"exit status {status}" if status else ""


def leave(process: subprocess.Popen[bytes]) -> None:
    """Let a command run to its end, also beyond the server's; asyncio would kill it together with its loop."""
    threading.Thread(target=process.wait, daemon=True).start()


def missing(command: str) -> str:
    """Return what Go says of a command that is not there."""
    if "/" in command:
        return f"fork/exec {command}: no such file or directory"
    return f'exec: "{command}": executable file not found in $PATH'


def restore_signals() -> None:
    """Give a command the usual signals."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)


def complain(text: str) -> None:
    """Log a failure as the reference does, without a level."""
    if log.as_json:
        log.error(text)
    else:
        log.write(text.encode(errors="surrogateescape"))


PLUGIN = On
