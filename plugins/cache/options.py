"""The options of `cache`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from shardns.config.errors import Refuse, WrongCount
from shardns.config.golang import integer
from shardns.config.names import ROOT
from shardns.config.schema import Arg, Args, Draft, Each, Flag, Prop, Props, Schema
from shardns.config.tokens import Token
from shardns.config.values import CHOICE, DURATION, INTEGER, NAME, STRING, ZONES, Convert, Words

SHARDS = 256  # the reference splits a cache into so many parts of equal size
LEAST_IN_SHARD = 4
MAX_TTL_S = 3600
MAX_DENIAL_TTL_S = 1800
MIN_TTL_S = 5
MOST_TTL_S = 0xFFFFFFFF  # what the field holds
MAX_FAILURE_S = 300.0  # RFC 2308 §7.1
_DISABLED = NAME("invalid disabled zone: {}")
_DISABLED.label = "ZONE"
_ZERO = "cache TTL can not be zero or negative: {}"


def is_number(word: str) -> bool:
    """Tell whether a word is an integer as Go reads one."""
    try:
        integer(word)
    except ValueError:
        return False
    return True


def percentage(word: str, draft: Draft) -> int:
    """Return the number before the percent sign."""
    if word[-1:] != "%":
        raise Refuse(f"last character of percentage should be `%`, but is: {word[-1:]!r}")
    number = integer(word[:-1])
    if not 10 <= number <= 90:
        raise Refuse(f"percentage should fall in range [10, 90]: {number}")
    return number


class Limits(Schema):
    """`success` and `denial`: how many entries, and for how long."""

    capacity: Annotated[int, Arg(INTEGER())]
    "Most entries that are kept; rounded down to a multiple of 256, at least 1024."

    ttl: Annotated[int | None, Arg(INTEGER(1, below=_ZERO))] = None
    "Longest time in seconds that an entry is kept."

    minttl: Annotated[int | None, Arg(INTEGER(0, below="cache min TTL can not be negative: {}"))] = None
    "Shortest time in seconds that an entry is kept."

    ignored: Annotated[tuple[str, ...], Args(STRING("ANYTHING"))] = ()
    "Further words mean nothing."


class Prefetch(Schema):
    """`prefetch`: renewing popular entries shortly before they end."""

    amount: Annotated[int, Arg(INTEGER(0, below="prefetch amount should be positive: {}"))]
    "How many queries make an entry popular; 0 switches prefetching off."

    duration: Annotated[float | None, Arg(DURATION())] = None
    "A longer gap between two queries starts the count anew."

    percentage: Annotated[int | None, Arg(Convert(percentage, "PERCENTAGE%"))] = None
    "An entry is renewed when less than this part of its lifetime is left."


class Disable(Schema):
    """`disable`: what is not cached."""

    side: Annotated[
        str,
        Arg(CHOICE("success", "denial", refused='cache type for disable must be "success" or "denial"')),
    ]
    "Which of the two caches."

    zones: Annotated[tuple[bytes, ...], Args(_DISABLED)] = ()
    "For which names; none are all."


@dataclass(frozen=True)
class Stale:
    """`serve_stale`: for how long (s) expired entries are served, and how they are renewed."""

    duration: float = 3600.0
    verify: bool = False
    timeout: float = 0.0
    ttl: int = 0
    recheck: float = 0.0


_DURATION = DURATION(0, below="invalid negative duration for serve_stale")
_MODE = CHOICE("immediate", "verify", fold=True)
_TIMEOUT = DURATION(
    0, below="invalid negative timeout for serve_stale verify", invalid="invalid serve_stale verify timeout: {error}"
)
_RESPONSE = DURATION(
    0, below="invalid negative response TTL for serve_stale", invalid="invalid serve_stale response TTL: {error}"
)
_RECHECK = DURATION(
    0,
    MAX_FAILURE_S,
    below="invalid negative failure recheck for serve_stale",
    above="serve_stale failure recheck cannot exceed 5 minutes",
    invalid="invalid serve_stale failure recheck: {error}",
)


def serve_stale(words: Sequence[Token], draft: Draft) -> Stale:
    """Judge the words of `serve_stale`."""
    left = [word.text for word in words]
    if not left:
        return Stale()
    duration = _DURATION.parse(left.pop(0), draft)
    mode = left.pop(0).lower() if left else "immediate"
    if mode not in _MODE.words:
        raise Refuse(f"invalid value for serve_stale refresh mode: {mode}", at=words[1])
    verify = mode == "verify"
    timeout = _TIMEOUT.parse(left.pop(0), draft) if left and verify else 0.0
    if len(left) > 2:
        raise WrongCount(at=words[-1])
    ttl = _response_ttl(left.pop(0), draft) if left else 0
    recheck = _RECHECK.parse(left.pop(0), draft) if left else 0.0
    return Stale(duration, verify, timeout, ttl, recheck)


def _response_ttl(word: str, draft: Draft) -> int:
    seconds = _RESPONSE.parse(word, draft)
    if seconds != int(seconds):
        raise Refuse("serve_stale response TTL must be a whole number of seconds")
    if seconds > 0xFFFFFFFF:
        raise Refuse("serve_stale response TTL exceeds the DNS TTL range")
    return int(seconds)


class Options(Schema, repeat="once", unknown=None):
    """Keeps answers and gives them again until their time is over."""

    ttl: Annotated[int | None, Arg(INTEGER(1, below=_ZERO), when=is_number)] = None
    "Longest time in seconds that an answer is kept: 3600, or 1800 for denials, where nothing is said."

    zones: Annotated[tuple[bytes, ...], Args(ZONES(), block_zones=True)] = ()
    "Zones whose names are cached; those of the server block where none are named."

    success: Annotated[tuple[Limits, ...], Each(Limits)] = ()
    "Limits of the cache of answers."

    denial: Annotated[tuple[Limits, ...], Each(Limits)] = ()
    "Limits of the cache of denials: names and types that do not exist, failures."

    prefetch: Annotated[tuple[Prefetch, ...], Each(Prefetch)] = ()
    "Renew popular answers before they end."

    serve_stale: Annotated[
        Stale | None,
        Props(
            Words(serve_stale, "[DURATION] [immediate [RESPONSE_TTL [FAILURE_RECHECK]] | verify [VERIFY_TIMEOUT …]]"),
            least=0,
            most=5,
            repeat="replace",
        ),
    ] = None
    "Serve answers whose time is over while they cannot be renewed."

    serve_stale_policy: Annotated[
        str | None,
        Prop(
            CHOICE("prefer_positive", refused="invalid serve_stale_policy: {}", fold=True),
            repeat="once",
            twice=Refuse("serve_stale_policy can only be specified once"),
        ),
    ] = None
    "Which of an old answer and a newer denial is served."

    servfail: Annotated[
        float,
        Prop(
            DURATION(
                0,
                MAX_FAILURE_S,
                below="invalid negative ttl for servfail",
                above="caching SERVFAIL responses over 5 minutes is not permitted",
            )
        ),
    ] = 5.0
    "How long failures are kept; 0 is not at all."

    disable: Annotated[tuple[Disable, ...], Each(Disable)] = ()
    "What is not cached."

    keepttl: Annotated[bool, Flag()] = False
    "Show the TTL that an answer began with, instead of what is left of it."

    steer: Annotated[str, Prop(CHOICE("flow", "name"))] = "flow"
    "What spreads UDP queries over the workers: their clients, or their names, so that each name has one worker."

    def shape(self, draft: Draft) -> None:
        """Have names spread over the workers."""
        draft.by_name = self.steer == "name"

    def check(self, draft: Draft) -> None:
        """Refuse a policy without what it is the policy of."""
        if self.serve_stale_policy is not None and self.serve_stale is None:
            raise Refuse("serve_stale_policy requires serve_stale")

    @property
    def positive(self) -> tuple[int, int, int]:
        """Entries, longest and shortest time (s) of the success cache."""
        return _limits(self.success, self.ttl or MAX_TTL_S)

    @property
    def negative(self) -> tuple[int, int, int]:
        """Entries, longest and shortest time (s) of the denial cache."""
        return _limits(self.denial, self.ttl or MAX_DENIAL_TTL_S)

    @property
    def popular(self) -> tuple[int, float, int]:
        """Queries, gap (s) and percentage of `prefetch`."""
        duration, percent = 60.0, 10
        for line in self.prefetch:
            duration = duration if line.duration is None else line.duration
            percent = percent if line.percentage is None else line.percentage
        return self.prefetch[-1].amount if self.prefetch else 0, duration, percent

    def disabled(self, side: str) -> tuple[bytes, ...]:
        """Return the zones for which a side is off."""
        lines = [line for line in self.disable if line.side == side]
        return (lines[-1].zones or (ROOT,)) if lines else ()


def _limits(lines: Sequence[Limits], ttl: int) -> tuple[int, int, int]:
    """Return what several lines mean together: each word replaces the one before it."""
    capacity, least = 10000, MIN_TTL_S
    for line in lines:
        capacity = line.capacity
        ttl = ttl if line.ttl is None else line.ttl
        least = least if line.minttl is None else line.minttl
    return SHARDS * max(capacity // SHARDS, LEAST_IN_SHARD), min(ttl, MOST_TTL_S), min(least, MOST_TTL_S)
