"""The command `shardns`: every flag of CoreDNS, some of our own, and subcommands."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module

from shardns.plugins import order
from shardns.worker import log

from . import banner
from .flags import Flag, FlagError, HelpWanted, Parsed, parse, usage
from .perform import Options
from .privileges import NoSuchUser, look_up

PORT_HELP = "Default port of plain DNS"
FLAGS = (
    Flag("conf", "", "Corefile to load, a TOML file, or `stdin` (default: Corefile in the working directory)"),
    Flag("dns.port", "53", PORT_HELP, sets="port"),
    Flag("p", "53", PORT_HELP, sets="port"),
    Flag("pidfile", "", "Path to write the process id to"),
    Flag("plugins", False, "List installed plugins"),
    Flag("quiet", False, "Print neither zones nor version at start"),
    Flag("version", False, "Show the version"),
    Flag("workers", 0, "Number of workers (default: what a TOML configuration says, else one a usable core)"),
    Flag("log-format", "text", "How log lines look: text or json"),
    Flag("reuse", False, "Share the addresses with another server that does so, too"),
    Flag("user", "", "User that keeper and workers become when started by root"),
)
# Module and function; a server that starts has no use for them.
COMMANDS = {
    "cache": ("cache_tools", "cache"),
    "check": ("tools", "check"),
    "convert": ("tools", "convert"),
    "help": ("tools", "explain"),
    "reload": ("remote", "reload"),
    "status": ("remote", "show"),
    "zone": ("zone_tools", "zone"),
}


def main(line: Sequence[str] | None = None) -> int:
    """Do what the command line says; returns the exit status."""
    words = list(sys.argv[1:] if line is None else line)
    if words and words[0] in COMMANDS:
        module, function = COMMANDS[words[0]]
        return _piped(partial(getattr(import_module(f".{module}", __package__), function), words[1:]))
    try:
        parsed = parse(FLAGS, words)
        _judge(parsed)
    except HelpWanted:
        return _complain(_usage(), 0)
    except FlagError as error:
        return _complain(f"{error}\n{_usage()}", 2)
    if parsed.rest:
        now = time.strftime("%Y/%m/%d %H:%M:%S")
        return _complain(f"{now} extra command line arguments: [{' '.join(parsed.rest)}]", 1)
    if parsed.on("version"):
        return _piped(partial(_show, "\n".join(banner.version_lines())))
    if parsed.on("plugins"):
        return _piped(partial(_show, "\n".join(sorted(order(), key=lambda name: (name == "on", name))) + "\n"))
    return _serve(parsed)


def _piped(command: Callable[[], int]) -> int:
    """Run a command whose reader may go away, as `head` does."""
    try:
        status = command()
        sys.stdout.flush()
    except BrokenPipeError:
        # What is still buffered must not be written to the broken pipe when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return status


def _show(text: str) -> int:
    print(text)
    return 0


def _judge(parsed: Parsed) -> None:
    form = parsed.text("log-format")
    if form not in ("text", "json"):
        raise FlagError(f'invalid value "{form}" for flag -log-format: text or json')
    if parsed.number("workers") > 1024:
        raise FlagError(f'invalid value "{parsed.number("workers")}" for flag -workers: 1024 at most')


def _serve(parsed: Parsed) -> int:
    from .master import Master

    port = parsed.text("port")
    if not port.isascii() or not port.isdigit():  # a number that is no port is refused with the keys that take it
        return _complain(f"lookup tcp/{port}: unknown port", 1)
    log.configure(json=parsed.text("log-format") == "json")
    try:
        options = Options(
            conf=parsed.text("conf"),
            port=int(port),
            pidfile=parsed.text("pidfile"),
            quiet=parsed.on("quiet"),
            workers=parsed.number("workers"),
            reuse=parsed.on("reuse"),
            user=look_up(parsed.text("user")),
        )
        return Master(options).run()
    except (NoSuchUser, OSError) as error:
        return _complain(str(error), 1)


def _usage() -> str:
    from . import cache_tools, zone_tools

    commands = (
        "  check [--json] FILE...",
        "  convert --to toml|corefile FILE",
        "  help [PLUGIN]",
        "  reload [-conf FILE] [-workers N]",
        "  status [-conf FILE] [--json]",
        *(f"  {one}" for one in (*cache_tools.USAGE, *zone_tools.USAGE)),
    )
    return "\n".join((usage("shardns", FLAGS), "Commands:", *commands))


def _complain(text: str, status: int) -> int:
    print(text, file=sys.stderr)
    return status
