"""Postgres: a server, with many writers at a time, who take turns only where they name what they write alone."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Select, create_engine, event, func, select, text, true
from sqlalchemy import column as column_named
from sqlalchemy import table as table_named
from sqlalchemy.engine import URL
from sqlalchemy.exc import DatabaseError as Refusal
from sqlalchemy.exc import InvalidatePoolError

from insight_app.errors import ConfigError, DatabaseAway, DatabaseBusy, DatabaseError, DatabaseFull
from insight_app.storage.product import TRACES, Phrase, WordIndex
from insight_app.storage.tables import attachments, messages, metadata

# Of each server process. A statement takes about a millisecond, so these carry more than a core can ask for; and ten
# processes still fit into the 100 connections that Postgres allows unless it is told otherwise.
CONNECTIONS = 8
# Seconds. Nothing that a page needs takes as long as a statement may: it would be a fault that must not add up.
CONNECTING, STATEMENT = 5, 30
IDLE_IN_TRANSACTION = 60  # a process that hangs must not keep others from what it locked
# A cut network says nothing: a connection without a sign of life for 25 s is given up, one that owes an answer, too.
ALIVE = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 25_000}
# For how long a connection that nobody used is thought to be there, unless its server said otherwise.
TRUSTED_SECONDS = 1.0
LEFT = "insight left"  # since when nobody uses it

BUSY = {"55P03", "57014", "40P01", "40001", "53300", "25P03"}  # locked, too slow, deadlock, too many connections
FULL = {"53100"}
AWAY = ("08", "57P")  # connections that failed, a server that stops or starts
UNUSABLE = ("28", "3D", "42501", "25006", "53", "58", "F0", "XX")  # not let in, not there, read only, broken
# Sequences are counted outside of transactions, and cost nobody a lock.
_PREPARE = (
    "CREATE SEQUENCE IF NOT EXISTS insight_deletions",
    "CREATE SEQUENCE IF NOT EXISTS insight_rewritten",
    "SELECT nextval('insight_deletions'), nextval('insight_rewritten')",
)
_DELETIONS = text("SELECT d.last_value, r.last_value FROM insight_deletions AS d, insight_rewritten AS r")
_NAMES = sorted([*metadata.tables, "message_words", "file_words"])
_REWRITE = f"VACUUM (FULL, ANALYZE) {', '.join(_NAMES)}"
_SIZE = text(
    "SELECT coalesce(sum(pg_total_relation_size(name::regclass)), 0) FROM unnest(CAST(:names AS text[])) AS name"
)


def _index(name: str, key: str, of: ColumnElement[Any], message: str) -> WordIndex:
    words = table_named(name, column_named(key), column_named("words"))

    def having(query: Select[Any], phrases: Sequence[Phrase]) -> tuple[Select[Any], ColumnElement[Any]]:
        """Migration 0007 made what cuts phrases as it did the words of the index.

        They are found first, as the offset has it, and then each is looked up, as the limit has it. Postgres does not
        know how many have a word, or how many there are before it counted them, and would look for all again and again.
        """
        cut = (func.insight_phrase(phrase, is_begun) for phrase, is_begun in phrases)
        those = select(words.c[key]).where(*(words.c.words.op("@@")(each) for each in cut))
        found = those.order_by(words.c[key].desc()).offset(0).subquery("found")
        each = query.where(of == found.c[key]).limit(1).lateral("each")
        return select(each).select_from(found.join(each, true())), (found.c if message == key else each.c)[message]

    return having


class Postgres:
    """As Product has it. Raises ImportError where its library is missing."""

    words = staticmethod(_index("message_words", "message_id", messages.c.id, "message_id"))
    file_words = staticmethod(_index("file_words", "attachment_id", attachments.c.id, "message_id"))
    keeps_log = False  # its log is the whole server's, and the server's own business
    hint = "Check that Postgres runs there, and that DATABASE_URL has the right name and password for it."

    def __init__(self, url: URL, patience_seconds: float, leisure_seconds: float) -> None:
        self._patience, self._leisure = patience_seconds, leisure_seconds
        self.place = f"{url.database or url.username} at {url.query.get('host') or url.host or 'this machine'}"
        self.writer = create_engine(
            url.set(drivername="postgresql+psycopg"),
            hide_parameters=True,  # they are people's words, and would get into an error's text
            connect_args={"connect_timeout": CONNECTING, "application_name": "insightsphere", **ALIVE},
            pool_size=CONNECTIONS,
            max_overflow=0,
            pool_timeout=patience_seconds,
            pool_use_lifo=True,
        )
        self._is_closed = False
        event.listen(self.writer, "connect", self._prepare)
        event.listen(self.writer, "checkout", self._look_at)
        event.listen(self.writer, "checkin", self._take_back)
        # Each statement by itself: no BEGIN and ROLLBACK to wait for.
        self.reader: Engine = self.writer.execution_options(isolation_level="AUTOCOMMIT")
        self.caretaker: Engine = self.reader

    def close(self) -> None:
        self._is_closed = True
        self.writer.dispose()

    def write_through(self) -> None: ...  # each commit is

    def take_turn(self, until: float) -> None: ...

    def end_turn(self) -> None: ...

    @contextmanager
    def transaction(self, alone: str, until: float, *, at_leisure: bool) -> Iterator[Connection]:
        with self.writer.begin() as connection:
            if at_leisure:
                _limit(connection, local=True, lock=self._leisure, statement=0, idle=0)
            if alone:
                key = int.from_bytes(sha256(f"insight:{alone}".encode()).digest()[:8], "big", signed=True)
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})
            yield connection

    def snapshot(self) -> Connection:
        options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        connection = self.writer.connect().execution_options(**options)
        _limit(connection, local=True, lock=self._leisure, statement=0, idle=0)
        return connection

    def prepare(self, connection: Connection) -> None:
        encoding = connection.execute(text("SHOW server_encoding")).scalar_one()
        if encoding != "UTF8":
            raise ConfigError(
                f"The database {self.place} keeps texts as {encoding}, which has not every character.",
                "Make one with “CREATE DATABASE name ENCODING 'UTF8' TEMPLATE template0”.",
            )
        for statement in _PREPARE:
            connection.execute(text(statement))

    def deletions(self, connection: Connection) -> int:
        deletions, rewritten = connection.execute(_DELETIONS).one()
        return int(deletions * 2 + (TRACES if deletions != rewritten else 0))

    def note_deletion(self, connection: Connection) -> None:
        connection.execute(text("SELECT nextval('insight_deletions')"))

    def note_rewritten(self, connection: Connection, deletions: int) -> None:
        connection.execute(text("SELECT setval('insight_rewritten', :deletions)"), {"deletions": deletions // 2})

    def rewritten(self, connection: Connection) -> bool:
        """Deleted rows stay in a table's file until it is written anew, as another file."""
        try:
            _limit(connection, local=False, lock=self._patience, statement=0, idle=0)
            connection.exec_driver_sql(_REWRITE)
        except Refusal as error:
            if isinstance(self.meaning(error), DatabaseBusy):
                return False
            raise
        finally:
            connection.invalidate()  # the next one has the usual limits
        return True

    def forget_words(self, connection: Connection) -> None: ...  # they go with their rows

    def empty_log(self, connection: Connection) -> bool:
        return True

    def size(self, connection: Connection) -> int:
        """With what is free."""
        return int(connection.execute(_SIZE, {"names": _NAMES}).scalar_one())

    def keep_out_writers(self, connection: Connection, tables: Sequence[str]) -> None:
        connection.exec_driver_sql(f"LOCK TABLE {', '.join(tables)} IN SHARE ROW EXCLUSIVE MODE")

    def count_from(self, connection: Connection, table: str, last: int) -> None:
        last = max(last, self.counted_to(connection, table))
        if last:
            place = {"table": table, "last": last}
            connection.execute(text("SELECT setval(pg_get_serial_sequence(:table, 'id'), :last)"), place)

    def counted_to(self, connection: Connection, table: str) -> int:
        last = text(
            "SELECT coalesce(pg_sequence_last_value(CAST(pg_get_serial_sequence(:table, 'id') AS regclass)), 0)"
        )
        return int(connection.execute(last, {"table": table}).scalar_one())

    def take_ids(self, connection: Connection, table: str, count: int) -> Sequence[int]:
        each = text("SELECT nextval(pg_get_serial_sequence(:table, 'id')) FROM generate_series(1, :count)")
        return sorted(connection.execute(each, {"table": table, "count": count}).scalars())

    def meaning(self, error: Refusal) -> DatabaseError | None:
        state = getattr(error.orig, "sqlstate", None) or ""
        if state in BUSY:
            return DatabaseBusy()
        if state in FULL:
            return DatabaseFull()
        if error.connection_invalidated or state.startswith(AWAY):
            return DatabaseAway()
        if not state:  # libpq itself said it: it never got an answer, or was not let in
            return DatabaseAway() if type(error.orig).__name__ in ("OperationalError", "ConnectionTimeout") else None
        return DatabaseError() if state.startswith(UNUSABLE) else None

    def _prepare(self, connection: Any, _record: Any) -> None:
        """What every new connection is told; not as its `options`, which poolers between us and Postgres refuse."""
        connection.autocommit = True
        connection.execute(_limits(local=False, lock=self._patience, statement=STATEMENT, idle=IDLE_IN_TRANSACTION))
        connection.autocommit = False

    def _look_at(self, connection: Any, record: Any, _proxy: Any) -> None:
        """A server that was restarted is met by a new connection, not by an error.

        Where it closed this one, that has come in the meantime and costs nothing to see; to ask is a question more
        before each statement, and only needed where a network may have swallowed the news.
        """
        since = record.info.get(LEFT)
        if since is None:  # it is new
            return
        try:
            for _ in range(2):  # its last words, and that nothing follows
                connection.pgconn.consume_input()
            if time.monotonic() - since > TRUSTED_SECONDS:
                self.writer.dialect.do_ping(connection)
        except self.writer.dialect.loaded_dbapi.Error as error:
            raise InvalidatePoolError from error

    def _take_back(self, _connection: Any, record: Any) -> None:
        """A thread that ends after all others brings its connection back to nobody."""
        record.info[LEFT] = time.monotonic()
        if self._is_closed:
            record.invalidate()


def _limit(connection: Connection, *, local: bool, lock: float, statement: float, idle: float) -> None:
    connection.exec_driver_sql(_limits(local=local, lock=lock, statement=statement, idle=idle))


def _limits(*, local: bool, lock: float, statement: float, idle: float) -> str:
    """How many seconds each may last, 0: for ever; `local`: in this transaction."""
    limits = {"lock": lock, "statement": statement, "idle_in_transaction_session": idle}
    each = (f"set_config('{name}_timeout', '{seconds * 1000:.0f}', {local})" for name, seconds in limits.items())
    return "SELECT " + ", ".join(each)
