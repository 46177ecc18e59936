"""Walks the recorded scenarios: what a client of the reference sees, a client of shardns must see."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from shardns.plugins import BUILT

HERE = Path(__file__).parent
SHARDNS = Path(sys.executable).with_name("shardns")
DIRECTIVES = ",".join([*BUILT, "import"])
LEAST = 97  # scenarios; more as more directives are built
LIMIT_S = 900

pytestmark = [pytest.mark.system, pytest.mark.alone, pytest.mark.timeout(LIMIT_S + 60)]


@pytest.mark.parametrize(
    ("options", "memo"),
    [
        pytest.param("", "on", id="default-workers"),
        pytest.param("", "off", id="default-workers-memo-off", marks=pytest.mark.soak),
        pytest.param("--workers 4", "on", id="four-workers", marks=pytest.mark.soak),
        pytest.param("--workers 4", "off", id="four-workers-memo-off", marks=pytest.mark.long),
    ],
)
def test_every_scenario_of_the_built_directives_passes(options: str, memo: str, tmp_path: Path) -> None:
    done = _walk(sorted((HERE / "scenarios").glob("*.toml")), options, memo, tmp_path, jobs=4)
    passed = re.search(r"^(\d+) passed, \d+ failed$", done.stdout, re.M)
    failed = re.findall(r"^FAIL (\S+)$", done.stdout, re.M)
    assert passed is not None and int(passed[1]) + len(failed) >= LEAST, done.stdout
    if failed:
        # The recorded steps have the reference's pauses in them; four servers at once may be late for one.
        done = _walk([HERE / "scenarios" / f"{name}.toml" for name in failed], options, memo, tmp_path, jobs=1)
    assert done.returncode == 0, done.stdout


def _walk(scenarios: list[Path], options: str, memo: str, folder: Path, jobs: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            sys.executable, str(HERE / "conform.py"), "check", "-v", "--jobs", str(jobs),
            "--server", f"{SHARDNS} -conf {{corefile}} {options}",
            "--golden", str(HERE / "golden"), "--accept", str(HERE / "accepted.txt"), "--only", DIRECTIVES,
            *map(str, scenarios),
        ],
        env={**os.environ, "SHARDNS_MEMO": memo, "TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT_S,
    )  # fmt: skip


def test_at_most_twelve_steps_are_meant_to_differ() -> None:
    lines = [line for line in (HERE / "accepted.txt").read_text().splitlines() if line and not line.startswith("#")]
    assert len(lines) <= 12
    assert all(len(line.split(None, 2)) == 3 for line in lines), "each needs a reason"
