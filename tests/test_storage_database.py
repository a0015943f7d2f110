"""The database: its migrations, its lock, and what its errors may say."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from rows import fill
from sqlalchemy import MetaData, inspect, select, text
from sqlalchemy.exc import SQLAlchemyError

from insight_app.chat.store import ConversationStore
from insight_app.errors import ConfigError, DatabaseBusy
from insight_app.storage import database as storage
from insight_app.storage.database import MIGRATIONS, NEWEST, Database, migrate, sqlite_url
from insight_app.storage.tables import metadata

New = Callable[..., Database]
each_kind = pytest.mark.parametrize("kind", ["sqlite", "postgres"])
ROOT = Path(__file__).parent.parent


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(Database(sqlite_url(tmp_path / "new" / "insight.db"))) as found:
        found.bring_up_to_date()
        yield found


def test_the_newest_migration_is_the_one_that_is_looked_for() -> None:
    assert ScriptDirectory(str(MIGRATIONS)).get_current_head() == NEWEST


def _is_ours(name: str | None, kind: str, parents: Mapping[str, str | None]) -> bool:
    """The index of words is another thing in each kind of database, and so no table of SQLAlchemy's."""
    return not ((name if kind == "table" else parents.get("table_name")) or "").startswith(
        ("message_words", "file_words")
    )


OURS = {"include_name": _is_ours}


@each_kind
def test_the_migrations_lead_to_the_tables(kind: str, new_database: New) -> None:
    database = new_database(kind, is_ready=False)
    database.bring_up_to_date()
    with database.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts=OURS), metadata) == []


@each_kind
def test_each_migration_goes_down_and_up_again_with_what_is_there(kind: str, new_database: New) -> None:
    database, steps = new_database(kind), [f"000{number}" for number in range(1, 1 + int(NEWEST))]
    fill(database)
    pairs = [(steps[place - 1], steps[place]) for place in range(len(steps) - 1, 0, -1)]
    for lower, upper in pairs:
        before = kept(database)
        step(database, lower, down=True)
        same(before, below := kept(database))
        step(database, upper)
        same(below, kept(database))
        step(database, lower, down=True)
    assert len(kept(database)["messages"]) == 30
    database.bring_up_to_date()
    with database.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts=OURS), metadata) == []
    step(database, "base", down=True)
    with database.reading() as connection:
        assert set(inspect(connection).get_table_names()) <= {"alembic_version", "sqlite_sequence"}
    database.bring_up_to_date()
    assert ConversationStore(database).ask("Hi", model="")


def step(database: Database, to: str, *, down: bool = False) -> None:
    with database.writing("schema", at_leisure=True) as connection:
        migrate(connection, to, down=down)


def kept(database: Database) -> dict[str, list[dict[str, object]]]:
    """Every row, of the tables that there are just now."""
    found = MetaData()
    with database.reading() as connection:
        found.reflect(connection, only=lambda name, _: name in metadata.tables)
        return {
            name: [dict(row._mapping) for row in connection.execute(select(table).order_by(*table.primary_key.columns))]
            for name, table in found.tables.items()
        }


def same(before: dict[str, list[dict[str, object]]], after: dict[str, list[dict[str, object]]]) -> None:
    """No row is lost, and of each what both know is the same."""
    for name in before.keys() & after.keys():
        assert len(before[name]) == len(after[name]), name
        for old, new in zip(before[name], after[name], strict=True):
            common = old.keys() & new.keys()
            assert {key: old[key] for key in common} == {key: new[key] for key in common}


@each_kind
def test_a_database_of_a_newer_version_is_left_alone(kind: str, new_database: New) -> None:
    database = new_database(kind)
    with database.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ConfigError, match="a newer version of this program"):
        database.bring_up_to_date()


@pytest.mark.parametrize(
    ("pragma", "value"),
    [("journal_mode", "wal"), ("foreign_keys", 1), ("secure_delete", 1), ("temp_store", 2)],
)
def test_every_connection_to_sqlite_is_told_how_to_keep_things(pragma: str, value: object, database: Database) -> None:
    step(database, NEWEST)  # after which foreign keys are followed again
    with database.reading() as reader, database.writing() as writer:
        assert [each.execute(text(f"PRAGMA {pragma}")).scalar() for each in (reader, writer)] == [value] * 2


def test_the_file_and_its_folder_are_their_owners_alone(tmp_path: Path, database: Database) -> None:
    assert (tmp_path / "new").stat().st_mode & 0o077 == 0


def test_a_place_that_cannot_be_used_is_said_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="Set DATA_DIR"):
        sqlite_url(tmp_path / "file" / "insight.db")
    (tmp_path / "insight.db").mkdir()
    with (
        closing(Database(sqlite_url(tmp_path / "insight.db"))) as unusable,
        pytest.raises(ConfigError, match="may be written to"),
    ):
        unusable.bring_up_to_date()


