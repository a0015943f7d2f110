"""One database: opened, brought up to date, written to by one at a time, waited for where another program has it."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Select, create_engine, event, inspect, text, tuple_
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DatabaseError as Refusal
from sqlalchemy.exc import SQLAlchemyError

from insight_app.errors import ConfigError, DatabaseBusy, DatabaseError, DatabaseFull

MIGRATIONS = Path(__file__).parent / "migrations"
NEWEST = "0005"  # the last migration's name: saves importing Alembic where nothing is to be done
PATIENCE_SECONDS = 5.0  # for another program that has the database
LOOK_AGAIN_SECONDS = 0.02
READING_PATIENCE_SECONDS = 0.25  # inside SQLite, where nothing else goes on meanwhile; readers hardly ever wait


_EMPTY_LOG = text("PRAGMA wal_checkpoint(TRUNCATE)")
_SIZE = text(
    "SELECT (page_count - freelist_count) * page_size FROM pragma_page_count, pragma_freelist_count, pragma_page_size"
)
TRACES = 1
READ_AT_ONCE = 100  # rows
# What SQLite says when its file is gone, damaged or protected.
UNUSABLE = ("unable to open", "disk I/O error", "readonly database", "is malformed", "not a database")


class Database:
    """Short transactions on one database. Raises ConfigError where it cannot be opened or brought up to date.

    Every transaction raises a DatabaseError where that is what is wrong; `report` is told its code. `took` is told of
    each how long it took in seconds, and whether it is of the kind "read" or "write".
    """

    def __init__(
        self,
        url: str | URL,
        report: Callable[[str], None] = lambda problem: None,
        took: Callable[[str, float], None] = lambda kind, seconds: None,
    ) -> None:
        self._report, self._took = report, took
        try:
            self.url = make_url(url)
            self._is_sqlite = self.url.get_backend_name() == "sqlite"
            self.engine = self._connected(READING_PATIENCE_SECONDS)
            self._writer = self._connected(0)
        except (SQLAlchemyError, ImportError) as error:
            raise ConfigError(
                f"DATABASE_URL names no database that can be used ({type(error).__name__}).",
                "Leave it empty, or write it like sqlite:////path/to/file.db.",
            ) from None
        # SQLite has one writer; waiting for it inside SQLite would stop every greenlet, waiting here stops one.
        self._writing = threading.Lock()
        self.has_log = True  # whether SQLite's log may hold what was deleted

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        with self._timed("read"), self._translated(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that is kept when the block ends and undone when it raises."""
        with self._timed("write"), self._turn() as until, self._writer.begin() as connection:
            if self._is_sqlite:
                _patiently(lambda: connection.exec_driver_sql("BEGIN IMMEDIATE"), until)
            yield connection

    def rows(self, query: Select[Any], order: Sequence[ColumnElement[Any]]) -> Iterator[dict[str, Any]]:
        """Every row of a query, in an order that tells each from all others.

        Read in parts, each in a transaction of its own, so that nobody waits and no memory is filled.
        """
        query = query.order_by(*order).limit(READ_AT_ONCE)
        part = query
        while True:
            with self.reading() as connection:
                rows = connection.execute(part).all()
            yield from (dict(row._mapping) for row in rows)
            if len(rows) < READ_AT_ONCE:
                return
            part = query.where(tuple_(*order) > tuple_(*(rows[-1]._mapping[column] for column in order)))

    def forget(self) -> None:
        """Takes what was deleted out of the files too, and has all processes know that something was.

        SQLite's log would keep it until it is overwritten.
        """
        if self._is_sqlite:
            self.empty_log(PATIENCE_SECONDS)  # first: on a full disk that makes the room to write anything at all
            with self.writing() as connection:
                _note(connection, (_forgotten(connection) | TRACES) + 2)

    def forgotten(self) -> int:
        """Another number after each `forget`, of whichever process; with the bit TRACES until the next `rewrite`."""
        if not self._is_sqlite:
            return 0
        with self.reading() as connection:
            return _forgotten(connection)

    def rewrite(self, patience_seconds: float = 0.0) -> None:
        """Writes the whole file anew, without traces, unless another program is in the way for so long.

        SQLite overwrites what it deletes, but not the copies that it left where it moved rows from page to page. Nobody
        can write meanwhile, and nothing else goes on in this process: about a second for 70 MB.
        """
        if not self._is_sqlite:
            return
        until = time.monotonic() + patience_seconds
        with self._turn(), self._writer.connect() as connection:
            before = _forgotten(connection)
            while not _vacuumed(connection):
                if time.monotonic() >= until:
                    return
                time.sleep(LOOK_AGAIN_SECONDS)
        with self.writing() as connection:
            if _forgotten(connection) == before:
                _note(connection, before & ~TRACES)
        self.empty_log(patience_seconds)

    def size(self) -> int:
        """Of what there is, in bytes and without what is free; 0 where nobody knows."""
        with self.reading() as connection:
            return int(connection.execute(_SIZE).scalar_one()) if self._is_sqlite else 0

    def empty_log(self, patience_seconds: float = 0.0) -> None:
        """Moves all that SQLite's log has to the file; `has_log` stays true where somebody reads for too long."""
        if not self._is_sqlite:
            self.has_log = False
            return
        until = time.monotonic() + patience_seconds
        with self._turn(), self._writer.connect() as connection:
            # 1: somebody is reading, and what they read must stay.
            while (is_busy := connection.execute(_EMPTY_LOG).scalar()) and time.monotonic() < until:
                time.sleep(LOOK_AGAIN_SECONDS)
            self.has_log = bool(is_busy)

    def bring_up_to_date(self) -> None:
        try:
            with self.reading() as connection:
                version = _version(connection)
            if version != NEWEST:
                self._migrate()
        except (DatabaseBusy, DatabaseFull) as problem:
            raise ConfigError(problem.cause, problem.next_step) from problem
        except (SQLAlchemyError, DatabaseError) as error:
            raise ConfigError(
                f"The database {self.url.render_as_string()} cannot be used ({type(error).__name__}).",
                "Check that its folder exists, has free space and may be written to.",
            ) from error

    def answers(self) -> bool:
        """Whether the database can be read now."""
        try:
            with self.reading() as connection:
                connection.execute(text("SELECT 1"))
        except (SQLAlchemyError, DatabaseError):
            return False
        return True

    def close(self) -> None:
        self.engine.dispose()
        self._writer.dispose()

    def _connected(self, patience_seconds: float) -> Engine:
        # Parameters are people's words: they must not get into an error's text, and so into a log.
        patience = {"timeout": patience_seconds} if self._is_sqlite else {}
        engine = create_engine(self.url, hide_parameters=True, connect_args=patience)
        if self._is_sqlite:
            event.listen(engine, "connect", prepare_sqlite)
        return engine

    @contextmanager
    def _turn(self) -> Iterator[float]:
        """Holds the right to write for the block; gives the (monotonic) time until which another program is awaited."""
        until = time.monotonic() + PATIENCE_SECONDS
        with self._translated():
            if not self._writing.acquire(timeout=PATIENCE_SECONDS):
                self._report(DatabaseBusy.code)
                raise DatabaseBusy
            try:
                yield until
            finally:
                self._writing.release()

    @contextmanager
    def _timed(self, kind: str) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            self._took(kind, time.monotonic() - began)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except Refusal as error:
            if (problem := _meaning(error)) is None:
                raise
            self._report(problem.code)
            raise problem from error

    def _migrate(self) -> None:
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        with self.writing() as connection:
            if _version(connection) != NEWEST:  # another process may have started at the same time
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


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _forgotten(connection: Connection) -> int:
    """Kept in the number that SQLite has in its file for whatever a program likes."""
    return int(connection.execute(text("PRAGMA user_version")).scalar() or 0)


