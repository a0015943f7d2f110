"""A backup is all there was at one moment, and comes back whole, into either kind of database, or not at all."""

from __future__ import annotations

import gzip
import hashlib
import json
import math
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from own_postgres import OwnPostgres
from rows import everything, fill
from sqlalchemy import func, insert, select, text

from insight_app.chat.store import ConversationStore
from insight_app.errors import BackupRefused, DatabaseFull
from insight_app.moderation.store import ModerationStore
from insight_app.storage.backup import RESTORER, back_up, is_empty, restore
from insight_app.storage.database import NEWEST, Database, migrate
from insight_app.storage.tables import conversations, messages

ROOT = Path(__file__).parent.parent
KINDS = ("sqlite", "postgres")
CANARY = "kanarienvogel"
New = Callable[..., Database]
each_kind = pytest.mark.parametrize("kind", KINDS)


def nobody(table: str, rows: int) -> None: ...


def restored(database: Database, file: Path) -> dict[str, int]:
    with file.open("rb") as opened:
        return restore(database, opened, nobody)


@pytest.mark.parametrize(("source", "target"), [KINDS, KINDS[::-1]])  # each kind is both; the same kind, below
def test_what_is_restored_is_what_was_backed_up(source: str, target: str, new_database: New, tmp_path: Path) -> None:
    there, here = new_database(source), new_database(target, is_ready=False)
    fill(there, messages=600)
    told: list[tuple[str, int]] = []
    counts = back_up(there, tmp_path / "b", lambda table, rows: told.append((table, rows)))
    assert counts == {name: len(rows) for name, rows in everything(there).items()}
    assert dict(told) == counts
    assert (tmp_path / "b").stat().st_mode & 0o777 == 0o600
    assert restored(here, tmp_path / "b") == counts
    assert everything(here) == everything(there)
    here.bring_up_to_date()
    _, answer = ConversationStore(here).ask("on", model="", conversation_id="c-2")
    assert answer is not None
    assert answer.id == 602


@each_kind
def test_an_id_is_never_given_again_after_a_restore(kind: str, new_database: New, tmp_path: Path) -> None:
    database = new_database(kind)
    store = ConversationStore(database)
    store.ask("before", model="")
    back_up(database, tmp_path / "b", nobody)
    _, lost = store.ask("after", model="")
    assert lost is not None
    restored(database, tmp_path / "b")
    new, _ = store.ask("later", model="")
    assert new.id > lost.id


@each_kind
def test_a_backup_while_answers_are_written_is_of_one_moment(kind: str, new_database: New, tmp_path: Path) -> None:
    """Each transaction adds a conversation with its prompt and answer: none is there without the others."""
    database, other = new_database(kind), new_database(kind)
    store, is_over = ConversationStore(database), threading.Event()
    fill(database)
    began = threading.Event()

    def write() -> None:
        while not is_over.is_set():
            _, answer = store.ask("Hi", model="")
            assert answer is not None
            store.checkpoint([(answer.id, 0, "", "so far")])
            began.set()

    writers = [threading.Thread(target=write) for _ in range(2)]
    for writer in writers:
        writer.start()
    assert began.wait(10)
    try:
        for number in range(3):
            back_up(database, tmp_path / str(number), nobody)
    finally:
        is_over.set()
        for writer in writers:
            writer.join()
    for number in range(3):
        restored(other, tmp_path / str(number))
        with other.reading() as connection:
            of_each = select(func.count()).group_by(messages.c.conversation_id)
            asked = list(connection.execute(of_each.where(messages.c.conversation_id != "c-1")).scalars())
            kept = connection.execute(select(func.count()).select_from(conversations)).scalar_one()
        assert set(asked) <= {2}
        assert len(asked) == kept - 2


def rewritten(file: Path, change: Callable[[list[Any]], object]) -> Path:
    """A backup with other lines, whose sum is right all the same."""
    lines = [json.loads(line) for line in gzip.decompress(file.read_bytes()).splitlines()]
    change(lines)
    said = [json.dumps(line, separators=(",", ":"), ensure_ascii=False).encode() + b"\n" for line in lines[:-1]]
    end = {**lines[-1], "sha256": hashlib.sha256(b"".join(said)).hexdigest()}
    other = file.with_name("other")
    other.write_bytes(gzip.compress(b"".join(said) + json.dumps(end).encode() + b"\n"))
    return other


def recompressed(file: Path, cut: Callable[[bytes], bytes]) -> Path:
    other = file.with_name("other")
    other.write_bytes(gzip.compress(cut(gzip.decompress(file.read_bytes()))))
    return other


def with_cell(table: str, column: str, value: object) -> Callable[[Path], Path]:
    """In its first row."""

    def change(lines: list[Any]) -> None:
        place = next(place for place, line in enumerate(lines) if isinstance(line, dict) and line.get("table") == table)
        lines[place + 1][lines[place]["columns"].index(column)] = value

    return lambda file: rewritten(file, change)


