"""What was used, read: sums for pages, and rows for who takes them elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select, true

from insight_app.limits.store import Use
from insight_app.storage.database import Database
from insight_app.storage.tables import accounts, usage

AMOUNTS = tuple(Use.__dataclass_fields__)
# A row stays where its only answer was given back, as one that did not begin after all.
_WAS_USED = or_(*(usage.c[name] != 0 for name in AMOUNTS))
_SUMS = [func.coalesce(func.sum(usage.c[name]), 0).label(name) for name in AMOUNTS]


@dataclass(frozen=True, slots=True)
class Line:
    """What one person used of one model. `email` is None where there is no such account (any more)."""

    person: str
    email: str | None
    model: str
    use: Use


class UsageStore:
    """Hours, days and times `since` which is asked are counted from 1970; `person` None: everybody."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def by_day(self, since_hour: int, person: str | None = None) -> dict[int, Use]:
        """By the day since 1970; days without an answer are not in it."""
        return self._by(usage.c.hour // 24, since_hour, person)

    def by_hour_of_day(self, since_hour: int) -> dict[int, Use]:
        """By the hour of the day (UTC)."""
        return self._by(usage.c.hour % 24, since_hour, None)

    def lines(self, since_hour: int, person: str | None = None) -> list[Line]:
        """By person and model, those with most answers first."""
        query = (
            select(usage.c.person, accounts.c.email, usage.c.model, *_SUMS)
            .outerjoin(accounts, accounts.c.id == usage.c.person)
            .where(_since(since_hour, person))
            .group_by(usage.c.person, accounts.c.email, usage.c.model)
        )
        with self._database.reading() as connection:
            found = [Line(row.person, row.email, row.model, _use(tuple(row)[3:])) for row in connection.execute(query)]
        return sorted(found, key=lambda line: (-line.use.answers, line.email or "", line.person, line.model))

    def rows(self, since_hour: int = 0, person: str | None = None) -> Iterator[dict[str, Any]]:
        """Every row with the `email` of its person, oldest first; read in parts, so that no memory is filled."""
        query = select(usage, accounts.c.email).outerjoin(accounts, accounts.c.id == usage.c.person)
        order = (usage.c.hour, usage.c.person, usage.c.model)
        return self._database.rows(query.where(_since(since_hour, person)), order)

    def _by(self, what: ColumnElement[int], since_hour: int, person: str | None) -> dict[int, Use]:
        query = select(what, *_SUMS).where(_since(since_hour, person)).group_by(what)
        with self._database.reading() as connection:
            return {int(row[0]): _use(tuple(row)[1:]) for row in connection.execute(query)}


def _since(hour: int, person: str | None) -> ColumnElement[bool]:
    return _WAS_USED & (usage.c.hour >= hour) & (true() if person is None else usage.c.person == person)


def _use(sums: Sequence[Any]) -> Use:
    answers, prompt_tokens, answer_tokens, busy, writing = sums
    return Use(int(answers), int(prompt_tokens), int(answer_tokens), float(busy), float(writing))