def _note(connection: Connection, forgotten: int) -> None:
    connection.execute(text(f"PRAGMA user_version = {forgotten % 2**31}"))


def _vacuumed(connection: Connection) -> bool:
    """False where another program writes."""
    try:
        connection.execute(text("VACUUM"))
    except Refusal as error:
        if isinstance(_meaning(error), DatabaseBusy):
            return False
        raise
    return True


def prepare_sqlite(connection: Any, _record: Any) -> None:
    """What every new connection is told."""
    with suppress(sqlite3.OperationalError):  # locked: another process is just doing it, for the file and so for all
        connection.execute("PRAGMA journal_mode=WAL")
    for pragma in (
        "synchronous=FULL",  # or what was said to be kept is lost where the machine loses its power
        "foreign_keys=ON",
        "secure_delete=ON",
        "temp_store=MEMORY",  # what is sorted holds people's words, and SQLite's own place for it is /var/tmp
    ):
        connection.execute(f"PRAGMA {pragma}")


def _patiently(begin: Callable[[], object], until: float) -> None:
    """Begins what another program may be in the way of."""
    while True:
        try:
            begin()
            return
        except Refusal as error:
            if not isinstance(_meaning(error), DatabaseBusy) or time.monotonic() >= until:
                raise
        time.sleep(LOOK_AGAIN_SECONDS)


def _meaning(error: Refusal) -> DatabaseError | None:
    """What a person can do something about; None where it is a fault of ours."""
    said = str(error.orig)  # Python 3.10 knows no codes of SQLite's
    if "is locked" in said:
        return DatabaseBusy()
    if "is full" in said:
        return DatabaseFull()
    return DatabaseError() if any(words in said for words in UNUSABLE) else None
