"""What becomes of prompts, answers and pages when the database does not do its part, as values with their rows."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from insight_app.errors import explain
from insight_app.storage.database import Database

TEST = "`test_faults_of_databases.py`"


@dataclass(frozen=True)
class DatabaseFault:
    """A database that takes nothing while `broken` lasts: at a prompt, and at an answer that is being written."""

    name: str
    problem: str
    broken: Callable[[Database], AbstractContextManager[object]]
    late = ("checkpoint failed", "answer not kept yet")  # what the log says while an answer waits to be kept
    state = "done"  # of such an answer, when it is kept

    @property
    def metric(self) -> str:
        return f'insight_database_faults_total{{problem="{self.problem}"}}'

    @property
    def waiting(self) -> str:
        """What is told while an answer has ended and waits to be kept."""
        return f"{explain(self.problem).cause} {explain(self.problem).promise}"

    @property
    def _counted(self) -> str:
        return f"`database`, `insight_database_faults_total`: problem `{self.problem}`"

    def page_row(self) -> tuple[str, ...]:
        error = explain(self.problem)
        logged = f"{self._counted}; `request`: status {error.status}"
        return (f"{self.name} when a page is opened", f"“{error}”", "what was there", logged, TEST)

    def rows(self) -> tuple[tuple[str, ...], ...]:
        error = explain(self.problem)
        return (
            (
                f"{self.name} when a prompt is sent",
                f"“{error}” What was typed stays where it was.",
                "nothing, and not half a conversation",
                f"{self._counted}; `request`: status {error.status}",
                TEST,
            ),
            (
                f"{self.name} while an answer is written",
                f"The answer goes on. At its end: “{self.waiting}”. It is shown as finished when it is kept.",
                f"as soon as that can be: state `{self.state}`; all of it",
                f"{self._counted}; `{'`, `'.join(self.late)}`; then as for every answer: state `{self.state}`",
                TEST,
            ),
        )


@contextmanager
def locked(database: Database) -> Iterator[None]:
    """Another program holds the database."""
    with closing(sqlite3.connect(str(database.url.database), isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def full(database: Database) -> Iterator[None]:
    """SQLite finds no room for another page."""
    with database.writing() as connection:
        (pages,) = connection.exec_driver_sql("PRAGMA page_count").one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    yield
    with database.writing() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1000000")


@contextmanager
def gone(database: Database) -> Iterator[None]:
    """The disk with the database is not there."""
    file = Path(str(database.url.database))
    database.close()
    kept = file.rename(file.with_suffix(".kept"))
    file.mkdir()
    yield
    database.close()
    file.rmdir()
    kept.rename(file)


GONE = DatabaseFault("database gone", "database", gone)
DATABASE_FAULTS = (
    DatabaseFault("database locked", "database_busy", locked),
    DatabaseFault("disk full", "database_full", full),
)
