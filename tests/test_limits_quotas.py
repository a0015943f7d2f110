"""How much a day and a month allow, and when they begin anew."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insight_app.amounts import lasting
from insight_app.errors import QuotaReached
from insight_app.limits import quotas
from insight_app.limits.quotas import NAMES, PERIODS, Allowance, Quota

NOON = datetime(2026, 11, 28, 12, 30, tzinfo=timezone.utc).timestamp()
limits = st.none() | st.integers(0, 100)
allowances = st.builds(Allowance, limits, limits, limits, limits)
amounts = st.fixed_dictionaries({name: st.integers(0, 200) for name in NAMES})


@given(allowances, allowances)
def test_an_account_counts_where_it_says_something_and_its_role_elsewhere(mine: Allowance, role: Allowance) -> None:
    both = mine.over(role)
    for name in NAMES:
        own = getattr(mine, name)
        assert getattr(both, name) == (getattr(role, name) if own is None else own)


@given(allowances, amounts)
def test_something_can_be_asked_just_when_each_limit_leaves_some(allowance: Allowance, used: dict[str, int]) -> None:
    full = {name for name in NAMES if getattr(allowance, name) and used[name] >= getattr(allowance, name)}
    found = quotas.reached(allowance, used)
    assert (found is None) is not bool(full)
    if found is not None:
        assert found.name in full
        assert found.period == "month" or not any(name.endswith("month") for name in full)


@given(st.floats(0, 4_000_000_000))
def test_a_time_is_in_its_day_and_month_and_the_next_follows_at_once(now: float) -> None:
    for period in PERIODS:
        begin, end = quotas.began(period, now), quotas.ends(period, now)
        assert begin <= now < end
        assert quotas.began(period, end) == end
        assert quotas.began(period, end - 1) == begin
        assert begin % quotas.HOUR_SECONDS == 0


@pytest.mark.parametrize(
    ("quota", "at", "said"),
    [
        (
            Quota("answers", "day", 50, 50),
            NOON,
            "You have used all 50 answers that are allowed in a day. It begins anew at 00:00 UTC (in 12 hours). "
            "An admin of this server can allow more.",
        ),
        (
            Quota("tokens", "month", 1_000_007, 1_000_000),
            NOON,
            "You have used all 1,000,000 tokens that are allowed in a month. It begins anew on Dec 1, 2026 at 00:00 "
            "UTC (in 3 days). An admin of this server can allow more.",
        ),
        (
            Quota("answers", "day", 1, 1),
            NOON + 11.5 * 3600 - 30,
            "You have used the 1 answer that is allowed in a day. It begins anew at 00:00 UTC (in 1 minute). An admin "
            "of this server can allow more.",
        ),
    ],
)
def test_who_has_used_all_is_told_what_and_when_it_begins_anew(quota: Quota, at: float, said: str) -> None:
    assert str(QuotaReached(*quotas.reached_in_words(quota, at), **quotas.facts(quota, at))) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (1, "1 second"),
        (44, "44 seconds"),
        (120, "120 seconds"),
        (121, "3 minutes"),
        (3600, "60 minutes"),
        (9000, "3 hours"),
    ],
)
def test_a_wait_is_said_in_a_unit_that_one_can_imagine(seconds: int, said: str) -> None:
    assert lasting(seconds) == said
