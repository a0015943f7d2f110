"""What roles and accounts may do, and the count of answers, which is held to it in the transaction that makes it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, case, func, select, update

from insight_app.errors import NotThere, QuotaReached
from insight_app.limits import quotas
from insight_app.limits.quotas import NAMES, Allowance, hour_of
from insight_app.storage import upsert
from insight_app.storage.database import Database
from insight_app.storage.tables import accounts, roles, usage


@dataclass(frozen=True, slots=True)
class RoleRules:
    """What people of a role may do; `models` None: ask every model."""

    allowance: Allowance = field(default_factory=Allowance)
    models: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Use:
    """What is added to a row of usage."""

    answers: int = 0
    prompt_tokens: int = 0
    answer_tokens: int = 0
    busy_seconds: float = 0.0
    writing_seconds: float = 0.0

    def __add__(self, other: Use) -> Use:
        return Use(*(getattr(self, name) + getattr(other, name) for name in Use.__dataclass_fields__))


# Of whom, in which hour since 1970, and of which model.
Place = tuple[str, int, str]
_PLACE = itemgetter(0)  # in this order, so that no two who add wait for each other
_ROLE = [roles.c[name] for name in NAMES]
_ACCOUNT = [accounts.c[name] for name in NAMES]


class LimitStore:
    """`person` is the id of an account, "" where nobody signs in, who has no limits; `role` is the word for one."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def role(self, role: str) -> RoleRules:
        with self._database.reading() as connection:
            return _role(connection, role)

    def set_role(self, role: str, rules: RoleRules) -> None:
        values: dict[str, Any] = {name: getattr(rules.allowance, name) for name in NAMES}
        values["models"] = None if rules.models is None else json.dumps(rules.models)
        with self._database.writing() as connection:
            upsert.put(connection, roles, {"role": role}, values)

    def account(self, person: str) -> Allowance:
        """What is set for the account itself. Raises NotThere."""
        with self._database.reading() as connection:
            row = connection.execute(select(*_ACCOUNT).where(accounts.c.id == person)).first()
        if row is None:
            raise NotThere
        return Allowance(*row)

    def set_account(self, person: str, allowance: Allowance) -> None:
        """Raises NotThere."""
        values = {name: getattr(allowance, name) for name in NAMES}
        with self._database.writing() as connection:
            if not connection.execute(update(accounts).where(accounts.c.id == person).values(values)).rowcount:
                raise NotThere

    def standing(self, person: str, role: str, now: float | None = None) -> list[quotas.Quota]:
        """Each limit of somebody, with what they used of it."""
        now = time.time() if now is None else now
        with self._database.reading() as connection:
            allowance = _allowance(connection, person, role) if person else Allowance()
            return quotas.quotas(allowance, _used(connection, person, now))

    def begin(
        self, person: str, role: str, model: str, waiting: Iterable[tuple[Place, Use]] = (), now: float | None = None
    ) -> Place:
        """Counts an answer that is about to begin, after what was `waiting` to be counted; returns where.

        Raises QuotaReached, and has then counted what was waiting.
        """
        now = time.time() if now is None else now
        place = (person, hour_of(now), model)
        with self._database.writing() as connection:
            for where, use in sorted(waiting, key=_PLACE):
                _add(connection, where, use)
            full = None
            if person and (allowance := _allowance(connection, person, role)).is_limited:
                full = quotas.reached(allowance, _used(connection, person, now))
            if full is None:
                _add(connection, place, Use(answers=1))
        if full is not None:
            raise QuotaReached(*quotas.reached_in_words(full, now), **quotas.facts(full, now))
        return place

    def add(self, uses: Iterable[tuple[Place, Use]]) -> None:
        """Adds to what was used, all or nothing."""
        with self._database.writing() as connection:
            for place, use in sorted(uses, key=_PLACE):
                _add(connection, place, use)


def _role(connection: Connection, role: str) -> RoleRules:
    row = connection.execute(select(*_ROLE, roles.c.models).where(roles.c.role == role)).first()
    if row is None:
        return RoleRules()
    return RoleRules(Allowance(*row[:4]), None if row.models is None else tuple(json.loads(row.models)))


def _allowance(connection: Connection, person: str, role: str) -> Allowance:
    # Where a database has several writers, two prompts of one person must not both take their last answer.
    mine = connection.execute(select(*_ACCOUNT).where(accounts.c.id == person).with_for_update(key_share=True)).first()
    return (Allowance(*mine) if mine else Allowance()).over(_role(connection, role).allowance)


def _used(connection: Connection, person: str, now: float) -> Mapping[str, int]:
    """By quotas.NAMES."""
    day, month = (hour_of(quotas.began(period, now)) for period in quotas.PERIODS)
    tokens = usage.c.prompt_tokens + usage.c.answer_tokens
    sums = [
        func.coalesce(func.sum(case((usage.c.hour >= since, amount), else_=0)), 0)
        for amount in (usage.c.answers, tokens)
        for since in (day, month)
    ]
    row = connection.execute(select(*sums).where(usage.c.person == person, usage.c.hour >= month)).one()
    return dict(zip(NAMES, map(int, row), strict=True))


def _add(connection: Connection, place: Place, use: Use) -> None:
    person, hour, model = place
    more = {name: value for name in Use.__dataclass_fields__ if (value := getattr(use, name))}
    if more:
        upsert.add(connection, usage, {"person": person, "hour": hour, "model": model}, more)
