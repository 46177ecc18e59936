"""Every Corefile example of every README is started for real, on free ports and with files where it names some."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from shardns.config.model import Listening, listeners
from tests.bench.run import free_port, stop
from tests.meta.load import load_text, with_files
from tests.meta.test_readmes import NOT_BUILT, examples

SHARDNS = Path(sys.executable).with_name("shardns")
START_TIMEOUT_S = 20.0
ZONE = "$TTL 60\n@ IN SOA ns1 hostmaster 1 7200 3600 1209600 300\n@ IN NS ns1\nns1 IN A 192.0.2.53\n"
KEY = "example.org. 3600 IN DNSKEY 257 3 15 l02Woi0iS8Aa25FQkUd9RMzZHJpBoRQwAQEX1SxZJA4=\n"  # RFC 8080 §6.1
PRIVATE = (
    "Private-key-format: v1.2\nAlgorithm: 15 (ED25519)\nPrivateKey: ODIyNjAzODQ2MjgwODAxMjI2NDUxOTAyMDQxNDIyNjI=\n"
)

pytestmark = pytest.mark.system


def moved(text: str, folder: Path) -> str:
    """Return an example with free ports and its files below a folder, zone files among them written.

    None asks an authority for certificates.
    """
    ports: dict[str, int] = {}
    text = re.sub(r"(?<=:)(\d{2,5})(?=[\s/])", lambda found: str(ports.setdefault(found[1], free_port())), text)
    text = re.sub(r"(?<=\s)/(?=(etc|var/lib)/shardns\b)", f"{folder}/", text)
    text = re.sub(r"^(\s*)(acme .*)$", r"\1\2\n\1ca https://127.0.0.1:9/", text, flags=re.M)  # where nobody answers
    roots = re.findall(r"^\s*root (\S+)$", text, re.M) or ["."]
    for word in re.findall(r"(?<=\s)\S*\bK\S+\.\+\d{3}\+\d{5}(?=\s)", text):
        for root in roots:
            write_keys(folder / root / word)
    for word in re.findall(r"(?<=\s)\S*\bdb\.\S+", text):
        for root in roots:
            path = folder / root / word
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(ZONE)
    return text


def write_keys(base: Path) -> None:
    """Write a key pair; which one does not matter."""
    base.parent.mkdir(parents=True, exist_ok=True)
    Path(f"{base}.key").write_text(KEY)
    Path(f"{base}.private").write_text(PRIVATE)


def open_port(place: Listening) -> bool:
    """Tell whether a listener takes connections."""
    try:
        socket.create_connection((place.host or "127.0.0.1", place.port), 0.2).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize(("readme", "line", "text"), examples())
def test_an_example_starts(readme: Path, line: int, text: str, tmp_path: Path) -> None:
    text = with_files(moved(text, tmp_path))
    port = free_port()
    corefile = tmp_path / "Corefile"
    (tmp_path / "run").mkdir()
    corefile.write_text(text)
    with (tmp_path / "log").open("wb") as log:
        popen = subprocess.Popen(
            [SHARDNS, "-conf", corefile, "-p", str(port)],
            cwd=tmp_path,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "RUNTIME_DIRECTORY": str(tmp_path / "run")},
        )
        try:
            wait_until_served(text, port, popen, tmp_path / "log")
        finally:
            stop(popen)


def wait_until_served(text: str, port: int, popen: subprocess.Popen[bytes], log: Path) -> None:
    """Return when every listener of the example takes connections, or it was refused for what is not built yet."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while popen.poll() is None:
        assert time.monotonic() < deadline, log.read_text()
        if b"CoreDNS-" in log.read_bytes():  # the banner, printed when everything is open
            break
        time.sleep(0.02)
    else:
        assert NOT_BUILT in log.read_text(), log.read_text()
        return
    places = listeners(load_text(text, port))
    assert places and all(open_port(place) for place in places), log.read_text()
