"""Go's layouts of times: `2006-01-02T15:04:05Z07:00`."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache

USUAL = (
    "2006-01-02", "15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04:05Z07:00", "02 Jan 06 15:04 MST",
    "Monday, 02-Jan-06 15:04:05 MST", "Mon, 02 Jan 2006 15:04:05 MST",
)  # fmt: skip
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_PARTS = re.compile(
    r"January|Jan|Monday|Mon|MST|2006|01|02|03|04|05|06|002|15|PM|pm|Z07:00|Z0700|-07:00|-0700|-07|_2|[.,](?:0+|9+)(?![0-9])"
    r"|1|2|3|4|5"
)
_NAMES = "|".join(_MONTHS)
_DAY_NAMES = "|".join(_DAYS)
_READ = {
    "January": f"(?P<month_name>{_NAMES})", "Jan": "(?P<month_name>[A-Z][a-z]{2})", "Monday": f"(?:{_DAY_NAMES})",
    "Mon": "[A-Z][a-z]{2}", "MST": "(?P<zone>[A-Z]{3,4}|[+-][0-9]{2})", "2006": "(?P<year>[0-9]{4})",
    "06": "(?P<short_year>[0-9]{2})", "01": "(?P<month>[0-9]{2})", "1": "(?P<month>[0-9]{1,2})",
    "02": "(?P<day>[0-9]{2})", "_2": " ?(?P<day>[0-9]{1,2})", "2": "(?P<day>[0-9]{1,2})",
    "15": "(?P<hour>[0-9]{2})", "03": "(?P<half>[0-9]{2})", "3": "(?P<half>[0-9]{1,2})",
    "04": "(?P<minute>[0-9]{2})", "4": "(?P<minute>[0-9]{1,2})",
    "05": "(?P<second>[0-9]{2})(?:[.,](?P<fraction>[0-9]{1,9}))?",
    "5": "(?P<second>[0-9]{1,2})(?:[.,](?P<fraction>[0-9]{1,9}))?", "PM": "(?P<pm>AM|PM)", "pm": "(?P<pm>am|pm)",
    "Z07:00": "(?P<offset>Z|[+-][0-9]{2}:[0-9]{2})", "Z0700": "(?P<offset>Z|[+-][0-9]{4})",
    "-07:00": "(?P<offset>[+-][0-9]{2}:[0-9]{2})", "-0700": "(?P<offset>[+-][0-9]{4})",
    "-07": "(?P<offset>[+-][0-9]{2})", "002": "(?P<yearday>[0-9]{3})",
}  # fmt: skip


@lru_cache(64)
def _reader(form: str) -> re.Pattern[str] | None:
    found, at = "", 0
    for part in _PARTS.finditer(form):
        found += re.escape(form[at : part.start()])
        if part[0][0] not in ".,":  # a fraction is read with the seconds
            found += _READ[part[0]]
        at = part.end()
    try:
        return re.compile(found + re.escape(form[at:]), re.ASCII)
    except re.error:  # one part twice
        return None


def read(form: str, text: str, zone: tzinfo) -> tuple[datetime, int] | None:
    """Return the clock's reading and its nanoseconds; None where the text does not fit."""
    reader = _reader(form)
    match = reader.fullmatch(text) if reader else None
    if match is None:
        return None
    got = {name: value for name, value in match.groupdict().items() if value is not None}
    hour = int(got.get("hour") or got.get("half") or 0)
    if "pm" in got:
        hour = hour % 12 + 12 * (got["pm"].upper() == "PM")
    month = _month(got["month_name"]) if "month_name" in got else int(got.get("month", 1))
    try:
        clock = datetime(
            _year(got), month, int(got.get("day", 1)), hour, int(got.get("minute", 0)), int(got.get("second", 0)),
            tzinfo=_offset(got["offset"]) if "offset" in got else UTC if got.get("zone") in ("UTC", "GMT") else zone,
        )  # fmt: skip
    except ValueError:
        return None
    return clock, int(got.get("fraction", "0").ljust(9, "0"))


def _year(got: dict[str, str]) -> int:
    if "short_year" in got:
        short = int(got["short_year"])
        return short + (1900 if short >= 69 else 2000)
    return max(1, int(got.get("year", 1)))


def _month(name: str) -> int:
    return next((number for number, one in enumerate(_MONTHS, 1) if one.startswith(name)), 0)


def _offset(text: str) -> tzinfo:
    if text == "Z":
        return UTC
    digits = text[1:].replace(":", "").ljust(4, "0")
    span = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-span if text[0] == "-" else span)


def write(form: str, clock: datetime, ns: int) -> str:
    """Write a clock's reading as a layout says."""
    return _PARTS.sub(lambda part: _written(part[0], clock, ns), form)


def _written(part: str, clock: datetime, ns: int) -> str:
    if part[0] in ".,":
        digits = f"{ns % 1_000_000_000:09d}"[: len(part) - 1]
        if part[1] == "9":
            digits = digits.rstrip("0")
        return part[0] + digits if digits else ""
    if "07" in part:
        return _offset_text(part, clock)
    half = clock.hour % 12 or 12
    texts = {
        "January": _MONTHS[clock.month - 1], "Jan": _MONTHS[clock.month - 1][:3],
        "Monday": _DAYS[clock.isoweekday() % 7], "Mon": _DAYS[clock.isoweekday() % 7][:3],
        "MST": clock.tzname() or "UTC", "2006": f"{clock.year:04d}", "06": f"{clock.year % 100:02d}",
        "01": f"{clock.month:02d}", "1": str(clock.month), "02": f"{clock.day:02d}", "2": str(clock.day),
        "_2": f"{clock.day:2d}", "002": f"{clock.timetuple().tm_yday:03d}", "15": f"{clock.hour:02d}",
        "03": f"{half:02d}", "3": str(half), "04": f"{clock.minute:02d}", "4": str(clock.minute),
        "05": f"{clock.second:02d}", "5": str(clock.second), "PM": "PM" if clock.hour >= 12 else "AM",
        "pm": "pm" if clock.hour >= 12 else "am",
    }  # fmt: skip
    return texts[part]


def _offset_text(part: str, clock: datetime) -> str:
    minutes = int((clock.utcoffset() or timedelta()).total_seconds() // 60)
    if part[0] == "Z" and not minutes:
        return "Z"
    sign = "-" if minutes < 0 else "+"
    hours, minutes = divmod(abs(minutes), 60)
    if part == "-07":
        return f"{sign}{hours:02d}"
    return f"{sign}{hours:02d}{':' if ':' in part else ''}{minutes:02d}"
