"""Times and durations as expressions see them, with the methods of Go's types."""

from __future__ import annotations

import functools
import time
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from shardns.config.golang import nanoseconds

from . import layout
from .errors import ExpressionError
from .show import show_duration
from .types import BOOL, DURATION, FLOAT, INT, LOCATION, STRING, TIME, Type, function

_SECOND = 1_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Duration(int):
    """Nanoseconds."""

    GO_TYPE = "time.Duration"

    def __str__(self) -> str:
        return show_duration(int(self))

    String = __str__

    def Hours(self) -> float:
        """In hours."""
        return int(self) / (3600 * _SECOND)

    def Minutes(self) -> float:
        """In minutes."""
        return int(self) / (60 * _SECOND)

    def Seconds(self) -> float:
        """In seconds."""
        return int(self) / _SECOND

    def Milliseconds(self) -> int:
        """In whole milliseconds."""
        return int(int(self) / 1_000_000)

    def Microseconds(self) -> int:
        """In whole microseconds."""
        return int(int(self) / 1_000)

    def Nanoseconds(self) -> int:
        """In nanoseconds."""
        return int(self)


@functools.total_ordering
class Time:
    """An instant (ns since 1970) and the zone in which it is shown."""

    GO_TYPE = "time.Time"
    __slots__ = ("ns", "zone")

    def __init__(self, ns: int, zone: tzinfo = UTC) -> None:
        self.ns = ns
        self.zone = zone

    @property
    def local(self) -> datetime:
        """The clock's reading in its zone, to the microsecond."""
        try:
            return (_EPOCH + timedelta(microseconds=self.ns // 1000)).astimezone(self.zone)
        except OverflowError:
            raise ExpressionError("time out of range") from None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Time) and other.ns == self.ns

    def __lt__(self, other: Time) -> bool:
        return self.ns < other.ns

    def __hash__(self) -> int:
        return hash(self.ns)

    def __str__(self) -> str:
        fraction = f".{self.ns % _SECOND:09d}".rstrip("0") if self.ns % _SECOND else ""
        return (
            layout.write("2006-01-02 15:04:05", self.local, self.ns)
            + fraction
            + layout.write(" -0700 MST", self.local, self.ns)
        )

    String = __str__

    def Year(self) -> int:
        """The year."""
        return self.local.year

    def Month(self) -> int:
        """The month, from 1."""
        return self.local.month

    def Day(self) -> int:
        """The day of the month."""
        return self.local.day

    def Hour(self) -> int:
        """The hour."""
        return self.local.hour

    def Minute(self) -> int:
        """The minute."""
        return self.local.minute

    def Second(self) -> int:
        """The second."""
        return self.local.second

    def Nanosecond(self) -> int:
        """Nanoseconds within the second."""
        return self.ns % _SECOND

    def Weekday(self) -> int:
        """The day of the week, Sunday being 0."""
        return self.local.isoweekday() % 7

    def YearDay(self) -> int:
        """The day of the year, from 1."""
        return self.local.timetuple().tm_yday

    def Unix(self) -> int:
        """Seconds since 1970."""
        return self.ns // _SECOND

    def UnixMilli(self) -> int:
        """Milliseconds since 1970."""
        return self.ns // 1_000_000

    def UnixNano(self) -> int:
        """Nanoseconds since 1970."""
        return self.ns

    def Format(self, text: str) -> str:
        """Write it as a layout says."""
        return layout.write(text, self.local, self.ns)

    def Before(self, other: Time) -> bool:
        """Tell whether it is earlier."""
        return self.ns < other.ns

    def After(self, other: Time) -> bool:
        """Tell whether it is later."""
        return self.ns > other.ns

    def Equal(self, other: Time) -> bool:
        """Tell whether it is the same instant."""
        return self.ns == other.ns

    def Sub(self, other: Time) -> Duration:
        """What passed since another time."""
        return Duration(max(-(2**63), min(2**63 - 1, self.ns - other.ns)))

    def Add(self, span: Duration) -> Time:
        """The time after a duration."""
        return Time(self.ns + int(span), self.zone)

    def AddDate(self, years: int, months: int, days: int) -> Time:
        """The time after years, months and days, as the calendar counts them."""
        now = self.local
        month = now.month - 1 + months
        try:
            first = now.replace(year=now.year + years + month // 12, month=month % 12 + 1, day=1)
            moved = first + timedelta(days=now.day - 1 + days)
        except (ValueError, OverflowError):
            raise ExpressionError("time out of range") from None
        return from_clock(moved, self.ns)

    def In(self, zone: tzinfo) -> Time:
        """The same instant in another zone."""
        return Time(self.ns, zone)

    def UTC(self) -> Time:
        """The same instant in UTC."""
        return Time(self.ns, UTC)


_TIME_INTEGERS = (
    "Year", "Month", "Day", "Hour", "Minute", "Second", "Nanosecond", "Weekday", "YearDay", "Unix", "UnixMilli",
    "UnixNano",
)  # fmt: skip
METHODS: dict[tuple[str, str], Type] = {
    **{("time", name): function((), INT) for name in _TIME_INTEGERS},
    **{("time", name): function((TIME,), BOOL) for name in ("Before", "After", "Equal")},
    ("time", "Format"): function((STRING,), STRING), ("time", "String"): function((), STRING),
    ("time", "Sub"): function((TIME,), DURATION), ("time", "Add"): function((DURATION,), TIME),
    ("time", "AddDate"): function((INT, INT, INT), TIME), ("time", "In"): function((LOCATION,), TIME),
    ("time", "UTC"): function((), TIME),
    **{("duration", name): function((), FLOAT) for name in ("Hours", "Minutes", "Seconds")},
    **{("duration", name): function((), INT) for name in ("Milliseconds", "Microseconds", "Nanoseconds")},
    ("duration", "String"): function((), STRING), ("location", "String"): function((), STRING),
}  # fmt: skip
METHOD_NAMES = {kind: frozenset(name for owner, name in METHODS if owner == kind) for kind in ("time", "duration")}


def from_clock(clock: datetime, ns: int) -> Time:
    """Return the time of a clock's reading, with the nanoseconds of another."""
    span = clock - _EPOCH
    return Time((span.days * 86400 + span.seconds) * _SECOND + ns % _SECOND, clock.tzinfo or UTC)


def now(zone: tzinfo = UTC) -> Time:
    """Return the present time."""
    return Time(time.time_ns(), zone)


def timezone(name: str) -> tzinfo:
    """Return a zone by its name in the system's database."""
    if name in ("", "UTC"):
        return UTC
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, LookupError):
        raise ExpressionError(f"unknown time zone {name}") from None


def duration(text: str) -> Duration:
    """Read a duration."""
    try:
        return Duration(nanoseconds(text))
    except ValueError as error:
        raise ExpressionError(str(error)) from None


def date(text: str, form: str | None = None, zone: tzinfo = UTC) -> Time:
    """Read a time in a layout, or in the first of the usual ones that fits."""
    for one in layout.USUAL if form is None else (form,):
        found = layout.read(one, text, zone)
        if found is not None:
            return from_clock(*found)
    if form is None:
        raise ExpressionError(f"invalid date {text}")
    raise ExpressionError(f'parsing time "{text}" as "{form}": cannot parse "{text}" as "{form}"')
