"""The systemd units: accepted by systemd's own verifier."""

import shutil
import subprocess
from pathlib import Path

import pytest

UNITS = Path(__file__).parents[2] / "systemd"
pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"),
]


def test_the_units_are_clean(tmp_path: Path) -> None:
    for name in ("shardns.service", "shardns.socket"):
        # The verifier wants the program to exist on this machine.
        (tmp_path / name).write_text((UNITS / name).read_text().replace("/usr/bin/shardns", "/bin/true"))
    line = ["systemd-analyze", "verify", str(tmp_path / "shardns.service"), str(tmp_path / "shardns.socket")]
    ran = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


def test_sysusers_and_tmpfiles_are_clean() -> None:
    if shutil.which("systemd-sysusers") is None:
        pytest.skip("systemd-sysusers is not installed")
    line = ["systemd-sysusers", "--dry-run", str(UNITS / "shardns.sysusers")]
    ran = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0