def test_a_failed_statement_does_not_quote_what_somebody_wrote(database: Database) -> None:
    with pytest.raises(SQLAlchemyError) as caught, database.writing() as connection:
        connection.execute(text("INSERT INTO nowhere VALUES (:words)"), {"words": "my secret"})
    assert "my secret" not in str(caught.value)


def test_a_block_that_raises_leaves_nothing_behind(database: Database) -> None:
    def write_and_fail() -> None:
        with database.writing() as connection:
            connection.execute(
                text("INSERT INTO conversations (id, title, created_at, updated_at) VALUES ('a', 't', 0, 0)")
            )
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_and_fail()
    with database.reading() as connection:
        assert connection.execute(text("SELECT count(*) FROM conversations")).scalar() == 0


def test_many_writers_take_turns(database: Database) -> None:
    def write(number: int) -> None:
        for line in range(20):
            with database.writing() as connection:
                connection.execute(
                    text("INSERT INTO conversations (id, title, created_at, updated_at) VALUES (:id, 't', 0, 0)"),
                    {"id": f"{number}-{line}"},
                )

    writers = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    with database.reading() as connection:
        assert connection.execute(text("SELECT count(*) FROM conversations")).scalar() == 160


def test_a_database_that_is_gone_does_not_answer(tmp_path: Path) -> None:
    with closing(Database(f"sqlite:///{tmp_path}/no/such/folder.db")) as gone:
        assert not gone.answers()


def another_program(database: Database) -> closing[sqlite3.Connection]:
    return closing(sqlite3.connect(str(database.url.database), isolation_level=None, check_same_thread=False))


def test_another_program_that_has_the_database_is_awaited(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    with another_program(database) as other:
        other.execute("BEGIN EXCLUSIVE")
        waited: list[float] = []

        def wait(seconds: float) -> None:
            waited.append(seconds)
            if len(waited) == 3:
                other.execute("COMMIT")

        monkeypatch.setattr(storage.time, "sleep", wait)
        with database.writing() as connection:
            connection.execute(
                text("INSERT INTO conversations (id, title, created_at, updated_at) VALUES ('a', 't', 0, 0)")
            )
    assert len(waited) == 3


def test_nobody_waits_inside_sqlite_where_every_greenlet_would_wait(database: Database) -> None:
    with database.writing() as connection:
        assert connection.execute(text("PRAGMA busy_timeout")).scalar() == 0


def test_who_waits_behind_one_who_waits_waits_no_longer_than_that(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "PATIENCE_SECONDS", 0.05)
    told: list[str] = []
    with (
        closing(Database(database.url, told.append)) as impatient,
        impatient.writing(),
        pytest.raises(DatabaseBusy),
        impatient.writing(),
    ):
        pass
    assert told == ["database_busy"]


def test_what_is_deleted_leaves_the_files_when_its_last_reader_has_gone(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with another_program(database) as other:
        with database.writing() as connection:
            connection.execute(
                text("INSERT INTO conversations (id, title, created_at, updated_at) VALUES ('a', 'xylophone', 0, 0)")
            )
        other.execute("BEGIN")
        other.execute("SELECT * FROM conversations").fetchall()
        with database.writing() as connection:
            connection.execute(text("DELETE FROM conversations"))
        monkeypatch.setattr(storage.time, "sleep", lambda seconds: other.execute("COMMIT"))
        database.forget()
    for file in Path(str(database.url.database)).parent.iterdir():
        assert b"xylophone" not in file.read_bytes()


def test_processes_that_start_together_share_a_new_database(tmp_path: Path) -> None:
    program = f"""
import sys
from insight_app.storage.database import Database
database = Database("sqlite:///{tmp_path}/new.db")
print("ready", flush=True)
sys.stdin.readline()
database.bring_up_to_date()
"""
    command_line = [sys.executable, "-c", program]
    processes = [
        subprocess.Popen(command_line, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(3)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.flush()
    assert [process.communicate()[0] for process in processes] == [b""] * 3
    assert [process.returncode for process in processes] == [0] * 3


def test_the_disk_is_awaited_where_it_holds_up_nobody_and_only_after_something_was_written(tmp_path: Path) -> None:
    """A thread of gevent's that waits for the disk would stop all that is streamed."""
    awaited: list[object] = []
    with closing(
        Database(sqlite_url(tmp_path / "insight.db"), outside=lambda work: awaited.append(work()))
    ) as database:
        database.bring_up_to_date()
        ConversationStore(database).ask("Hello", model="")
        assert awaited == []
        for _ in range(2):
            database.write_through()
        assert awaited == [None]
