"""Where configuration text comes from: a file, standard input, or nothing (spec core §1.2)."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from .errors import ConfigError

MAX_FILE_BYTES = 64 << 20  # a bound, so that `import /dev/zero` ends
BUILT_IN = ".:{port} {{\nwhoami\nlog\n}}\n"


@dataclass(frozen=True)
class Source:
    """Configuration text. `file` stands in error texts as it was typed; `built_in` where there was no file.

    `looked_up`: nobody named the file, so it may be missing.
    """

    file: str
    text: str
    built_in: bool = False
    looked_up: bool = False

    @property
    def is_toml(self) -> bool:
        """Tell whether it is to be read as TOML."""
        return self.file.endswith(".toml")


def built_in(port: int = 53) -> Source:
    """Return what is served without a Corefile."""
    return Source("Corefile", BUILT_IN.format(port=port), built_in=True)


def find(conf: str = "", port: int = 53, stdin: int = 0) -> Source:
    """Return the configuration that the command line names; raises ConfigError with the reference's text."""
    if conf == "stdin":
        piped = from_pipe(stdin)
        if piped is not None:
            return Source("/dev/stdin", piped)
    elif conf:
        return from_flag(conf)
    try:
        return Source("Corefile", read_text("Corefile"), looked_up=True)
    except FileNotFoundError:
        return built_in(port)
    except OSError as error:
        raise ConfigError(open_text("Corefile", error)) from None


def from_flag(conf: str) -> Source:
    """Return the file that `-conf` names."""
    try:
        return Source(conf, read_text(os.path.normpath(conf)))
    except OSError as error:
        text = open_text(os.path.normpath(conf), error)
        raise ConfigError(f"loading Caddyfile via flag: {text}") from None


def from_pipe(descriptor: int) -> str | None:
    """Read a pipe to its end; None where it is a terminal or another character device."""
    try:
        if stat.S_ISCHR(os.fstat(descriptor).st_mode):
            return None
        with open(descriptor, "rb", closefd=False) as pipe:
            return decoded(pipe.read(MAX_FILE_BYTES))
    except OSError:
        return None


def read_text(path: str) -> str:
    """Return a file's text; octets that are not UTF-8 become U+FFFD, as the reference's lexer sees them."""
    with open(path, "rb") as file:
        data = file.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise OSError(27, "File too large", path)
    return decoded(data)


def decoded(data: bytes) -> str:
    """Return text for octets."""
    return data.decode("utf-8", "replace")


def open_text(path: str, error: OSError, action: str = "open") -> str:
    """Return the reference's text of a failed system call: `open X: no such file or directory`."""
    if error.errno is None:
        return f"{action} {path}: {error}"
    if error.errno == 21:
        return f"read {path}: is a directory"
    return f"{action} {path}: {os.strerror(error.errno).lower()}"


_MAGIC = re.compile(r"[*?\[\\]")


def glob(pattern: str) -> list[str]:
    """Return the paths that match an absolute pattern, in byte order, dot files too; `*` stops at `/`.

    Raises ValueError where the pattern is malformed.
    """
    if not _MAGIC.search(pattern):
        return [pattern] if os.path.lexists(pattern) else []
    found = ["/"]
    for part in [piece for piece in pattern.split("/") if piece]:
        wanted = re.compile(_expression(part)) if _MAGIC.search(part) else None
        found = [path for folder in found for path in _matching(folder, part, wanted)]
    return found


def _matching(folder: str, part: str, wanted: re.Pattern[str] | None) -> Iterator[str]:
    if wanted is None:
        path = os.path.join(folder, part)
        if os.path.lexists(path):
            yield path
        return
    try:
        names = sorted(os.listdir(folder), key=os.fsencode)
    except OSError:
        return
    for name in names:
        if wanted.fullmatch(name):
            yield os.path.join(folder, name)


def _expression(part: str) -> str:
    """Translate one path component; a class `[…]` never gets here complete, so an open one is malformed."""
    found, escaped = [], False
    for char in part:
        if escaped:
            found.append(re.escape(char))
            escaped = False
        elif char == "\\":
            escaped = True
        elif char == "[":
            raise ValueError("syntax error in pattern")
        else:
            found.append({"*": ".*", "?": "."}.get(char, re.escape(char)))
    if escaped:
        raise ValueError("syntax error in pattern")
    return "(?s:" + "".join(found) + ")"
