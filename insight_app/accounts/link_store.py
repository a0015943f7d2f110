"""Links that open something once: an account for who was invited, a new password for who forgot theirs."""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import Enum
from typing import Any

from sqlalchemy import Row, delete, insert, select

from insight_app.accounts.people import Account, Role
from insight_app.accounts.tokens import digest, new_token
from insight_app.errors import LinkOver
from insight_app.storage.database import Database
from insight_app.storage.tables import account_links as links

DAY_SECONDS = 86_400.0


class Purpose(str, Enum):
    INVITATION = "invitation"
    PASSWORD = "password"


LASTS_SECONDS = {Purpose.INVITATION: 7 * DAY_SECONDS, Purpose.PASSWORD: DAY_SECONDS}


@dataclass(frozen=True, slots=True)
class Link:
    """`id` is the digest of the link's secret; `email` is "" where anybody may use an invitation."""

    id: str
    account_id: str | None
    email: str
    role: Role
    created_at: float
    expires_at: float


_LINK = [links.c.digest, *(links.c[name] for name in list(Link.__dataclass_fields__)[1:])]


class LinkStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    def invite(self, email: str, role: Role) -> str:
        """Returns the secret of a new invitation, to be told to who is invited."""
        return self._add(Purpose.INVITATION, None, email, role)

    def renew_password(self, account: Account) -> str:
        """Returns the secret of a link to a new password; older ones for the account hold no longer."""
        return self._add(Purpose.PASSWORD, account.id, account.email, account.role)

    def find(self, purpose: Purpose, secret: str) -> Link:
        """Raises LinkOver where there is none (any more)."""
        mine = (links.c.digest == digest(secret)) & (links.c.kind == purpose.value) & (links.c.expires_at > time.time())
        with self._database.reading() as connection:
            row = connection.execute(select(*_LINK).where(mine)).first()
        if row is None:
            raise LinkOver
        return _link(row)

    def use(self, link: Link) -> None:
        """From now on it is over. Raises LinkOver where somebody was faster."""
        if not self._delete(link.id):
            raise LinkOver

    def invitations(self) -> list[Link]:
        """Those that hold, the newest first."""
        holds = (links.c.kind == Purpose.INVITATION.value) & (links.c.expires_at > time.time())
        with self._database.reading() as connection:
            rows = connection.execute(select(*_LINK).where(holds).order_by(links.c.created_at.desc()))
            return [_link(row) for row in rows]

    def withdraw(self, link_id: str) -> None:
        self._delete(link_id)

    def _add(self, purpose: Purpose, account_id: str | None, email: str, role: Role) -> str:
        secret, now = new_token(), time.time()
        values = {"kind": purpose.value, "account_id": account_id, "email": email, "role": role.value}
        times = {"created_at": now, "expires_at": now + LASTS_SECONDS[purpose]}
        with self._database.writing() as connection:
            connection.execute(delete(links).where(links.c.expires_at < now))
            if account_id is not None:
                connection.execute(delete(links).where(links.c.account_id == account_id))
            connection.execute(insert(links).values(digest=digest(secret), **values, **times))
        return secret

    def _delete(self, link_id: str) -> bool:
        with self._database.writing() as connection:
            return bool(connection.execute(delete(links).where(links.c.digest == link_id)).rowcount)


def _link(row: Row[Any]) -> Link:
    return Link(row.digest, row.account_id, row.email, Role(row.role), row.created_at, row.expires_at)
