"""Postgres: who waits for it holds up nobody else, it may go away and come back, and nothing tells its password."""

from __future__ import annotations

import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import psycopg
import pytest
from own_postgres import EMPTY, OwnPostgres
from sqlalchemy import create_engine, text

from insight_app.chat.store import ConversationStore
from insight_app.errors import ConfigError, DatabaseAway, DatabaseBusy, DatabaseError, DatabaseFull
from insight_app.storage import database as storage
from insight_app.storage import postgres as product
from insight_app.storage.database import Database
from insight_app.storage.product import TRACES

ROOT = Path(__file__).parent.parent
PASSWORD = "never-shown"
New = Callable[..., Database]


@pytest.fixture
def database(new_database: New) -> Database:
    return new_database("postgres")


@pytest.fixture
def own() -> Iterator[OwnPostgres]:
    """One that may be stopped."""
    with OwnPostgres() as found:
        yield found


UNDER_GEVENT = """
from gevent import monkey
monkey.patch_all()
import sys, threading
from sqlalchemy import create_engine, text
from insight_app.storage.database import Database
database = Database(sys.argv[1])
WAITS = text("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'advisory'")

def wait(number):
    with database.writing("the same"):
        print(number)

with database.writing("the same"):
    waiting = [threading.Thread(target=wait, args=("then the others",)) for _ in range(3)]
    for thread in waiting:
        thread.start()
    while True:
        with database.reading() as connection:
            if connection.execute(WAITS).scalar() == 3:
                break
    print("first")
for thread in waiting:
    thread.join()

def count():
    with database.reading() as connection:
        counted.append(connection.execute(text("SELECT 1")).scalar())

counted = []
many = [threading.Thread(target=count) for _ in range(100)]
for thread in many:
    thread.start()
for thread in many:
    thread.join()
print(len(counted))
"""


def test_who_waits_for_postgres_holds_up_no_other_greenlet(database: Database) -> None:
    """Who has the lock that the others wait for could not give it up, if they stopped the process."""
    url = database.url.render_as_string(hide_password=False)
    command = [sys.executable, "-c", UNDER_GEVENT, url]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines() == ["first", *["then the others"] * 3, "100"]


def test_a_postgres_that_goes_and_comes_back_is_met_again_without_anybody(own: OwnPostgres) -> None:
    own.run(f"CREATE DATABASE {EMPTY}")
    told: list[str] = []
    with closing(Database(own.url(EMPTY), told.append)) as database:
        database.bring_up_to_date()
        store = ConversationStore(database)
        prompt, _ = store.ask("Hi", model="")
        own.stop()
        own.start()
        assert store.message(prompt.id) == prompt  # nobody had asked meanwhile, and nobody hears of it
        assert told == []
        own.stop()
        for ask in (lambda: store.message(prompt.id), lambda: store.rename(prompt.conversation_id, "x")):
            with pytest.raises(DatabaseAway, match="does not answer") as caught:
                ask()
            assert PASSWORD not in "".join(traceback.format_exception(caught.value))
        assert not database.answers()
        assert set(told) == {"database_away"}
        own.start()
        assert store.message(prompt.id) == prompt
        store.rename(prompt.conversation_id, "y")
        assert store.conversation(prompt.conversation_id).title == "y"


def test_a_connection_that_is_cut_in_a_transaction_is_told_and_replaced(database: Database) -> None:
    def is_cut() -> None:
        with database.writing() as connection:
            pid = connection.execute(text("SELECT pg_backend_pid()")).scalar()
            with database.reading() as other:
                other.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
            connection.execute(text("SELECT 1"))

    with pytest.raises(DatabaseAway):
        is_cut()
    with database.writing() as connection:
        connection.execute(text("SELECT 1"))


def test_a_connection_that_was_cut_just_now_while_nobody_used_it_is_no_error(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database.reading() as connection:
        pid = connection.execute(text("SELECT pg_backend_pid()")).scalar()
    monkeypatch.setattr(product, "TRUSTED_SECONDS", 60.0)
    monkeypatch.setattr(database.product.writer.dialect, "do_ping", lambda connection: pytest.fail("asked for nothing"))
    own_engine = create_engine(database.product.writer.url, isolation_level="AUTOCOMMIT")
    with closing(own_engine.connect()) as other:
        assert other.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid}).scalar()
    own_engine.dispose()
    with database.reading() as connection:
        assert connection.execute(text("SELECT pg_backend_pid()")).scalar() != pid


