"""What a database says of itself, and whether it keeps something now."""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlalchemy import text

from insight_app.storage.database import NEWEST, Database, version_of


@dataclass(frozen=True)
class Facts:
    """`ahead_seconds`: how far its clock is ahead of ours, None where it has none of its own."""

    version: str
    migration: str | None
    size: int
    ahead_seconds: float | None

    @property
    def is_up_to_date(self) -> bool:
        return self.migration == NEWEST


def look(database: Database) -> Facts:
    """Reads, and writes what is there already. Raises DatabaseError where either is not possible."""
    is_sqlite = database.url.get_backend_name() == "sqlite"
    with database.reading() as connection:
        found = version_of(connection)
        number = connection.execute(text("SELECT sqlite_version()" if is_sqlite else "SHOW server_version")).scalar()
        ahead = None
        if not is_sqlite:
            now = connection.execute(text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one()
            ahead = float(now) - time.time()
    if found is not None:
        with database.writing() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = version_num"))
    name = "SQLite" if is_sqlite else "PostgreSQL"
    return Facts(f"{name} {str(number).split(' ')[0]}", found, database.size(), ahead)
