"""Amounts of time and of bytes, days and times of day, as the language of the page says them."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from functools import lru_cache

from babel import Locale
from babel.dates import format_date, format_skeleton, format_time, format_timedelta
from babel.lists import format_list
from babel.units import format_unit

from insight_app.words import LENGTHS, _, locale, number_pattern

DISK_SIZES = (("gigabyte", 10**9), ("megabyte", 10**6), ("kilobyte", 10**3))
SIZES = (("gigabyte", 2**30), ("megabyte", 2**20), ("kilobyte", 2**10))


def lasting(seconds: float) -> str:
    """ "44 seconds", "5 minutes": a wait as one says it, rounded up, as a page counts it down (static/js/page.js)."""
    if seconds <= 120:
        return _counted(-int(-seconds // 1), "second")
    name, length = next(((name, length) for name, length in LENGTHS if seconds > length), LENGTHS[-1])
    return _counted(-int(-seconds // length), name)


def in_words(seconds: float) -> str:
    """ "2 hours and 5 minutes"; the two largest units, rounded up to minutes so that the end is never too early."""
    left = -int(-seconds // 60) * 60
    parts = []
    for name, length in LENGTHS:
        count, left = divmod(left, length)
        if count:
            parts.append(_counted(count, name))
    return format_list(parts[:2], locale=locale()) if parts else _("less than a minute")


def coming(seconds: float) -> str:
    """ "in 3 hours": the largest unit, rounded up."""
    name, length = next(((name, length) for name, length in LENGTHS if seconds > length), LENGTHS[-1])
    return _told(max(1, -int(-seconds // length)) * length, name)


def since(seconds: float) -> str:
    """ "5 minutes ago": the largest unit, rounded down; from a minute on."""
    name, length = next((name, length) for name, length in LENGTHS if seconds >= length)
    return _told(-int(seconds // length) * length, name)


def in_seconds(number: float, digits: int = 1) -> str:
    """ "2.5 sec"."""
    return _with_unit(number, digits, "duration-second")


def in_bytes(number: int) -> str:
    """ "4 MB", "1.5 GB": of bytes; what is below a kilobyte is told as one."""
    name, length = next(((name, length) for name, length in SIZES if number >= length), SIZES[-1])
    digits = 0 if number % length == 0 or name == "kilobyte" else 1
    return _with_unit(max(number / length, 1), digits, f"digital-{name}")


def on_disk(number: int) -> str:
    """ "4.7 GB", "815 MB": of bytes as disks and Ollama count them, a thousand MB to the GB."""
    name, length = next(((name, length) for name, length in DISK_SIZES if number >= length), DISK_SIZES[-1])
    digits = 1 if name == "gigabyte" and number % length and number < 100 * length else 0
    return _with_unit(max(number / length, 1), digits, f"digital-{name}")


def day(at: float) -> str:
    """ "Nov 28, 2026": the day of a time (UTC)."""
    return format_date(_utc(at).date(), locale=locale())


def day_of_year(of: date) -> str:
    """ "Nov 28"."""
    return format_skeleton("MMMd", of, locale=locale())


def moment(at: datetime) -> str:
    """ "Nov 28, 2026, 19:32 UTC"."""
    pattern = locale().datetime_formats["medium"].replace("'", "")
    time_of_day = format_time(at, "HH:mm", locale=locale())
    return f"{pattern.format(time_of_day, format_date(at.date(), locale=locale()))} UTC"


def _counted(count: int, name: str) -> str:
    return format_unit(count, f"duration-{name}", locale=locale())


def _with_unit(number: float, digits: int, unit: str) -> str:
    return _measured(round(number, digits), unit, number_pattern(digits), locale())


@lru_cache(maxsize=2000, typed=True)  # 1 and 1.0 may have other forms
def _measured(number: float, unit: str, pattern: str, spoken: Locale) -> str:
    return format_unit(number, unit, length="short", format=pattern, locale=spoken)


def _told(seconds: int, name: str) -> str:
    # From which part of a week, a month or a year on these are told instead: never.
    threshold = abs(seconds) / 86_400 / 7 + 0.01 if name == "day" else 1
    return format_timedelta(timedelta(seconds=seconds), threshold=threshold, add_direction=True, locale=locale())


def _utc(at: float) -> datetime:
    return datetime.fromtimestamp(at, timezone.utc)
