"""The accounts in the database. Raises NotThere for an account that is not there."""

from __future__ import annotations

import secrets
import time
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, func, insert, select, update

from insight_app.accounts.people import Account, Role
from insight_app.errors import EmailTaken, LastAdmin, NotThere
from insight_app.storage.database import Database
from insight_app.storage.tables import (
    account_links,
    account_sessions,
    accounts,
    attachments,
    conversations,
    messages,
    preferences,
    presets,
    saved_prompts,
    usage,
)

_COLUMNS = [accounts.c[name] for name in Account.__dataclass_fields__]
# Two admins must not take the last other one's place from each other at the same moment.
ADMINS = "admins"
_IS_ADMIN = (accounts.c.role == Role.ADMIN.value) & accounts.c.is_disabled.is_(False)


class AccountStore:
    """Everything about accounts but what lets somebody in."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._some_are_there = False

    def any(self) -> bool:
        """Whether there is an account at all."""
        if not self._some_are_there:
            with self._database.reading() as connection:
                self._some_are_there = connection.execute(select(accounts.c.id).limit(1)).first() is not None
        return self._some_are_there

    def all(self) -> list[Account]:
        """By their addresses."""
        with self._database.reading() as connection:
            return [_account(row) for row in connection.execute(select(*_COLUMNS).order_by(accounts.c.email))]

    def one(self, account_id: str) -> Account:
        found = self._find(accounts.c.id == account_id)
        if found is None:
            raise NotThere
        return found

    def of_email(self, email: str) -> Account | None:
        return self._find(accounts.c.email == email)

    def of_subject(self, subject: str) -> Account | None:
        return self._find(accounts.c.subject == subject)

    def create(
        self, email: str, role: Role, *, password: str = "", subject: str | None = None, only_first: bool = False
    ) -> Account:
        """A new account; the first admin of all takes over what was written while nobody signed in.

        `password` is a hash. Raises EmailTaken; NotThere where it is to be the `only_first` and is not.
        """
        new = Account(secrets.token_hex(8), email, role, password, subject, created_at=time.time())
        # Looked for, alone, instead of tried: Postgres writes an address that is there already into its log.
        taken = accounts.c.email == email
        if subject is not None:
            taken = taken | (accounts.c.subject == subject)
        with self._database.writing(ADMINS) as connection:
            is_first = connection.execute(select(accounts.c.id).limit(1)).first() is None
            if only_first and not is_first:
                raise NotThere
            if connection.execute(select(accounts.c.id).where(taken)).first() is not None:
                raise EmailTaken
            values = {name: getattr(new, name) for name in Account.__dataclass_fields__}
            if role is Role.ADMIN:
                _take_over(connection, new.id)
            connection.execute(insert(accounts).values({**values, "role": role.value}))
        return new

    def change(self, account_id: str, *, role: Role | None = None, **values: Any) -> None:
        """Sets columns of an account. Raises LastAdmin where nobody would be left who can let others in."""
        if role is not None:
            values["role"] = role.value
        with self._database.writing(ADMINS) as connection:
            if role is Role.ADMIN:
                _take_over(connection, account_id)
            if role is Role.MEMBER or values.get("is_disabled"):
                _close_links_of_admin(connection, account_id)
            if "password" in values:
                connection.execute(delete(account_links).where(account_links.c.account_id == account_id))
            if not connection.execute(update(accounts).where(accounts.c.id == account_id).values(values)).rowcount:
                raise NotThere
            if {"role", "is_disabled"} & set(values):
                _expect_admin(connection)

    def delete(self, account_id: str) -> None:
        """With its sessions, links and keys; what it used stays in the sums. Raises LastAdmin."""
        with self._database.writing(ADMINS) as connection:
            _close_links_of_admin(connection, account_id)
            if not connection.execute(delete(accounts).where(accounts.c.id == account_id)).rowcount:
                raise NotThere
            _expect_admin(connection)
        self._database.forget()

    def last_seen(self) -> dict[str, float]:
        """When each account that is signed in somewhere was last seen."""
        newest = select(account_sessions.c.account_id, func.max(account_sessions.c.seen_at)).group_by(
            account_sessions.c.account_id
        )
        with self._database.reading() as connection:
            return {row[0]: row[1] for row in connection.execute(newest)}

    def _find(self, which: ColumnElement[bool]) -> Account | None:
        with self._database.reading() as connection:
            row = connection.execute(select(*_COLUMNS).where(which)).first()
        return None if row is None else _account(row)


def _take_over(connection: Connection, account_id: str) -> None:
    """What the one person of a server without accounts wrote and used is the first admin's.

    Never another's: where a proxy or a provider vouches for people, anybody may come first.
    """
    if _has_admin(connection):
        return
    owned = [(table, "owner") for table in (conversations, messages, attachments, presets, saved_prompts)]
    for table, column in (*owned, (preferences, "person"), (usage, "person")):
        connection.execute(update(table).where(table.c[column] == "").values({column: account_id}))


def _close_links_of_admin(connection: Connection, account_id: str) -> None:
    """Who is no admin any more may have made links for themselves; nobody notes who made which."""
    if connection.execute(select(accounts.c.id).where(accounts.c.id == account_id, _IS_ADMIN)).first() is not None:
        connection.execute(delete(account_links))


def _expect_admin(connection: Connection) -> None:
    if not _has_admin(connection):
        raise LastAdmin


def _has_admin(connection: Connection) -> bool:
    return connection.execute(select(accounts.c.id).where(_IS_ADMIN).limit(1)).first() is not None


def _account(row: Row[Any]) -> Account:
    values = dict(row._mapping)
    return Account(**{**values, "role": Role(values["role"])})