def test_a_connection_that_nobody_used_for_a_while_is_asked_whether_it_is_there(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_gone(connection: object) -> bool:
        raise psycopg.OperationalError("the network swallowed it")

    with database.reading() as connection:
        pid = connection.execute(text("SELECT pg_backend_pid()")).scalar()
    monkeypatch.setattr(product, "TRUSTED_SECONDS", 0.0)
    monkeypatch.setattr(database.product.writer.dialect, "do_ping", is_gone)
    with database.reading() as connection:
        assert connection.execute(text("SELECT pg_backend_pid()")).scalar() != pid


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("53100", DatabaseFull),
        ("55P03", DatabaseBusy),
        ("40P01", DatabaseBusy),
        ("53300", DatabaseBusy),
        ("57P01", DatabaseAway),
        ("08006", DatabaseAway),
        ("25006", DatabaseError),
        ("XX001", DatabaseError),
    ],
)
def test_what_postgres_refuses_is_said_in_our_words(state: str, kind: type[DatabaseError], database: Database) -> None:
    with pytest.raises(DatabaseError) as caught, database.reading() as connection:
        connection.execute(text(f"DO $$ BEGIN RAISE EXCEPTION 'a secret' USING ERRCODE = '{state}'; END $$"))
    assert type(caught.value) is kind
    assert "secret" not in str(caught.value)


def test_a_fault_of_ours_is_none_of_the_database(database: Database) -> None:
    with pytest.raises(Exception, match="nowhere") as caught, database.reading() as connection:
        connection.execute(text("SELECT :words FROM nowhere"), {"words": "my secret"})
    assert not isinstance(caught.value, DatabaseError)
    assert "my secret" not in str(caught.value)


def test_nobody_waits_for_longer_than_is_set(new_database: New, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "PATIENCE_SECONDS", 0.1)
    monkeypatch.setattr(product, "STATEMENT", 0.2)
    database = new_database("postgres")
    with database.writing("one thing"), pytest.raises(DatabaseBusy), database.writing("one thing"):
        pass
    with database.writing("one thing"), database.writing("another thing"):
        pass
    with pytest.raises(DatabaseBusy), database.reading() as connection:
        connection.execute(text("SELECT pg_sleep(60)"))
    with ExitStack() as all_of_them:
        for _ in range(product.CONNECTIONS):
            all_of_them.enter_context(database.reading())
        with pytest.raises(DatabaseBusy), database.reading():
            pass


def test_what_hangs_with_something_locked_is_ended(database: Database) -> None:
    with database.reading() as connection:
        limits = "SELECT current_setting('idle_in_transaction_session_timeout'), current_setting('statement_timeout')"
        assert connection.execute(text(limits)).one() == ("1min", "30s")


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://insight:never-shown@/x?host=/no/where",
        "postgresql+psycopg://insight@127.0.0.1:1/x?password=never-shown",
        "postgres://insight:never-shown@127.0.0.1:1/x",
    ],
)
def test_an_address_where_nothing_answers_is_said_without_its_password(address: str) -> None:
    with closing(Database(address)) as database, pytest.raises(ConfigError, match="Check that Postgres runs") as caught:
        database.bring_up_to_date()
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))
    assert "x at " in str(caught.value)


def test_a_database_that_has_not_every_character_is_refused(postgres: OwnPostgres) -> None:
    postgres.run("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    with closing(Database(postgres.url("latin"))) as database, pytest.raises(ConfigError, match="LATIN1"):
        database.bring_up_to_date()
    postgres.drop("latin")


def test_what_was_deleted_is_in_no_file_of_a_table_after_the_rewriting(
    database: Database, postgres: OwnPostgres
) -> None:
    store = ConversationStore(database)
    prompt, _ = store.ask("xylophage", model="")
    postgres.run("CHECKPOINT")
    assert files_with(postgres, b"xylophage")
    store.delete(prompt.conversation_id)
    assert database.forgotten() & TRACES
    database.rewrite(5)
    assert not database.forgotten() & TRACES
    postgres.run("CHECKPOINT")
    assert files_with(postgres, b"xylophage") == []
    assert database.size() > 0
    with database.reading() as connection:
        assert connection.execute(text("SHOW statement_timeout")).scalar() == "30s"


def test_who_reads_meanwhile_has_the_rewriting_wait_for_another_time(
    new_database: New, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "PATIENCE_SECONDS", 0.05)
    database = new_database("postgres")
    database.forget()
    with database.writing() as connection:
        connection.execute(text("SELECT * FROM messages"))
        database.rewrite()
        assert database.forgotten() & TRACES
    database.rewrite()
    assert not database.forgotten() & TRACES


def files_with(postgres: OwnPostgres, word: bytes) -> list[Path]:
    files = [file for file in Path(postgres.data, "base").rglob("*") if file.is_file()]
    return [file for file in files if word in file.read_bytes()]


def test_other_processes_hear_that_something_was_deleted(database: Database) -> None:
    with closing(Database(database.url)) as other:
        before = other.forgotten()
        database.forget()
        assert other.forgotten() != before


def test_it_is_loaded_by_nobody_else() -> None:
    program = "import sys; from insight_app.storage import upsert; from insight_app.storage.database import Database"
    program += "; Database('sqlite://')"
    program += "; sys.exit(bool({'psycopg', 'sqlalchemy.dialects.postgresql'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0


def test_processes_that_start_together_share_a_new_postgres(new_database: New) -> None:
    database = new_database("postgres", is_ready=False)
    threads = [threading.Thread(target=lambda: bring_up(database)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert database.version() == storage.NEWEST
    assert ConversationStore(database).ask("Hi", model="")


def bring_up(database: Database) -> None:
    with closing(Database(database.url)) as mine:
        mine.bring_up_to_date()
