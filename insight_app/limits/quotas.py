"""How much somebody may ask in a day and in a month, in answers and in tokens; days and months are those of UTC."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from insight_app.words import LENGTHS, counted

HOUR_SECONDS = 3600
MOST = 1_000_000_000
UNITS = ("answers", "tokens")
PERIODS = ("day", "month")
NAMES = tuple(f"{unit}_per_{period}" for unit in UNITS for period in PERIODS)


@dataclass(frozen=True, slots=True)
class Allowance:
    """0 is no limit; None leaves it to what stands above: an account to its role, a role to no limit."""

    answers_per_day: int | None = None
    answers_per_month: int | None = None
    tokens_per_day: int | None = None
    tokens_per_month: int | None = None

    def over(self, role: Allowance) -> Allowance:
        """This one of an account, with what it leaves to the role."""
        mine = {name: getattr(self, name) for name in NAMES}
        return Allowance(**{name: getattr(role, name) if of is None else of for name, of in mine.items()})

    @property
    def is_limited(self) -> bool:
        return any(getattr(self, name) for name in NAMES)


@dataclass(frozen=True, slots=True)
class Quota:
    """One limit and how much of it is used. `unit` is one of UNITS, `period` one of PERIODS; `limit` 0: none."""

    unit: str
    period: str
    used: int
    limit: int

    @property
    def name(self) -> str:
        return f"{self.unit}_per_{self.period}"

    @property
    def left(self) -> int | None:
        """None where there is no limit."""
        return max(0, self.limit - self.used) if self.limit else None

    @property
    def is_reached(self) -> bool:
        return self.left == 0


def quotas(allowance: Allowance, used: Mapping[str, int]) -> list[Quota]:
    """All four of them; `used` is by NAMES."""
    return [
        Quota(unit, period, used[name], getattr(allowance, name) or 0)
        for unit in UNITS
        for period in PERIODS
        for name in (f"{unit}_per_{period}",)
    ]


def reached(allowance: Allowance, used: Mapping[str, int]) -> Quota | None:
    """The limit that lets nothing more be asked, and of several the one that does so for longest."""
    full = [quota for quota in quotas(allowance, used) if quota.is_reached]
    return max(full, key=lambda quota: PERIODS.index(quota.period), default=None)


def hour_of(at: float) -> int:
    """The hour of a time, both since 1970."""
    return int(at // HOUR_SECONDS)


def began(period: str, now: float) -> float:
    """When this day, or this month, began."""
    day = datetime.fromtimestamp(now, timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
    return (day if period == "day" else day.replace(day=1)).timestamp()


def ends(period: str, now: float) -> float:
    """When the next one begins."""
    start = datetime.fromtimestamp(began(period, now), timezone.utc)
    if period == "day":
        return (start + timedelta(days=1)).timestamp()
    return (start + timedelta(days=32)).replace(day=1).timestamp()


def begins(period: str, now: float) -> str:
    """When the next one begins, in words: "at 00:00 UTC, in 3 hours"."""
    end = ends(period, now)
    day = "" if period == "day" else f"{datetime.fromtimestamp(end, timezone.utc):on %-d %B }"
    return f"{day}at 00:00 UTC, in {_about(end - now)}"


def facts(quota: Quota, now: float) -> dict[str, object]:
    """What the text of QuotaReached needs to know."""
    return {
        "amount": counted(quota.limit, quota.unit.removesuffix("s")),
        "period": "today" if quota.period == "day" else "this month",
        "begins": begins(quota.period, now),
        "retry_after": max(1, math.ceil(ends(quota.period, now) - now)),
    }


def lasting(seconds: int) -> str:
    """A wait as one says it, in words that a page can count down (static/js/app.js): "44 seconds", "5 minutes"."""
    return counted(seconds, "second") if seconds <= 120 else _about(seconds)


def _about(seconds: float) -> str:
    """The largest unit of a time, rounded up: "3 hours"."""
    name, length = next(((name, length) for name, length in LENGTHS if seconds > length), LENGTHS[-1])
    return counted(max(1, -int(-seconds // length)), name)
