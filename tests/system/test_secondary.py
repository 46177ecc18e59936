"""What a secondary keeps: zones on disk, over kill -9, a reload, and a primary that is gone."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import dns.message
import dns.query
import dns.rcode
import psutil
import pytest

from .conftest import Make
from .harness import Server, until
from .peers import ORIGIN, content, serial_at, wanted, zone_text

pytestmark = pytest.mark.system

PRIMARY = "{origin}:{port} {{\n    bind 127.0.0.1\n    file {folder}/zone {{\n        reload 200ms\n    }}\n    transfer {{\n        to *\n{more}    }}\n}}\n"  # fmt: skip # noqa: E501
SECONDARY = "{origin}:{port} {{\n    bind 127.0.0.1\n    secondary {{\n        transfer from 127.0.0.1:{other}\n    }}\n    transfer {{\n        to *\n    }}\n}}\n"  # fmt: skip # noqa: E501


def primary(make: Make, text: str, notified: int = 0) -> Server:
    """Start a primary of a zone text."""
    server = make(workers=1)
    (server.folder / "zone").write_text(text)
    more = f"        to 127.0.0.1:{notified}\n" if notified else ""
    server.configure(PRIMARY.format(origin=ORIGIN, port=server.port, folder=server.folder, more=more))
    return server.start()


def secondary(make: Make, other: int, state: Path | None = None) -> Server:
    """Start a secondary of the server at a port."""
    server = make(environ={"STATE_DIRECTORY": str(state)} if state is not None else None)
    server.configure(SECONDARY.format(origin=ORIGIN, port=server.port, other=other))
    return server.start()


def kill_all(server: Server) -> None:
    """Kill the master and all its children at once, by their ids."""
    tree = [psutil.Process(server.popen.pid), *psutil.Process(server.popen.pid).children(recursive=True)]
    for process in tree:
        os.kill(process.pid, signal.SIGKILL)
    server.popen.wait(10)
    server.close()
    server.printed.clear()


def rcode_at(port: int) -> dns.rcode.Rcode:
    """Return the rcode of an answer for the zone's apex."""
    return dns.query.udp(dns.message.make_query(ORIGIN, "SOA"), "127.0.0.1", 2.0, port).rcode()


@pytest.mark.parametrize("kept_in", ["state", "runtime"])
def test_a_zone_outlives_its_primary_and_kill_9(kept_in: str, make: Make, tmp_path: Path) -> None:
    first = primary(make, zone_text(1))
    server = secondary(make, first.port, tmp_path / "state" if kept_in == "state" else None)
    until(lambda: serial_at(server.port) == 1)
    first.close()
    kill_all(server)
    server.start()
    assert serial_at(server.port) == 1
    assert content(server.port, signed=False) == wanted(1)


def test_differences_are_kept_too(make: Make, tmp_path: Path) -> None:
    server = make(environ={"STATE_DIRECTORY": str(tmp_path / "state")})
    first = primary(make, zone_text(1), notified=server.port)
    server.configure(SECONDARY.format(origin=ORIGIN, port=server.port, other=first.port))
    server.start()
    until(lambda: serial_at(server.port) == 1)
    (first.folder / "zone").write_text(zone_text(2))
    until(lambda: serial_at(server.port) == 2)
    assert "Outgoing transfer of 8 records" in first.log
    first.close()
    kill_all(server)
    server.start()
    assert content(server.port, signed=False) == wanted(2)


def test_a_zone_that_expired_while_the_server_was_down_is_not_served(make: Make, tmp_path: Path) -> None:
    first = primary(make, zone_text(1).replace("60 2 600 60", "60 1 1 60"))
    server = secondary(make, first.port, tmp_path / "state")
    until(lambda: serial_at(server.port) == 1)
    first.close()
    kill_all(server)
    (timers,) = (tmp_path / "state" / "zones").glob("*.timers")
    until(lambda: time.time() - timers.stat().st_mtime > 1.1)
    server.start()
    assert rcode_at(server.port) == dns.rcode.SERVFAIL
    first.printed.clear()
    first.start()
    until(lambda: serial_at(server.port) == 1)


def test_a_copy_that_was_damaged_is_not_served(make: Make, tmp_path: Path) -> None:
    first = primary(make, zone_text(1))
    server = secondary(make, first.port, tmp_path / "state")
    until(lambda: serial_at(server.port) == 1)
    first.close()
    kill_all(server)
    base = next(path for path in (tmp_path / "state" / "zones").iterdir() if not path.suffix)
    base.write_bytes(base.read_bytes()[:-100] + bytes(100))
    (server.runtime / "server" / "zones.mdb").unlink()  # it has the zone, too, under the digest of the good copy
    server.start()
    assert rcode_at(server.port) == dns.rcode.SERVFAIL
    assert "Failed to restore zone interop.test. from disk: the copy is broken" in server.log


def test_a_reload_serves_the_zone_without_a_pause(make: Make) -> None:
    first = primary(make, zone_text(1))
    server = secondary(make, first.port)
    until(lambda: serial_at(server.port) == 1)
    first.close()
    os.kill(server.popen.pid, signal.SIGUSR1)
    until(lambda: "Reloading complete" in server.log)
    assert serial_at(server.port) == 1
