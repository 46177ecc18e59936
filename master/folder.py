"""The runtime folder: the store, the metrics and the control socket of one server.

`server` in `$RUNTIME_DIRECTORY` (systemd) where that is set, else a private folder under `$XDG_RUNTIME_DIR` or the
temporary folder, named `shardns-<uid>-<digest of the configuration's absolute path>-<pid>`, so that `shardns reload
-conf FILE` finds the server by the file it was started with. A private folder is removed at exit; of systemd's the
stored zones stay, so that a restart need not read unchanged ones again.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

SYSTEM = Path("/run/shardns/server")
CONTROL = "control"
LOCK = "lock"
KEPT = frozenset(("zones.mdb", "state", LOCK))  # what outlives the server in a folder that systemd keeps


def given(environ: Mapping[str, str] = os.environ) -> Path | None:
    """Return the folder inside the one that systemd made for the service."""
    first = environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    return Path(first) / "server" if first else None


def stem(conf: str) -> str:
    """Return how the private folders of a configuration's servers begin."""
    path = os.path.abspath(conf or "Corefile") if conf != "stdin" else "stdin"
    return f"shardns-{os.geteuid()}-{hashlib.sha256(os.fsencode(path)).hexdigest()[:12]}-"


def base(environ: Mapping[str, str] = os.environ) -> Path:
    """Return where private folders stand."""
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    return Path(runtime) if runtime and os.access(runtime, os.W_OK) else Path(tempfile.gettempdir())


def make(conf: str, owner: tuple[int, int] | None = None, environ: Mapping[str, str] = os.environ) -> Path:
    """Make the folder and sweep away what servers that were killed left behind.

    Raises OSError, also where another server that lives uses the folder.
    """
    folder = given(environ)
    if folder is not None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    else:
        _sweep(base(environ), stem(conf))
        folder = base(environ) / f"{stem(conf)}{os.getpid()}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)  # fails where somebody else was quicker in a folder that all may write to
    _claim(folder)
    _empty(folder)
    if owner is not None:
        os.chown(folder, *owner)
    return folder


def clear(folder: Path, environ: Mapping[str, str] = os.environ) -> None:
    """Remove the folder, or of systemd's all that need not outlive the server."""
    if folder == given(environ):
        _empty(folder)
    else:
        shutil.rmtree(folder, ignore_errors=True)


def _empty(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.name in KEPT:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)


def _claim(folder: Path) -> None:
    """Hold the folder's lock for as long as this process lives."""
    handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise OSError(f"another server is using {folder}") from None


def _sweep(where: Path, start: str) -> None:
    for folder in where.glob(f"{start}*"):
        pid = folder.name.removeprefix(start)
        if pid.isdigit() and not Path(f"/proc/{pid}").exists() and folder.stat().st_uid == os.geteuid():
            shutil.rmtree(folder, ignore_errors=True)


def controls(conf: str, environ: Mapping[str, str] = os.environ) -> Iterator[Path]:
    """Yield the control sockets where the server of this configuration may be listening, likeliest first."""
    folder = given(environ)
    if folder is not None:
        yield folder / CONTROL
    private = sorted(base(environ).glob(f"{stem(conf)}*/{CONTROL}"), key=lambda path: path.stat().st_mtime)
    yield from reversed(private)
    if folder is None:
        yield SYSTEM / CONTROL
