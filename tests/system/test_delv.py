"""BIND's own validator (delv) accepts what is served of signed zones: from a file, and after a transfer."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Make
from .harness import Server, until
from .peers import serial_at
from .test_signed_zones import bind, ldns, zone_text

pytestmark = [pytest.mark.system, pytest.mark.long, pytest.mark.timeout(240)]

POSITIVE = "; fully validated"
NEGATIVE = "; negative response, fully validated"
QUESTIONS = {
    "h1.example. A": POSITIVE,
    "h1.example. TXT": NEGATIVE,
    "nope.example. A": NEGATIVE,
    "a.b.c.h1.example. A": NEGATIVE,
    "ent1.example. A": NEGATIVE,
    "x.w3.example. A": POSITIVE,
    "x.w3.example. TXT": NEGATIVE,
    "al5.example. A": POSITIVE,
    "x.wc7.example. A": POSITIVE,
    "gone5.example. A": POSITIVE,  # the alias; then it looks for what that leads to
    "x.b1.ent1.dn1.example. A": POSITIVE,
    "sec9.example. DS": POSITIVE,
    "cut9.example. DS": NEGATIVE,
    "example. MX": POSITIVE,
}


def anchors(folder: Path) -> Path:
    """Write the zone's keys as delv's trust anchors."""
    keys = re.findall(r"DNSKEY\s+(257 3 \d+ .*)", "\n".join(path.read_text() for path in folder.glob("K*.key")))
    path = folder / "anchors"
    lines = []
    for key in keys:
        flags, protocol, algorithm, *data = key.split(";")[0].split()
        lines.append(f'example. static-key {flags} {protocol} {algorithm} "{"".join(data)}";')
    path.write_text("trust-anchors {\n" + "\n".join(lines) + "\n};\n")
    return path


def verdict(port: int, trusted: Path, question: str) -> str:
    """Return what delv says of the answer."""
    line = ["delv", "@127.0.0.1", "-p", str(port), "-a", str(trusted), "+root=example", *question.split()]
    done = subprocess.run(line, capture_output=True, text=True, timeout=30, check=False)
    said = [text for text in (done.stdout + done.stderr).splitlines() if text.startswith(";") and text[1:2] == " "]
    return said[0] if said else done.stdout + done.stderr


def serve(make: Make, folder: Path) -> tuple[Server, Server]:
    """Serve a signed zone, and a copy of it from a secondary."""
    first, second = make(workers=1), make(workers=1)
    first.configure(
        f"example:{first.port} {{\n bind 127.0.0.1\n file {folder}/signed {{\n complete_proofs\n }}\n"
        " transfer {\n to *\n }\n}\n"
    )
    second.configure(
        f"example:{second.port} {{\n bind 127.0.0.1\n secondary {{\n transfer from 127.0.0.1:{first.port}\n"
        " complete_proofs\n }\n}\n"
    )
    first.start()
    second.start()
    until(lambda: serial_at(second.port, "example.") is not None)
    return first, second


@pytest.mark.parametrize(
    ("sign", "options", "wildcard"),
    [
        pytest.param(bind, (), POSITIVE, id="nsec"),
        pytest.param(bind, ("-3", "aabbccdd", "-H", "3"), POSITIVE, id="nsec3"),
        # RFC 5155 §9.2: below an opt-out span a closer name may exist unsigned, so these are not secure
        pytest.param(ldns, ("-n", "-p"), "; unsigned answer", id="opt-out"),
    ],
)
def test_delv_validates_every_kind_of_answer(
    sign: Callable[..., None], options: tuple[str, ...], wildcard: str, make: Make, tmp_path: Path
) -> None:
    if shutil.which("delv") is None:
        pytest.skip("delv is not installed")
    (tmp_path / "db").write_text(zone_text())
    sign(tmp_path, *options)
    trusted = anchors(tmp_path)
    wanted = QUESTIONS | dict.fromkeys(("x.w3.example. A", "x.wc7.example. A"), wildcard)
    for server in serve(make, tmp_path):
        said = {question: verdict(server.port, trusted, question) for question in QUESTIONS}
        assert said == wanted
