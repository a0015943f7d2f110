"""Under which day a conversation stands in the list: today, yesterday, the days and months before."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

from insight_app.words import N_, _, said_month

PINNED = "pinned"
_DAYS = {
    PINNED: N_("Pinned"),
    "today": N_("Today"),
    "yesterday": N_("Yesterday"),
    "week": N_("Last 7 days"),
    "month": N_("Last 30 days"),
}


def group(seconds: float, is_pinned: bool, today: date, zone: tzinfo | None) -> str:
    """The group of a time (in seconds since 1970) as it is called between programs; `zone` None is the server's."""
    if is_pinned:
        return PINNED
    day = day_in(zone, seconds)
    ago = (today - day).days
    if ago <= 0:  # a clock that was set back makes no other day
        return "today"
    if ago == 1:
        return "yesterday"
    if ago <= 7:
        return "week"
    return "month" if ago <= 30 else f"{day:%Y-%m}"


def heading(group: str) -> str:
    """What stands above a group."""
    if group in _DAYS:
        return _(_DAYS[group])
    year, month = group.split("-")
    return said_month(date(int(year), int(month), 1))


@lru_cache(maxsize=100)
def zone_named(name: str) -> tzinfo | None:
    """The time zone that a browser names ("Europe/Berlin"); None for what is none here."""
    if not re.fullmatch(r"[A-Za-z0-9_+-]{1,30}(/[A-Za-z0-9_+-]{1,30}){0,2}", name):
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown, or a folder of zones
        return None


def day_in(zone: tzinfo | None, seconds: float) -> date:
    """The day of a time; some day far away for one that no calendar has."""
    try:
        return datetime.fromtimestamp(seconds, zone).date()
    except (ValueError, OverflowError, OSError):  # a time that no calendar has
        return date.max - timedelta(days=1) if seconds > 0 else date.min
