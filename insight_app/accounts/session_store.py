"""Browsers in which people are signed in: begun, looked up with every request, listed, ended."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, delete, insert, select, update

from insight_app.accounts.people import Account, Person, Role
from insight_app.accounts.tokens import digest, new_token
from insight_app.errors import DatabaseError
from insight_app.storage.database import Database
from insight_app.storage.tables import account_sessions as sessions
from insight_app.storage.tables import accounts

IDLE_SECONDS = 30 * 86_400.0
MOST = 100  # of one account
# How often a session's time is written; more often nobody needs to know it.
NOTE_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Session:
    """A browser that somebody is signed in with. `id` is the digest of what its cookie holds."""

    id: str
    created_at: float
    seen_at: float
    agent: str
    address: str


_SESSION = [sessions.c.digest, *(sessions.c[name] for name in ("created_at", "seen_at", "agent", "address"))]
# Composed once: every request looks here.
_FIND = (
    select(accounts.c.id, accounts.c.email, accounts.c.role, sessions.c.seen_at)
    .join(accounts, accounts.c.id == sessions.c.account_id)
    .where(
        sessions.c.digest == bindparam("digest"),
        sessions.c.seen_at > bindparam("since"),
        accounts.c.is_disabled.is_(False),
    )
)


class SessionStore:
    """A session that nobody used for 30 days is over."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, account: Account, agent: str, address: str) -> str:
        """Returns what the cookie is to hold; sessions that are over, or too many, are deleted on the way."""
        token, now = new_token(), time.time()
        values = {"account_id": account.id, "created_at": now, "seen_at": now}
        mine = select(sessions.c.digest).where(sessions.c.account_id == account.id)
        with self._database.writing() as connection:
            connection.execute(delete(sessions).where(sessions.c.seen_at < now - IDLE_SECONDS))
            newest = mine.order_by(sessions.c.seen_at.desc()).limit(MOST - 1)
            others = (sessions.c.account_id == account.id) & sessions.c.digest.not_in(newest)
            connection.execute(delete(sessions).where(others))
            connection.execute(
                insert(sessions).values(digest=digest(token), agent=agent[:100], address=address[:64], **values)
            )
        return token

    def person(self, session_id: str) -> Person | None:
        """Who is signed in with it; None where it is over, or their account is disabled."""
        now = time.time()
        with self._database.reading() as connection:
            row = connection.execute(_FIND, {"digest": session_id, "since": now - IDLE_SECONDS}).first()
        if row is None:
            return None
        if not 0 <= now - row.seen_at < NOTE_SECONDS:
            with suppress(DatabaseError):  # no reason to keep somebody out
                self._note(session_id, now)
        return Person(row.id, row.email, Role(row.role))

    def all(self, account_id: str) -> list[Session]:
        """Those of an account that hold, the one that was used last first."""
        holds = (sessions.c.account_id == account_id) & (sessions.c.seen_at > time.time() - IDLE_SECONDS)
        with self._database.reading() as connection:
            rows = connection.execute(select(*_SESSION).where(holds).order_by(sessions.c.seen_at.desc()))
            return [Session(*row) for row in rows]

    def end(self, session_id: str, account_id: str) -> None:
        """Ends one of an account; does nothing where there is none such."""
        self._delete(sessions.c.digest == session_id, sessions.c.account_id == account_id)

    def end_all(self, account_id: str, *, but: str = "") -> None:
        """Ends all of an account, but perhaps one."""
        self._delete(sessions.c.account_id == account_id, sessions.c.digest != but)

    def _delete(self, *which: Any) -> None:
        with self._database.writing() as connection:
            connection.execute(delete(sessions).where(*which))

    def _note(self, session_id: str, now: float) -> None:
        with self._database.writing() as connection:
            connection.execute(update(sessions).where(sessions.c.digest == session_id).values(seen_at=now))
