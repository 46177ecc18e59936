"""Verdicts by client address: the first policy that fits, found by bisection.

1. A table holds, for each family, the borders at which the verdict changes; neighbours with one verdict are one
   interval. So a look-up costs the logarithm of the number of intervals, however many policies made them.
2. Rules that are about the same zones and follow each other, for the names they are about, share a table.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from heapq import heappop, heappush
from typing import Final

from shardns.worker.wire.names import within

from .options import Options, Policy

FAMILIES: Final = {1: 1 << 32, 2: 1 << 128}  # how many addresses there are
MAX_WARM: Final = 64  # zones; the tables of the others are made when a query is about them
Tables = dict[int, tuple[list[int], list[str]]]  # family → first addresses of intervals, their verdicts ("": none)


def compile_table(policies: Sequence[Policy]) -> Tables:
    """Return the intervals of what the first fitting policy says."""
    return {family: _intervals(policies, family) for family in FAMILIES}


def _intervals(policies: Sequence[Policy], family: int) -> tuple[list[int], list[str]]:
    size = FAMILIES[family]
    begins: dict[int, list[tuple[int, int]]] = {}  # first address → (place of the policy, address behind the last)
    borders = {0}
    for place, policy in enumerate(policies):
        ranges = [(family, 0, size - 1)] if policy.networks is None else policy.networks
        for _, first, last in (found for found in ranges if found[0] == family):
            begins.setdefault(first, []).append((place, last + 1))
            borders |= {first, last + 1}
        if policy.networks is None:
            break  # nothing behind it can decide
    borders.discard(size)
    starts: list[int] = []
    verdicts: list[str] = []
    active: list[tuple[int, int]] = []
    for border in sorted(borders):
        for entry in begins.get(border, ()):
            heappush(active, entry)
        while active and active[0][1] <= border:
            heappop(active)
        verdict = policies[active[0][0]].action if active else ""
        if not verdicts or verdicts[-1] != verdict:
            starts.append(border)
            verdicts.append(verdict)
    return starts, verdicts


class Run:
    """Rules about the same zones, one after the other: `zone` is the label that metrics give to what they decide."""

    def __init__(self, rules: Iterable[Options]) -> None:
        self.policies = [policy for rule in rules for policy in rule.policies]
        self.named = frozenset(code for policy in self.policies for code in policy.types or ())
        self._tables: dict[int, Tables] = {}

    def table(self, qtype: int) -> Tables:
        """Return the verdicts for a type; types that no policy names share one table."""
        kind = qtype if qtype in self.named else 0
        found = self._tables.get(kind)
        if found is None:
            fitting = [policy for policy in self.policies if policy.types is None or qtype in policy.types]
            found = self._tables[kind] = compile_table(fitting)
        return found


class Rules:
    """All rules of a server block. `runs` gives those that are about a name, each with its zone."""

    def __init__(self, rules: Sequence[Options]) -> None:
        self.rules = rules
        self.zones = frozenset(zone for rule in rules for zone in rule.zones)
        self._by_zone: dict[bytes, list[tuple[Run, bytes]]] = {}
        self._shared: dict[tuple[int, ...], Run] = {}

    def runs(self, name: bytes) -> list[tuple[Run, bytes]]:
        """Return the runs for a name, in order, each with the longest of its zones that the name is in.

        The longest of all zones decides which rules there are: names in it are in every zone above it, too.
        """
        while name not in self.zones:
            if not name[0]:
                return []
            name = name[1 + name[0] :]
        found = self._by_zone.get(name)
        if found is None:
            found = self._by_zone[name] = self._compose(name)
        return found

    def warm(self) -> None:
        """Make the tables that are likely to be needed, so that no query waits for a large one."""
        for zone in sorted(self.zones, key=len)[:MAX_WARM]:
            for run, _ in self.runs(zone):
                run.table(0)

    def _compose(self, name: bytes) -> list[tuple[Run, bytes]]:
        groups: list[tuple[frozenset[bytes], bytes, list[int]]] = []
        for place, rule in enumerate(self.rules):
            inside = [zone for zone in rule.zones if within(name, zone)]
            if not inside or not rule.policies:
                continue
            zones = frozenset(rule.zones)
            if groups and groups[-1][0] == zones:
                groups[-1][2].append(place)
            else:
                groups.append((zones, max(inside, key=len), [place]))
        found = []
        for _, zone, places in groups:
            key = tuple(places)
            run = self._shared.get(key)
            if run is None:
                run = self._shared[key] = Run(self.rules[place] for place in places)
            found.append((run, zone))
        return found


def verdict(tables: Tables, family: int, address: int) -> str:
    """Return what a table says about an address, empty where it says nothing."""
    starts, verdicts = tables[family]
    return verdicts[bisect_right(starts, address) - 1] if len(verdicts) > 1 else verdicts[0]
