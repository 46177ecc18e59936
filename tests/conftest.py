"""What holds for all tests."""

from __future__ import annotations

import pytest
from hypothesis import settings

# How long an example takes says more about who else is using the machine; what must be fast has a test of its own.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

RERUNS = 2  # of a test with real processes, which two busy cores may make late


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the long ones, and repeat failed tests that start real processes.

    This hides what fails now and then: a test of "nothing lost" proves one clean run of three. Look at the count of
    reruns in the last line, and run such a test with `-p no:rerunfailures` to see every failure.
    """
    for item in items:
        if item.get_closest_marker("soak") is not None:
            item.add_marker(pytest.mark.long)
        if item.get_closest_marker("system") is not None:
            item.add_marker(pytest.mark.flaky(reruns=RERUNS, reruns_delay=1))
    items.sort(key=_expected_s, reverse=True)


def _expected_s(item: pytest.Item) -> float:
    """Return how long a test may take, where it is a long one: several at a time end together that way."""
    limit = item.get_closest_marker("timeout")
    if item.get_closest_marker("long") is None:
        return 0.0
    return float(limit.args[0]) if limit is not None else 1.0
