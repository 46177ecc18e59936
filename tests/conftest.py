"""What holds for all tests."""

from __future__ import annotations

import pytest

RERUNS = 2  # of a test with real processes: two cores that something else is using may be late once, not three times


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Repeat failed tests that start real processes; what is wrong fails each time."""
    for item in items:
        if item.get_closest_marker("system") is not None:
            item.add_marker(pytest.mark.flaky(reruns=RERUNS, reruns_delay=1))
