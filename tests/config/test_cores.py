"""How many cores may be used: so many workers there are by default."""

from pathlib import Path

import pytest

from shardns.config.cores import quota, usable_cores


def make(tmp_path: Path, membership: str, files: dict[str, str]) -> float | None:
    for name, text in files.items():
        path = tmp_path / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "membership").write_text(membership)
    return quota(tmp_path / "cgroup", tmp_path / "membership")


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, None),
        ({"a/b/cpu.max": "max 100000"}, None),
        ({"a/b/cpu.max": "150000 100000"}, 1.5),
        ({"a/b/cpu.max": "max 100000", "a/cpu.max": "200000 100000"}, 2.0),
        ({"a/b/cpu.max": "400000 100000", "a/cpu.max": "200000 100000"}, 2.0),
        ({"cpu.max": "50000 100000"}, 0.5),
    ],
)
def test_the_tightest_quota_of_version_2_counts(tmp_path: Path, files: dict[str, str], cores: float | None) -> None:
    assert make(tmp_path, "0::/a/b\n", files) == cores


def test_version_1(tmp_path: Path) -> None:
    files = {"cpu/x/cpu.cfs_quota_us": "300000\n", "cpu/x/cpu.cfs_period_us": "100000\n"}
    assert make(tmp_path, "4:cpu,cpuacct:/x\n2:memory:/x\n", files) == 3.0


def test_version_1_without_a_quota(tmp_path: Path) -> None:
    files = {"cpu/x/cpu.cfs_quota_us": "-1\n", "cpu/x/cpu.cfs_period_us": "100000\n"}
    assert make(tmp_path, "4:cpu,cpuacct:/x\n", files) is None


def test_without_cgroups_there_is_no_quota(tmp_path: Path) -> None:
    assert quota(tmp_path / "none", tmp_path / "nothing") is None


@pytest.mark.parametrize(("limit", "cores"), [("150000 100000", 1), ("50000 100000", 1)])
def test_a_quota_is_rounded_down_and_one_core_is_left(tmp_path: Path, limit: str, cores: int) -> None:
    make(tmp_path, "0::/a\n", {"a/cpu.max": limit})
    assert usable_cores(tmp_path / "cgroup", tmp_path / "membership") == cores
