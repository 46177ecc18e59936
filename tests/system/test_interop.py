"""AXFR, IXFR, NOTIFY and TSIG with Knot DNS, NSD and BIND, in both directions."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.run import free_port

from .conftest import Make
from .harness import until
from .peers import KEY, KINDS, ORIGIN, SECRET, Peer, Place, content, running, serial_at, wanted, zone_text

pytestmark = [pytest.mark.system, pytest.mark.long]

SECONDARY = f"""{ORIGIN}:{{port}} {{{{
    bind 127.0.0.1
    tsig {{{{
        secret {KEY} {SECRET}
        require AXFR IXFR
    }}}}
    secondary {{{{
        transfer from 127.0.0.1:{{other}}
        key {KEY}
    }}}}
    transfer {{{{
        to *
    }}}}
}}}}
"""
PRIMARY = f"""{ORIGIN}:{{port}} {{{{
    bind 127.0.0.1
    tsig {{{{
        secret {KEY} {SECRET}
        require AXFR IXFR
    }}}}
    file {{folder}}/zone {{{{
        reload 200ms
    }}}}
    transfer {{{{
        to 127.0.0.1:{{other}}
        key {KEY}
    }}}}
}}}}
"""


def follows(port: int, serial: int) -> None:
    """Wait until a server has a version."""
    until(lambda: serial_at(port) == serial, why=f"serial {serial_at(port)} instead of {serial}")


def incremental_out(peer: Peer) -> bool:
    """Tell whether a peer says that it has sent differences."""
    return {"knot": "IXFR, outgoing", "nsd": "ixfr", "bind": "IXFR started"}[peer.kind] in peer.log


@pytest.mark.parametrize("kind", KINDS)
def test_a_peer_s_zone_is_fetched_and_followed(kind: str, make: Make, tmp_path: Path) -> None:
    server = make()
    place = Place(tmp_path / "peer", free_port(), server.port, primary=True)
    with running(kind, place) as peer:
        server.configure(SECONDARY.format(port=server.port, other=place.port))
        server.start()
        follows(server.port, 1)
        assert content(server.port) == wanted(1)
        for serial in (2, 3):
            peer.change(serial)
            follows(server.port, serial)
            assert content(server.port) == wanted(serial)
        assert "Notify from 127.0.0.1 for interop.test.: checking transfer" in server.log
        if kind != "nsd":
            assert incremental_out(peer), peer.log


@pytest.mark.parametrize("kind", KINDS)
def test_a_peer_fetches_our_zone_and_follows_it(kind: str, make: Make, tmp_path: Path) -> None:
    server = make()
    (server.folder / "zone").write_text(zone_text(1))
    place = Place(tmp_path / "peer", free_port(), server.port, primary=False)
    server.configure(PRIMARY.format(port=server.port, other=place.port, folder=server.folder))
    server.start()
    with running(kind, place):
        follows(place.port, 1)
        for serial in (2, 3):
            fresh = server.folder / "zone.new"
            fresh.write_text(zone_text(serial))
            fresh.replace(server.folder / "zone")
            follows(place.port, serial)
        sent = [line for line in server.log.splitlines() if "Outgoing transfer of" in line]
        assert any(f"of {len(wanted(1)) + 1} records" in line for line in sent), sent
        # Differences: two SOA records around, and six records that went or came between them.
        assert any("Outgoing transfer of 8 records" in line for line in sent), sent
    assert content(server.port) == wanted(3)
