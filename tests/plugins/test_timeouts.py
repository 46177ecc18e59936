"""timeouts: limits of stream listeners."""

from __future__ import annotations

import pytest

from shardns.config.draft import Draft
from shardns.config.model import Timeouts
from shardns.plugins.timeouts.timeouts import Options
from tests.plugins.small import options, refusal

PLACE = "Corefile:2 - Error during parsing: "


@pytest.mark.parametrize(
    ("block", "limits"),
    [
        ("read 30s", Timeouts(read=30)),
        ("read 1m\nwrite 2m", Timeouts(read=60, write=120)),
        ("idle 1h", Timeouts(idle=3600)),
        ("read 10\nwrite 20\nidle 60", Timeouts(10, 20, 60)),
        ("maxtcpqueries 128", Timeouts(maxtcpqueries=128)),
        ("maxtcpqueries -1", Timeouts(maxtcpqueries=-1)),
        ("read 5s\nread 6s", Timeouts(read=6)),
    ],
)
def test_values_become_the_block_s_limits(block: str, limits: Timeouts) -> None:
    draft = Draft()
    options(Options, "timeouts {\n" + block + "\n}", draft)
    assert draft.timeouts == limits


def test_lines_add_up() -> None:
    draft = Draft()
    options(Options, "timeouts {\n read 5s\n}\ntimeouts {\n idle 6s\n}", draft)
    assert draft.timeouts == Timeouts(read=5, idle=6)


@pytest.mark.parametrize(
    ("block", "complaint"),
    [
        ("giraffe 30s", "unknown option: 'giraffe'"),
        ("read 10s 20s", "Wrong argument count or unexpected line ending after '20s'"),
        ("read", "Wrong argument count or unexpected line ending after 'read'"),
        ("write snake", "failed to parse duration 'snake'"),
        ("idle 0s", "timeout provided '0s' needs to be between 1 second and 24 hours"),
        ("read 48h", "timeout provided '48h0m0s' needs to be between 1 second and 24 hours"),
        ("maxtcpqueries 0", "maxtcpqueries provided '0' needs to be -1 (unlimited) or a positive integer"),
        ("maxtcpqueries -2", "maxtcpqueries provided '-2' needs to be -1 (unlimited) or a positive integer"),
        (
            "maxtcpqueries snake",
            "invalid value for maxtcpqueries 'snake': strconv.Atoi: parsing \"snake\": invalid syntax",
        ),
    ],
)
def test_wrong_values_are_refused(block: str, complaint: str) -> None:
    assert refusal(Options, "timeouts {\n" + block + "\n}") == f"plugin/timeouts: {PLACE}{complaint}"


@pytest.mark.parametrize(
    "text", ["timeouts", "timeouts {\n}", "timeouts {\n read 5s\n}\ntimeouts", "timeouts {\n}\ntimeouts {\n read 5s\n}"]
)
def test_nothing_to_bound_is_refused(text: str) -> None:
    complaint = refusal(Options, text)
    assert complaint.startswith("plugin/timeouts: plugin/timeouts: Corefile:")
    assert complaint.endswith("timeouts block with no timeouts specified")


def test_arguments_are_refused() -> None:
    complaint = refusal(Options, "timeouts 30s {\n read 30s\n}")
    assert complaint.startswith("plugin/timeouts: plugin/timeouts: Corefile:1 - Error during parsing: Wrong argument")
