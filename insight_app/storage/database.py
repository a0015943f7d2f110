"""One database: opened, brought up to date, written to and read from in short transactions."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, inspect, text, tuple_
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DatabaseError as Refusal
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from insight_app.config import Settings
from insight_app.errors import ConfigError, DatabaseAway, DatabaseBusy, DatabaseError, DatabaseFull, NotYet
from insight_app.pauses import Pauses
from insight_app.storage.product import LOOK_AGAIN_SECONDS, Product

MIGRATIONS = Path(__file__).parent / "migrations"
NEWEST = "0008"  # the last migration's name: saves importing Alembic where nothing is to be done
PATIENCE_SECONDS = 5.0  # for whoever else has the database
LEISURE_SECONDS = 60.0  # the same for what is done once: migrations, a restore
READ_AT_ONCE = 100  # rows


class Database:
    """Short transactions on one database. Raises ConfigError where it cannot be opened or brought up to date.

    Every transaction raises a DatabaseError where that is what is wrong; `report` is told its code. `took` is told of
    each how long it took in seconds, and whether it is of the kind "read" or "write". `outside` runs what would hold up
    all threads, where they are greenlets.
    """

    def __init__(
        self,
        url: str | URL,
        report: Callable[[str], None] = lambda problem: None,
        took: Callable[[str, float], None] = lambda kind, seconds: None,
        outside: Callable[[Callable[[], object]], object] = lambda work: work(),
    ) -> None:
        self._report, self._took, self._outside = report, took, outside
        try:
            self.url = make_url(url)
            self.product = self._product()
        except (SQLAlchemyError, ImportError) as error:
            raise ConfigError(
                f"DATABASE_URL names no database that can be used ({type(error).__name__}).",
                "Leave it empty, or write it like sqlite:////path/to/file.db or postgresql://user:password@host/name.",
            ) from None
        self._is_written_through = True
        self.has_log = self.product.keeps_log  # whether its log may hold what was deleted

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """What is read by two statements need not be of the same moment."""
        with self._timed("read"), self._translated(), self.product.reader.connect() as connection:
            yield connection

    @contextmanager
    def writing(self, alone: str = "", *, at_leisure: bool = False) -> Iterator[Connection]:
        """A transaction that is kept when the block ends and undone when it raises.

        Those with the same name in `alone` go one after the other, whichever process they are in. `at_leisure`: it may
        wait for others and last as long as it takes.
        """
        patience = LEISURE_SECONDS if at_leisure else PATIENCE_SECONDS
        with (
            self._timed("write"),
            self._turn(patience) as until,
            self.product.transaction(alone, until, at_leisure=at_leisure) as connection,
        ):
            yield connection
        self._is_written_through = False

    def write_through(self) -> None:
        """Has the disk keep, also without power, what was written before; until then a commit may be lost with it."""
        if self._is_written_through:
            return
        self._is_written_through = True  # what is written meanwhile is for the next time
        try:
            self.product.write_through()
        except OSError:
            self._is_written_through = False
            raise

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """Everything as it is now, for as long as the block lasts, while others go on writing."""
        with self._translated(), self.product.snapshot() as connection:
            yield connection

    def rows(self, query: Select[Any], order: Sequence[ColumnElement[Any]]) -> Iterator[dict[str, Any]]:
        """Every row of a query, in an order that tells each from all others.

        Read in parts, each in a transaction of its own, so that nobody waits and no memory is filled.
        """
        pauses = Pauses()
        query = query.order_by(*order).limit(READ_AT_ONCE)
        part = query
        while True:
            with self.reading() as connection:
                rows = connection.execute(part).all()
            for row in rows:
                yield dict(row._mapping)
                pauses.take()
            if len(rows) < READ_AT_ONCE:
                return
            part = query.where(tuple_(*order) > tuple_(*(rows[-1]._mapping[column] for column in order)))

    def forget(self) -> None:
        """Has all processes know that something was deleted, and takes it out of the log.

        A log would keep it until it is overwritten.
        """
        self.empty_log(PATIENCE_SECONDS)  # first: on a full disk that makes the room to write anything at all
        with self.writing() as connection:
            self.product.forget_words(connection)
            self.product.note_deletion(connection)
        self.empty_log(PATIENCE_SECONDS)  # again: until then the index is in its place as it was

    def forgotten(self) -> int:
        """Another number after each `forget`, of whichever process; with the bit TRACES until the next `rewrite`."""
        with self.reading() as connection:
            return self.product.deletions(connection)

    def rewrite(self, patience_seconds: float = 0.0) -> None:
        """Writes everything anew, without traces, unless another program is in the way for so long.

        Nobody can write meanwhile, and with SQLite nothing else goes on in this process: about a second for 70 MB.
        """
        until = time.monotonic() + patience_seconds
        with self._turn(), self.product.caretaker.connect() as connection:
            before = self.product.deletions(connection)
            while not self.product.rewritten(connection):
                if time.monotonic() >= until:
                    return
                time.sleep(LOOK_AGAIN_SECONDS)
        with self.writing() as connection:
            if self.product.deletions(connection) == before:
                self.product.note_rewritten(connection, before)
        self.empty_log(patience_seconds)

    def size(self) -> int:
        """Of what there is, in bytes."""
        with self.reading() as connection:
            return self.product.size(connection)

    def empty_log(self, patience_seconds: float = 0.0) -> None:
        """Moves all that the log has to its place; `has_log` stays true where somebody reads for too long."""
        if not self.product.keeps_log:
            return
        until = time.monotonic() + patience_seconds
        with self._turn(), self.product.caretaker.connect() as connection:
            while not (is_empty := self.product.empty_log(connection)) and time.monotonic() < until:
                time.sleep(LOOK_AGAIN_SECONDS)
            self.has_log = not is_empty

    def bring_up_to_date(self) -> None:
        try:
            if (there := self.version()) and there > NEWEST:
                raise ConfigError(
                    f"The database {self.product.place} is one of a newer version of this program.",
                    "Run that version, or restore a backup that this one made.",
                )
            if there != NEWEST:
                with self.writing("schema", at_leisure=True) as connection:
                    if version_of(connection) != NEWEST:  # another process may have started at the same time
                        self.product.prepare(connection)
                        migrate(connection, "head")
        except (DatabaseBusy, DatabaseFull) as problem:
            raise NotYet(problem.cause, problem.next_step) from problem
        except (SQLAlchemyError, DatabaseError) as error:
            kind = NotYet if isinstance(error, DatabaseAway) else ConfigError
            said = f"The database {self.product.place} cannot be used ({_kind(error)})."
            raise kind(said, self.product.hint) from error

    def version(self) -> str | None:
        """The last migration that was made here; None before the first."""
        with self.reading() as connection:
            return version_of(connection)

    def answers(self) -> bool:
        """Whether the database can be read now."""
        try:
            with self.reading() as connection:
                connection.execute(text("SELECT 1"))
        except (SQLAlchemyError, DatabaseError):
            return False
        return True

    def close(self) -> None:
        self.product.close()

    def _product(self) -> Product:
        if self.url.get_backend_name() == "sqlite":
            from insight_app.storage.sqlite import SQLite

            return SQLite(self.url, self._outside)
        from insight_app.storage.postgres import Postgres  # its library is for nobody else to load

        return Postgres(self.url, PATIENCE_SECONDS, LEISURE_SECONDS)

    @contextmanager
    def _turn(self, patience_seconds: float | None = None) -> Iterator[float]:
        """Holds the right to write for the block; gives the (monotonic) time until which another program is awaited."""
        until = time.monotonic() + (PATIENCE_SECONDS if patience_seconds is None else patience_seconds)
        with self._translated():
            try:
                self.product.take_turn(until)
            except DatabaseBusy as problem:
                self._report(problem.code)
                raise
            try:
                yield until
            finally:
                self.product.end_turn()

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
        except (Refusal, NoConnectionFree) as error:
            problem = DatabaseBusy() if isinstance(error, NoConnectionFree) else self.product.meaning(error)
            if problem is None:
                raise
            self._report(problem.code)
            raise problem from error


def migrate(connection: Connection, to: str, *, down: bool = False) -> None:
    """Makes the migrations up to (or back `down` to) the one of that name, in the connection's transaction."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    (command.downgrade if down else command.upgrade)(config, to)


def version_of(connection: Connection) -> str | None:
    """The last migration that was made; None before the first."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def address_of(settings: Settings) -> str:
    """Of the database that is wanted. Raises ConfigError where the folder for one cannot be made."""
    return settings.database_url or sqlite_url(file_of(settings))


def file_of(settings: Settings) -> Path:
    """Where an SQLite database is, unless DATABASE_URL names another one."""
    return settings.data_dir / "insight.db"


def sqlite_url(path: Path) -> str:
    """The address of an SQLite file; its folder is made, readable by its owner alone."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"The folder {path.parent} cannot be made ({error.strerror}).", "Set DATA_DIR to one that can."
        ) from error
    return f"sqlite:///{path}"


def _kind(error: Exception) -> str:
    """A database's own name for it where there is one; never its message, which may quote what somebody wrote."""
    inner = getattr(error.__cause__ if isinstance(error, DatabaseError) else error, "orig", None)
    return type(inner or error).__name__
