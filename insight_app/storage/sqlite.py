"""SQLite: a file, with one writer at a time, and a log that keeps what was deleted until it is emptied."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Integer, Select, StaticPool, and_, create_engine, event, text
from sqlalchemy import column as column_named
from sqlalchemy import table as table_named
from sqlalchemy.engine import URL
from sqlalchemy.exc import DatabaseError as Refusal

from insight_app.errors import DatabaseBusy, DatabaseError, DatabaseFull
from insight_app.storage.product import LOOK_AGAIN_SECONDS, TRACES, Phrase, WordIndex
from insight_app.storage.tables import attachments, messages

# What every new connection is told.
PRAGMAS = (
    "synchronous=NORMAL",  # the disk is awaited by `write_through`, for many commits at once
    "foreign_keys=ON",
    "secure_delete=ON",
    "temp_store=MEMORY",  # what is sorted holds people's words, and SQLite's own place for it is /var/tmp
)
READING_PATIENCE_SECONDS = 0.25  # inside SQLite, where nothing else goes on meanwhile; readers hardly ever wait
# What it says when its file is gone, damaged or protected.
UNUSABLE = ("unable to open", "disk I/O error", "readonly database", "is malformed", "not a database")
_EMPTY_LOG = text("PRAGMA wal_checkpoint(TRUNCATE)")
_SIZE = text(
    "SELECT (page_count - freelist_count) * page_size FROM pragma_page_count, pragma_freelist_count, pragma_page_size"
)

_INDICES = text("SELECT name FROM sqlite_master WHERE name IN ('message_words', 'file_words')")
LARGEST_AT_ONCE = 500  # pages of an index, of 4 KB: a few milliseconds
FILES = 1000  # more than go with a message


def _index(name: str, is_of: Callable[[ColumnElement[Any]], ColumnElement[bool]]) -> WordIndex:
    table = table_named(name, column_named("rowid", Integer))

    def having(query: Select[Any], phrases: Sequence[Phrase]) -> tuple[Select[Any], ColumnElement[Any]]:
        """In quotes FTS5 takes words for what they are, and cuts them as it did those of its index."""
        each = ('"{}"{}'.format(phrase.replace('"', '""'), " *" if is_begun else "") for phrase, is_begun in phrases)
        matches = column_named(name).op("MATCH")(" AND ".join(each))
        return query.join(table, is_of(table.c.rowid)).where(matches), table.c.rowid

    return having


def _forget_words(connection: Connection, index: str) -> None:
    """What is deleted stays in FTS5's index, with a note that it is deleted, until its pieces are made one."""
    connection.execute(text(f"INSERT INTO {index} ({index}) VALUES ('optimize')"))


def _pieces(connection: Connection, index: str, most: int) -> int:
    return int(connection.execute(text(f"SELECT count(*) FROM (SELECT 1 FROM {index}_data LIMIT {most})")).scalar_one())


