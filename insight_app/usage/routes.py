"""The page where people see what they used, the one where admins see what everybody did, and the same for programs."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone

from flask import Blueprint, Flask, render_template, request
from flask.typing import ResponseReturnValue

from insight_app.accounts.guards import expect_admin, expect_scope, me
from insight_app.accounts.tokens import Scope
from insight_app.amounts import day_of_year
from insight_app.errors import NoSuchDays
from insight_app.limits import quotas
from insight_app.limits.store import Use
from insight_app.usage import rows
from insight_app.usage.charts import Chart, chart
from insight_app.web import add_settings_page, as_file, services, streamed
from insight_app.words import N_, _

PERIOD_DAYS = (7, 30, 90)
MOST_DAYS = 400
SHOWN = 200  # of a table; the rest is in the file
usage = Blueprint("usage", __name__, url_prefix="/settings/usage")
programs = Blueprint("usage_for_programs", __name__, url_prefix="/api")


@usage.before_request
@programs.before_request
def count() -> None:
    """What could not be kept before is in what is shown, if it can be now."""
    services().counting.flush()


@usage.get("")
def page() -> str:
    person, found = me(), services().usage
    since = _hour_since(30)
    now = time.time()
    return render_template(
        "usage/page.html",
        quotas=services().limits.standing(person.id, person.role.value, now),
        days=_days(found.by_day(since, person.id), 30),
        lines=found.lines(since, person.id),
        shows_all=person.is_admin,
        said=quotas.said,
        ends={period: quotas.begins(period, now) for period in quotas.PERIODS},
    )


@usage.get("/all")
def everybody() -> str:
    expect_admin()
    days = _period()
    since, found = _hour_since(days), services().usage
    lines = found.lines(since)
    by_hour = found.by_hour_of_day(since)
    return render_template(
        "usage/all.html",
        period=days,
        periods=PERIOD_DAYS,
        lines=[(line.email or _(rows.name_of(line.person, None)), line) for line in lines[:SHOWN]],
        more=max(0, len(lines) - SHOWN),
        total=sum((line.use for line in lines), Use()),
        people=len({line.person for line in lines}),
        days=_days(found.by_day(since), days),
        hours=chart([(f"{hour:02}:00", by_hour.get(hour, Use()).answers) for hour in range(24)]),
    )


@usage.get("/all.csv")
def as_csv() -> ResponseReturnValue:
    expect_admin()
    found = services().usage.rows(_hour_since(_asked_days(30)))
    return as_file(
        rows.as_csv(found), "text/csv; charset=utf-8", f"insightsphere-usage-{time.strftime('%Y-%m-%d')}.csv"
    )


@programs.get("/usage")
def for_programs() -> ResponseReturnValue:
    """The rows of the last ?days= (30) as JSON."""
    expect_scope(Scope.ADMIN)
    expect_admin()
    given = request.args.getlist("days")
    days = _asked_days(0) if given else 30
    if not days or len(given) > 1:
        raise NoSuchDays(limit=MOST_DAYS)
    return streamed(rows.as_json(services().usage.rows(_hour_since(days)), days), "application/json; charset=utf-8", {})


def _period() -> int:
    """Of the page: one of those that it offers."""
    days = _asked_days(30)
    return days if days in PERIOD_DAYS else 30


def _asked_days(otherwise: int) -> int:
    given = request.args.get("days", "")
    days = int(given) if given.isascii() and given.isdigit() and len(given) < 4 else 0
    return days if 1 <= days <= MOST_DAYS else otherwise


def _hour_since(days: int) -> int:
    """The first hour of the days (UTC) that end with today."""
    return quotas.hour_of(quotas.began("day", time.time())) - 24 * (days - 1)


def _days(found: dict[int, Use], count: int) -> Chart:
    """The answers of each of so many days, today last."""
    today = datetime.now(timezone.utc).date()
    last = quotas.hour_of(time.time()) // 24
    each = range(count - 1, -1, -1)
    return chart([(day_of_year(today - timedelta(days=ago)), found.get(last - ago, Use()).answers) for ago in each])


def register(app: Flask) -> None:
    app.register_blueprint(usage)
    app.register_blueprint(programs)
    add_settings_page(app, N_("Usage"), "usage.page")
