"""Keys of programs: made, found by what a request brings, listed, revoked."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from sqlalchemy import bindparam, delete, func, insert, or_, select, update

from insight_app.accounts.people import Person, Role
from insight_app.accounts.tokens import Key, Scope, digest, new_key
from insight_app.errors import DatabaseError, TooManyKeys
from insight_app.storage.database import Database
from insight_app.storage.tables import accounts
from insight_app.storage.tables import api_keys as keys

NOTE_SECONDS = 60.0
MOST = 50  # of one account
_KEY = [keys.c[name] for name in Key.__dataclass_fields__]
_FIND = (
    select(*_KEY, accounts.c.email, accounts.c.role)
    .join(accounts, accounts.c.id == keys.c.account_id)
    .where(
        keys.c.digest == bindparam("digest"),
        or_(keys.c.expires_at.is_(None), keys.c.expires_at > bindparam("now")),
        accounts.c.is_disabled.is_(False),
    )
)


class KeyStore:
    """The secret part of a key is in no row."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def make(self, account_id: str, label: str, scopes: Iterable[Scope], expires_at: float | None) -> str:
        """Returns the new key, which nobody can be told again. Raises TooManyKeys."""
        id, key = new_key()
        values = {"account_id": account_id, "label": label, "created_at": time.time(), "expires_at": expires_at}
        said = " ".join(sorted(scope.value for scope in scopes))
        with self._database.writing(f"keys of {account_id}") as connection:
            mine = select(func.count()).select_from(keys).where(keys.c.account_id == account_id)
            if connection.execute(mine).scalar_one() >= MOST:
                raise TooManyKeys(limit=MOST)
            connection.execute(insert(keys).values(id=id, digest=digest(key), scopes=said, **values))
        return key

    def find(self, key_digest: str) -> tuple[Key, Person] | None:
        """The key with that digest and whose it is; None where it is revoked, expired or of a disabled account."""
        now = time.time()
        with self._database.reading() as connection:
            row = connection.execute(_FIND, {"digest": key_digest, "now": now}).first()
        if row is None:
            return None
        key = _key(row)
        if key.used_at is None or not 0 <= now - key.used_at < NOTE_SECONDS:
            # A database that is busy is no reason to refuse anybody.
            with suppress(DatabaseError), self._database.writing() as connection:
                connection.execute(update(keys).where(keys.c.id == key.id).values(used_at=now))
        return key, Person(key.account_id, row.email, Role(row.role))

    def all(self, account_id: str) -> list[Key]:
        """The newest first, expired ones too."""
        query = select(*_KEY).where(keys.c.account_id == account_id).order_by(keys.c.created_at.desc())
        with self._database.reading() as connection:
            return [_key(row) for row in connection.execute(query)]

    def revoke(self, key_id: str, account_id: str) -> None:
        """Ends a key of an account at once; does nothing where there is none such."""
        with self._database.writing() as connection:
            connection.execute(delete(keys).where(keys.c.id == key_id, keys.c.account_id == account_id))


def _key(row: Any) -> Key:
    values = {name: row._mapping[name] for name in Key.__dataclass_fields__}
    return Key(**{**values, "scopes": frozenset(Scope(each) for each in values["scopes"].split())})
