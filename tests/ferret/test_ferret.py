"""Asks thousands of small zones what BIND, NSD, Knot and PowerDNS all answer alike."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SHARDNS = Path(sys.executable).with_name("shardns")
LIMIT_S = 900

pytestmark = [pytest.mark.system, pytest.mark.timeout(LIMIT_S + 60)]


@pytest.mark.parametrize(
    ("options", "memo", "limit"),
    [
        pytest.param("", "on", 500, id="first-500", marks=pytest.mark.brief),
        pytest.param("", "on", 0, id="all", marks=pytest.mark.long),
        pytest.param("--workers 4", "off", 0, id="all-four-workers-memo-off", marks=pytest.mark.soak),
    ],
)
def test_every_case_passes(options: str, memo: str, limit: int, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable, str(HERE / "ferret.py"),
            "--server", f"{SHARDNS} -conf {{corefile}} {options}", "--limit", str(limit),
        ],
        env={**os.environ, "SHARDNS_MEMO": memo, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT_S,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-20_000:]
    assert f"{limit or 5010} passed, 0 failed" in done.stdout