class SQLite:
    """As Product has it."""

    words = staticmethod(_index("message_words", lambda row: row == messages.c.id))
    # Taken apart, so that a hit leads to its file by an index: put together it would be looked for among all.
    file_words = staticmethod(
        _index(
            "file_words",
            lambda row: and_(attachments.c.message_id == row // FILES, attachments.c.place == row % FILES),
        )
    )
    keeps_log = True
    hint = "Check that its folder exists, has free space and may be written to."

    def __init__(self, url: URL, outside: Callable[[Callable[[], object]], object]) -> None:
        """`outside` awaits the disk, where a thread of gevent's would stop all others meanwhile."""
        self._outside = outside
        self.reader = _engine(url, READING_PATIENCE_SECONDS)
        self.writer = self.caretaker = _engine(url, 0)
        self.place = str(url.database)
        # Waiting for the other writer inside SQLite would stop every greenlet, waiting here stops one.
        self._writing = threading.Lock()

    def close(self) -> None:
        self.reader.dispose()
        self.writer.dispose()

    def write_through(self) -> None:
        # SQLite itself syncs its log before it takes anything out of it, so that what is not in it is on the disk.
        with suppress(FileNotFoundError):
            log = os.open(f"{self.place}-wal", os.O_RDWR)
            try:
                self._outside(lambda: getattr(os, "fdatasync", os.fsync)(log))
            finally:
                os.close(log)

    def take_turn(self, until: float) -> None:
        if not self._writing.acquire(timeout=max(until - time.monotonic(), 0.0)):
            raise DatabaseBusy

    def end_turn(self) -> None:
        self._writing.release()

    @contextmanager
    def transaction(self, alone: str, until: float, *, at_leisure: bool) -> Iterator[Connection]:
        with self.writer.connect() as connection:
            try:
                with connection.begin():
                    if at_leisure:
                        # A migration may make a table anew: dropping the old one would delete what points to it.
                        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
                    self._patiently(lambda: connection.exec_driver_sql("BEGIN IMMEDIATE"), until)
                    yield connection
            finally:
                if at_leisure:
                    connection.invalidate()  # the next one follows them again

    def snapshot(self) -> Connection:
        connection = self.reader.connect()
        connection.exec_driver_sql("BEGIN")
        connection.exec_driver_sql("SELECT count(*) FROM sqlite_master")  # the first look decides what is seen
        return connection

    def prepare(self, connection: Connection) -> None: ...

    def deletions(self, connection: Connection) -> int:
        """Kept in the number that SQLite has in its file for whatever a program likes."""
        return int(connection.execute(text("PRAGMA user_version")).scalar() or 0)

    def note_deletion(self, connection: Connection) -> None:
        self._note(connection, (self.deletions(connection) | TRACES) + 2)

    def note_rewritten(self, connection: Connection, deletions: int) -> None:
        self._note(connection, deletions & ~TRACES)

    def rewritten(self, connection: Connection) -> bool:
        """It overwrites what it deletes, but not the copies that it left where it moved rows from page to page."""
        try:
            for index in connection.execute(_INDICES).scalars().all():
                _forget_words(connection, index)
            connection.commit()
            connection.execute(text("VACUUM"))
        except Refusal as error:
            if isinstance(self.meaning(error), DatabaseBusy):
                return False
            raise
        return True

    def forget_words(self, connection: Connection) -> None:
        for index in connection.execute(_INDICES).scalars().all():
            if _pieces(connection, index, LARGEST_AT_ONCE + 1) <= LARGEST_AT_ONCE:
                _forget_words(connection, index)

    def empty_log(self, connection: Connection) -> bool:
        return not connection.execute(_EMPTY_LOG).scalar()  # 1: somebody is reading, and what they read must stay

    def size(self, connection: Connection) -> int:
        """Without what is free."""
        return int(connection.execute(_SIZE).scalar_one())

    def keep_out_writers(self, connection: Connection, tables: Sequence[str]) -> None: ...

    def count_from(self, connection: Connection, table: str, last: int) -> None:
        last = max(last, self.counted_to(connection, table))
        connection.execute(text("DELETE FROM sqlite_sequence WHERE name = :name"), {"name": table})
        connection.execute(text("INSERT INTO sqlite_sequence VALUES (:name, :last)"), {"name": table, "last": last})

    def counted_to(self, connection: Connection, table: str) -> int:
        found = connection.execute(text("SELECT max(seq) FROM sqlite_sequence WHERE name = :name"), {"name": table})
        return int(found.scalar() or 0)

    def take_ids(self, connection: Connection, table: str, count: int) -> Sequence[int]:
        first = self.counted_to(connection, table) + 1  # who writes is alone
        return range(first, first + count)

    def meaning(self, error: Refusal) -> DatabaseError | None:
        said = str(error.orig)  # Python 3.10 knows no codes of SQLite's
        if "is locked" in said:
            return DatabaseBusy()
        if "is full" in said:
            return DatabaseFull()
        return DatabaseError() if any(words in said for words in UNUSABLE) else None

    def _note(self, connection: Connection, deletions: int) -> None:
        connection.execute(text(f"PRAGMA user_version = {deletions % 2**31}"))

    def _patiently(self, begin: Callable[[], object], until: float) -> None:
        """Begins what another program may be in the way of."""
        while True:
            try:
                begin()
                return
            except Refusal as error:
                if not isinstance(self.meaning(error), DatabaseBusy) or time.monotonic() >= until:
                    raise
            time.sleep(LOOK_AGAIN_SECONDS)


class SQLiteInMemory(SQLite):
    """In the memory of this process: one connection for all."""

    def __init__(self, url: URL) -> None:
        super().__init__(url, lambda work: work())  # there is no disk, and nobody else may use the connection meanwhile
        shared = {"check_same_thread": False}
        only = create_engine(url, hide_parameters=True, connect_args=shared, poolclass=StaticPool)
        event.listen(only, "connect", _prepare)
        self.reader = self.writer = self.caretaker = only


def _engine(url: URL, patience_seconds: float) -> Engine:
    # Parameters are people's words: they must not get into an error's text, and so into a log.
    engine = create_engine(url, hide_parameters=True, connect_args={"timeout": patience_seconds})
    event.listen(engine, "connect", _prepare)
    return engine


def _prepare(connection: Any, _record: Any) -> None:
    with suppress(sqlite3.OperationalError):  # locked: another process is just doing it, for the file and so for all
        connection.execute("PRAGMA journal_mode=WAL")
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")
