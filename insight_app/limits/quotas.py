"""How much somebody may ask in a day and in a month, in answers and in tokens; days and months are those of UTC."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from insight_app.amounts import coming, day
from insight_app.words import _, ngettext, said_number

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
    """When the next one begins, as a sentence."""
    end = ends(period, now)
    wait = coming(end - now)
    if period == "day":
        return _("It begins anew at 00:00 UTC (%(wait)s).", wait=wait)
    return _("It begins anew on %(day)s at 00:00 UTC (%(wait)s).", day=day(end), wait=wait)


def reached_in_words(quota: Quota, now: float) -> tuple[str, str]:
    """What has been used, and when there is more."""
    told = {
        "answers_per_day": ngettext(
            "You have used the %(num)s answer that is allowed in a day.",
            "You have used all %(num)s answers that are allowed in a day.",
            quota.limit,
        ),
        "answers_per_month": ngettext(
            "You have used the %(num)s answer that is allowed in a month.",
            "You have used all %(num)s answers that are allowed in a month.",
            quota.limit,
        ),
        "tokens_per_day": ngettext(
            "You have used the %(num)s token that is allowed in a day.",
            "You have used all %(num)s tokens that are allowed in a day.",
            quota.limit,
        ),
        "tokens_per_month": ngettext(
            "You have used the %(num)s token that is allowed in a month.",
            "You have used all %(num)s tokens that are allowed in a month.",
            quota.limit,
        ),
    }
    more = _("An admin of this server can allow more.")
    return told[quota.name], f"{begins(quota.period, now)} {more}"


def said(quota: Quota) -> str:
    """How much is used, and of how much."""
    used, limit = said_number(quota.used), quota.limit
    if quota.unit == "answers":
        if not limit:
            return ngettext("%(num)s answer", "%(num)s answers", quota.used)
        return ngettext("%(used)s of %(num)s answer", "%(used)s of %(num)s answers", limit, used=used)
    if not limit:
        return ngettext("%(num)s token", "%(num)s tokens", quota.used)
    return ngettext("%(used)s of %(num)s token", "%(used)s of %(num)s tokens", limit, used=used)


def facts(quota: Quota, now: float) -> dict[str, object]:
    """What whoever tries again needs to know."""
    return {"retry_after": max(1, math.ceil(ends(quota.period, now) - now))}
