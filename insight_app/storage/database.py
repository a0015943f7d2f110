"""One database: opened, brought up to date, and written to by one at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import SQLAlchemyError

from insight_app.errors import ConfigError

MIGRATIONS = Path(__file__).parent / "migrations"
NEWEST = "0002"  # the last migration's name: saves importing Alembic where nothing is to be done


class Database:
    """Short transactions on one database. Raises ConfigError where it cannot be opened or brought up to date."""

    def __init__(self, url: str | URL) -> None:
        try:
            self.url = make_url(url)
            # Parameters are people's words: they must not get into an error's text, and so into a log.
            self.engine: Engine = create_engine(self.url, hide_parameters=True)
        except (SQLAlchemyError, ImportError) as error:
            raise ConfigError(
                f"DATABASE_URL names no database that can be used ({type(error).__name__}).",
                "Leave it empty, or write it like sqlite:////path/to/file.db.",
            ) from None
        # SQLite has one writer; waiting for it inside SQLite would stop every greenlet, waiting here stops one.
        self._writing = threading.Lock()
        if self.url.get_backend_name() == "sqlite":
            event.listen(self.engine, "connect", _prepare_sqlite)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        with self.engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that is kept when the block ends and undone when it raises."""
        with self._writing, self.engine.begin() as connection:
            yield connection

    def forget(self) -> None:
        """Takes what was deleted out of the files too; SQLite's log would keep it until it is overwritten."""
        if self.url.get_backend_name() == "sqlite":
            with self._writing, self.engine.connect() as connection:
                connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))

    def bring_up_to_date(self) -> None:
        try:
            if self._version() != NEWEST:
                self._migrate()
        except SQLAlchemyError as error:
            raise ConfigError(
                f"The database {self.url.render_as_string()} cannot be used ({type(error).__name__}).",
                "Check that its folder exists, has free space and may be written to.",
            ) from error

    def answers(self) -> bool:
        """Whether the database can be read now."""
        try:
            with self.reading() as connection:
                connection.execute(text("SELECT 1"))
        except SQLAlchemyError:
            return False
        return True

    def close(self) -> None:
        self.engine.dispose()

    def _version(self) -> str | None:
        with self.reading() as connection:
            if not inspect(connection).has_table("alembic_version"):
                return None
            return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()

    def _migrate(self) -> None:
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        with self.writing() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")


def sqlite_url(path: Path) -> str:
    """The address of an SQLite file; its folder is made, readable by its owner alone."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"The folder {path.parent} cannot be made ({error.strerror}).", "Set DATA_DIR to one that can."
        ) from error
    return f"sqlite:///{path}"


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    for pragma in (
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "busy_timeout=5000",
        "foreign_keys=ON",
        "secure_delete=ON",
    ):
        connection.execute(f"PRAGMA {pragma}")