# What somebody wrote into it, with the right sum: as values that the tables do not take, or as something else.
FORGED: dict[str, Callable[[Path], Path]] = {
    "without a revision": lambda file: rewritten(file, lambda it: it[0].pop("revision")),
    "of a revision that never was": lambda file: rewritten(file, lambda it: it[0].update(revision="0000")),
    "of a revision that is an order": lambda file: rewritten(file, lambda it: it[0].update(revision="-1")),
    "made at no time": lambda file: rewritten(file, lambda it: it[0].update(made_at=1e300)),
    "columns that are none": lambda file: rewritten(file, lambda it: it[1].update(columns=[{}])),
    "a last id that is none": lambda file: rewritten(file, lambda it: it[1].update(last_id=2**70)),
    "a row that is none": lambda file: rewritten(file, lambda it: it.__setitem__(2, CANARY)),
    "a row that is short": lambda file: rewritten(file, lambda it: it[2].pop()),
    "a text as a time": with_cell("messages", "created_at", CANARY),
    "a text as yes or no": with_cell("conversations", "is_pinned", CANARY),
    "a list as a text": with_cell("messages", "text", [CANARY]),
    "nothing as a text": with_cell("messages", "text", None),
    "no number": with_cell("messages", "created_at", math.nan),
    "a number without end": with_cell("messages", "run", 2**80),
    "a message of no conversation": with_cell("messages", "conversation_id", "nope"),
}
DAMAGE: dict[str, tuple[Callable[[Path], Path], str]] = {
    "cut off": (lambda file: cut(file, -10), "damaged or cut off"),
    "half": (lambda file: cut(file, file.stat().st_size // 2), "damaged or cut off"),
    "its end missing": (lambda file: recompressed(file, lambda it: it[: it.rindex(b'{"rows"')]), "damaged or cut off"),
    "a letter changed": (lambda file: recompressed(file, lambda it: it.replace(b"ann", b"anm", 1)), "damaged"),
    "a row missing": (lambda file: rewritten(file, lambda lines: lines.pop(-2)), "damaged"),
    "more after its end": (lambda file: recompressed(file, lambda it: it + b"{}\n"), "damaged"),
    "empty": (lambda file: cut(file, 0), "no backup of this program"),
    "something else": (lambda file: recompressed(file, lambda it: b'{"a": 1}\n'), "no backup of this program"),
    "of a newer format": (lambda file: rewritten(file, lambda it: it[0].update(version=2)), "a newer version"),
    "of newer tables": (lambda file: rewritten(file, lambda it: it[0].update(revision="9999")), "a newer version"),
    "of an unknown table": (lambda file: rewritten(file, lambda it: it[1].update(table="xylophones")), "damaged"),
}


def cut(file: Path, to: int) -> Path:
    other = file.with_name("other")
    other.write_bytes(file.read_bytes()[:to])
    return other


@each_kind
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_file_that_is_not_right_changes_nothing(damage: str, kind: str, new_database: New, tmp_path: Path) -> None:
    database, (spoil, said) = new_database(kind), DAMAGE[damage]
    fill(database)
    before = everything(database)
    back_up(database, tmp_path / "b", nobody)
    with pytest.raises(BackupRefused, match=said):
        restored(database, spoil(tmp_path / "b"))
    assert everything(database) == before


@each_kind
def test_a_file_that_somebody_wrote_changes_nothing_and_is_quoted_nowhere(
    kind: str, new_database: New, tmp_path: Path, postgres: OwnPostgres
) -> None:
    database = new_database(kind)
    fill(database)
    before = everything(database)
    back_up(database, tmp_path / "b", nobody)
    for name, forge in FORGED.items():
        with pytest.raises(BackupRefused, match="damaged") as caught:
            restored(database, forge(tmp_path / "b"))
        assert caught.value.__suppress_context__ or caught.value.__context__ is None, name
        assert everything(database) == before, name
    assert CANARY not in (postgres.folder / "log").read_text()


@each_kind
def test_a_backup_of_an_older_version_is_brought_up_to_date(kind: str, new_database: New, tmp_path: Path) -> None:
    old, new = new_database(kind, is_ready=False), new_database(kind)
    fill(new)
    with old.writing("schema", at_leisure=True) as connection:
        migrate(connection, "0001")
        connection.execute(
            text("INSERT INTO conversations (id, title, created_at, updated_at) VALUES ('old', 'Old', 1, 2)")
        )
    counts = back_up(old, tmp_path / "b", nobody)
    assert counts == {"conversations": 1, "messages": 0}
    restored(new, tmp_path / "b")
    assert new.version() == NEWEST
    assert ConversationStore(new).conversation("old").title == "Old"
    assert everything(new)["accounts"] == []


@each_kind
def test_a_backup_changes_nothing_not_even_the_version(kind: str, new_database: New, tmp_path: Path) -> None:
    database = new_database(kind, is_ready=False)
    with pytest.raises(BackupRefused, match="nothing to back up"):
        back_up(database, tmp_path / "b", nobody)
    assert not [file for file in tmp_path.iterdir() if file.name == "b" or file.name.startswith(".b")]
    with database.writing("schema", at_leisure=True) as connection:
        migrate(connection, "0004")
    back_up(database, tmp_path / "b", nobody)
    assert database.version() == "0004"


@each_kind
def test_a_server_that_runs_notices_other_rules_and_forgets_pages(kind: str, new_database: New, tmp_path: Path) -> None:
    database, other = new_database(kind), new_database("sqlite")
    for each in (database, other):
        fill(each)
    back_up(other, tmp_path / "b", nobody)
    rules = ModerationStore(database)
    version, drawn = rules.version(), database.forgotten()
    restored(database, tmp_path / "b")
    assert rules.version() > version
    assert rules.changes()[0].who == RESTORER
    assert database.forgotten() != drawn


@each_kind
def test_an_answer_that_was_being_written_harms_nothing_that_came_back(
    kind: str, new_database: New, tmp_path: Path
) -> None:
    database = new_database(kind)
    store = ConversationStore(database)
    fill(database)
    back_up(database, tmp_path / "b", nobody)
    before = everything(database)
    _, answer = store.ask("Hi", model="")
    assert answer is not None
    restored(database, tmp_path / "b")
    store.checkpoint([(answer.id, 0, "", "late")])
    after = everything(database)
    assert after.pop("moderation_changes")[:-1] == before.pop("moderation_changes")
    assert after == before


@each_kind
def test_a_restore_that_is_killed_leaves_what_was_there(kind: str, new_database: New, tmp_path: Path) -> None:
    source, database = new_database("sqlite"), new_database(kind)
    fill(source, messages=600)
    back_up(source, tmp_path / "b", nobody)
    fill(database)
    before = everything(database)
    program = f"""
import sys
from insight_app.storage.backup import restore
from insight_app.storage.database import Database
def told(table, rows):
    if table == "messages":
        print(rows, flush=True)
        sys.stdin.readline()
restore(Database({database.url.render_as_string(hide_password=False)!r}), open({str(tmp_path / "b")!r}, "rb"), told)
"""
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"600\n"
        assert everything(database) == before  # who reads meanwhile sees what was there
        process.kill()
    assert everything(database) == before
    assert restored(database, tmp_path / "b")["messages"] == 600


def test_a_restore_that_finds_the_disk_full_leaves_what_was_there(new_database: New, tmp_path: Path) -> None:
    source, database = new_database("sqlite"), new_database("sqlite")
    fill(source, messages=600)
    back_up(source, tmp_path / "b", nobody)
    fill(database)
    before = everything(database)
    with database.writing() as connection:
        (pages,) = connection.exec_driver_sql("PRAGMA page_count").one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(DatabaseFull):
        restored(database, tmp_path / "b")
    assert everything(database) == before


def test_a_backup_that_finds_the_disk_full_leaves_the_one_before_and_nothing_else(
    new_database: New, tmp_path: Path
) -> None:
    database, folder = new_database("sqlite"), tmp_path / "backups"
    folder.mkdir()
    fill(database)
    back_up(database, folder / "b", nobody)
    kept = (folder / "b").read_bytes()
    with database.writing() as connection:
        connection.execute(
            insert(conversations).values(id="x", title=os.urandom(200_000).hex(), created_at=0, updated_at=0)
        )
    program = f"""
import resource, signal
from pathlib import Path
from insight_app.errors import BackupRefused
from insight_app.storage.backup import back_up
from insight_app.storage.database import Database
database = Database({str(database.url)!r})
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    back_up(database, Path({str(folder / "b")!r}), lambda table, rows: None)
except BackupRefused as refused:
    print(refused)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "There is no room for the backup. Make room there, or name another disk.\n"
    assert [file.name for file in folder.iterdir()] == ["b"]
    assert (folder / "b").read_bytes() == kept


def test_large_rows_are_neither_kept_in_memory_nor_lost(new_database: New, tmp_path: Path) -> None:
    """A hundred times what is read at once, in no more memory than that."""
    program = f"""
import resource, sys
from pathlib import Path
from sqlalchemy import insert
from insight_app.storage import backup
from insight_app.storage.database import Database
from insight_app.storage.tables import conversations
backup.AT_ONCE = 10
database = Database({str(new_database("sqlite").url)!r})
for some in range(12):
    with database.writing() as connection:
        rows = [
            dict(id=f"{{some}}-{{n}}", title=chr(97 + n) * 400_000, created_at=0.0, updated_at=0.0) for n in range(10)
        ]
        connection.execute(insert(conversations), rows)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
backup.back_up(database, Path({str(tmp_path / "b")!r}), lambda table, rows: None)
other = Database({str(new_database("sqlite").url)!r})
assert backup.restore(other, open({str(tmp_path / "b")!r}, "rb"), lambda table, rows: None)["conversations"] == 120
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 40, "MB, of 48 MB"


def test_whether_anybody_would_miss_what_is_there(new_database: New) -> None:
    database, empty = new_database("sqlite"), new_database("sqlite", is_ready=False)
    assert is_empty(database)
    assert is_empty(empty)
    fill(database)
    assert not is_empty(database)


def test_a_place_that_cannot_be_written_is_said(new_database: New, tmp_path: Path) -> None:
    with pytest.raises(BackupRefused, match="No such file or directory"):
        back_up(new_database("sqlite"), tmp_path / "no" / "where", nobody)
