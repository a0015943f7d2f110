"""Answers and tokens are counted once, whoever counts at the same time, and no more begin than are allowed."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert

from insight_app.errors import DatabaseBusy, NotThere, QuotaReached
from insight_app.limits.counting import Counting
from insight_app.limits.quotas import HOUR_SECONDS, MOST, NAMES, Allowance, hour_of
from insight_app.limits.store import LimitStore, RoleRules, Use
from insight_app.limits.usage_store import UsageStore
from insight_app.storage.database import Database
from insight_app.storage.tables import accounts, usage

ON_BOTH_DATABASES = True
NOON = datetime(2026, 11, 28, 12, 30, tzinfo=timezone.utc).timestamp()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with closing(Database(database_url)) as found:
        found.bring_up_to_date()
        with found.writing() as connection:
            common = {"role": "member", "created_at": 0.0}
            connection.execute(
                insert(accounts), [{"id": one, "email": f"{one}@example.org", **common} for one in ("bob", "carol")]
            )
        yield found


@pytest.fixture
def store(database: Database) -> LimitStore:
    return LimitStore(database)


def used(store: LimitStore, person: str = "bob", now: float = NOON) -> list[int]:
    """By NAMES."""
    return [quota.used for quota in store.standing(person, "member", now)]


def test_what_is_set_is_what_is_read(store: LimitStore) -> None:
    assert store.role("member") == RoleRules()
    rules = RoleRules(Allowance(1, 2, 3, 0), ("a:latest", "ö"))
    store.set_role("member", rules)
    assert (store.role("member"), store.role("admin")) == (rules, RoleRules())
    store.set_role("member", replace(rules, models=None))
    assert store.role("member").models is None
    store.set_account("bob", Allowance(answers_per_day=0))
    assert (store.account("bob"), store.account("carol")) == (Allowance(answers_per_day=0), Allowance())
    for nobody in ("", "eve"):
        with pytest.raises(NotThere):
            store.set_account(nobody, Allowance())
        with pytest.raises(NotThere):
            store.account(nobody)


def test_an_account_may_ask_more_than_its_role_and_one_without_limit_anything(store: LimitStore) -> None:
    store.set_role("member", RoleRules(Allowance(answers_per_day=1)))
    store.set_account("carol", Allowance(answers_per_day=0))
    for _ in range(3):
        store.begin("carol", "member", "m", now=NOON)
    store.begin("bob", "member", "m", now=NOON)
    with pytest.raises(QuotaReached):
        store.begin("bob", "member", "m", now=NOON)
    assert (used(store)[0], used(store, "carol")[0]) == (1, 3)


def test_a_day_begins_anew_and_a_month_too(store: LimitStore) -> None:
    store.set_role("member", RoleRules(Allowance(answers_per_day=1, answers_per_month=2)))
    day = 86_400
    store.begin("bob", "member", "m", now=NOON)
    store.begin("bob", "member", "m", now=NOON + day)
    with pytest.raises(QuotaReached) as told:
        store.begin("bob", "member", "m", now=NOON + 2 * day)
    assert "allowed in a month" in str(told.value)
    store.begin("bob", "member", "m", now=NOON + 3 * day)  # 1 December
    assert used(store, now=NOON + 3 * day) == [1, 1, 0, 0]


def test_tokens_of_an_answer_may_pass_the_limit_and_then_none_begins(store: LimitStore) -> None:
    store.set_role("member", RoleRules(Allowance(tokens_per_day=100)))
    store.begin("bob", "member", "m", now=NOON)
    store.add([(("bob", hour_of(NOON), "other"), Use(prompt_tokens=70, answer_tokens=29))])
    store.begin("bob", "member", "m", now=NOON)
    store.add([(("bob", hour_of(NOON), "m"), Use(answer_tokens=500))])
    with pytest.raises(QuotaReached) as told:
        store.begin("bob", "member", "m", now=NOON)
    assert "all 100 tokens that are allowed in a day" in str(told.value)
    assert used(store) == [2, 2, 599, 599]


def test_many_prompts_at_once_never_pass_the_limit(store: LimitStore) -> None:
    store.set_role("member", RoleRules(Allowance(answers_per_day=5)))
    seen: Counter[str] = Counter()
    together = threading.Barrier(12)

    def asks() -> None:
        together.wait()
        try:
            store.begin("bob", "member", "m", now=NOON)
            seen["begun"] += 1
        except QuotaReached:
            seen["refused"] += 1

    threads = [threading.Thread(target=asks) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {"begun": 5, "refused": 7}
    assert used(store)[0] == 5


places = st.tuples(st.sampled_from(["", "bob", "carol", "gone"]), st.integers(0, 999), st.sampled_from(["m", "n", ""]))
uses = st.builds(Use, *[st.integers(0, 10**6)] * 3, *[st.integers(0, 1000).map(float)] * 2)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(places, uses), max_size=12), st.integers(0, 999))
def test_sums_are_those_of_the_rows_however_they_are_asked_for(
    database: Database, given_uses: list[tuple[tuple[str, int, str], Use]], since: int
) -> None:
    with database.writing() as connection:
        connection.execute(delete(usage))
    LimitStore(database).add(given_uses)
    found = UsageStore(database)
    expected = sum((use for place, use in given_uses if place[1] >= since), Use())
    assert sum(found.by_day(since).values(), Use()) == expected
    assert sum(found.by_hour_of_day(since).values(), Use()) == expected
    assert sum((line.use for line in found.lines(since)), Use()) == expected
    rows = list(found.rows(since))
    assert sum((Use(*(row[name] for name in Use.__dataclass_fields__)) for row in rows), Use()) == expected
    bobs = sum((use for place, use in given_uses if place[1] >= since and place[0] == "bob"), Use())
    assert sum((line.use for line in found.lines(since, "bob")), Use()) == bobs


def test_rows_are_read_in_parts_and_none_twice(store: LimitStore, database: Database) -> None:
    store.add([((person, hour, "m"), Use(answers=1)) for person in ("bob", "gone") for hour in range(300)])
    rows = list(UsageStore(database).rows())
    assert [(row["hour"], row["person"]) for row in rows] == [(h, p) for h in range(300) for p in ("bob", "gone")]
    assert {row["email"] for row in rows} == {"bob@example.org", None}


class Broken(LimitStore):
    """A store whose database is busy while `is_busy`."""

    is_busy = True

    def add(self, uses: object) -> None:
        self._expect_free()
        super().add(uses)  # type: ignore[arg-type]

    def begin(self, *given: object, **named: object) -> tuple[str, int, str]:
        self._expect_free()
        return super().begin(*given, **named)  # type: ignore[arg-type]

    def _expect_free(self) -> None:
        if self.is_busy:
            raise DatabaseBusy


def test_what_a_busy_database_does_not_take_is_counted_with_the_next_answer(database: Database) -> None:
    store = Broken(database)
    counting = Counting(store)
    counting.ended("bob", "m", {"prompt_tokens": 10, "answer_tokens": 5, "loading_seconds": 1.0})
    counting.ended("bob", "m", {"prompt_tokens": 10, "answer_tokens": 5, "writing_seconds": 2.0, "answer_seconds": 1.5})
    with pytest.raises(DatabaseBusy):
        counting.begin("bob", "member", "m")
    store.is_busy = False
    assert UsageStore(database).lines(0) == []
    counting.begin("bob", "member", "m")
    (line,) = UsageStore(database).lines(0)
    assert line.use == Use(1, 20, 10, 3.0, 1.5)
    counting.flush()
    assert UsageStore(database).lines(0) == [line]


def test_who_has_used_all_by_what_was_not_kept_yet_is_refused(database: Database) -> None:
    store = Broken(database)
    store.set_role("member", RoleRules(Allowance(tokens_per_day=10)))
    counting = Counting(store)
    counting.ended("bob", "m", {"answer_tokens": 10})
    store.is_busy = False
    for _ in range(2):
        with pytest.raises(QuotaReached):
            counting.begin("bob", "member", "m")
    assert UsageStore(database).lines(0)[0].use == Use(answer_tokens=10)


def test_what_can_never_be_kept_is_told_in_the_log(database: Database, capsys: pytest.CaptureFixture[str]) -> None:
    counting = Counting(Broken(database))
    counting.ended("bob", "m", {"answer_tokens": 10})
    counting.close()
    assert "usage lost" in "".join(capsys.readouterr())


def test_counts_that_cannot_be_are_no_harm(store: LimitStore, database: Database) -> None:
    Counting(store).ended("bob", "m", {"prompt_tokens": 10**40, "answer_tokens": -5})
    assert UsageStore(database).lines(0)[0].use == Use(prompt_tokens=MOST)


def test_an_answer_that_did_not_begin_is_not_counted(store: LimitStore, database: Database) -> None:
    counting = Counting(store)
    counting.give_back(counting.begin("bob", "member", "m"))
    assert UsageStore(database).lines(0) == []


def test_the_names_of_limits_are_columns_of_both_tables() -> None:
    assert set(NAMES) <= {column.name for column in accounts.columns}
    assert HOUR_SECONDS * hour_of(NOON) <= NOON
