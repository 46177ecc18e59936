"""Long work in the keeper, done in slices so that other work is done in between."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TypeVar

T = TypeVar("T")


async def in_slices(work: Iterator[T | None]) -> T | None:
    """Run a piece of work that yields None between its slices; returns the first other thing it yields."""
    for result in work:
        if result is not None:
            return result
        await asyncio.sleep(0)
    return None
