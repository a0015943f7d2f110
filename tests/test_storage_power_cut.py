"""A machine that loses its power: what was said to be kept is on the disk, and the database is whole."""

from __future__ import annotations

import random
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
from own_app import running
from power_cut import recording
from scripted_ollama import ScriptedOllama, silence
from visitor import Visitor

from insight_app.chat import answering
from insight_app.config import Settings
from insight_app.errors import DatabaseFull
from insight_app.services import Services


@pytest.fixture(autouse=True)
def no_file(settings: Settings, tmp_path: Path) -> None:
    """The record has only what is written while it looks, so that has to be the whole file."""
    (tmp_path / "insight.db").unlink()


def kept(file: Path) -> list[str]:
    """The texts of all messages, of a database that must be whole."""
    with closing(sqlite3.connect(file)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'messages'").fetchone():
            return []
        return [text for (text,) in database.execute("SELECT text FROM messages ORDER BY id")]


def test_what_was_kept_outlives_a_power_cut_at_any_moment(settings: Settings, tmp_path: Path) -> None:
    said: list[tuple[int, str]] = []  # from which moment on which text is kept
    with recording() as record, running(settings) as app:
        store = app.extensions["insight"].conversations
        for number in range(12):
            prompt, answer = store.ask(f"Prompt {number}", model="m")
            assert answer is not None
            app.extensions["insight"].database.write_through()
            said.append((len(record.events), prompt.text))
            for grown in ("Some", "Some more", f"Some more of {number}"):
                store.checkpoint([(answer.id, 0, "", grown)])
            app.extensions["insight"].database.write_through()
            said.append((len(record.events), f"Some more of {number}"))
        events = len(record.events)
    assert events > 50
    chance = random.Random(6)
    begun = said[0][0]
    for turn, moment in enumerate([events, *(chance.randrange(begun, events) for _ in range(40))]):
        disk = record.disk(tmp_path / "insight.db", tmp_path / f"after-{turn}.db", moment, chance if turn % 2 else None)
        found = kept(disk)
        assert [text for since, text in said if since <= moment and text not in found] == []


def test_what_a_page_showed_is_on_the_disk_within_a_second(
    settings: Settings, ollama: ScriptedOllama, tmp_path: Path
) -> None:
    with recording() as record, running(settings) as app:
        services: Services = app.extensions["insight"]
        visitor = Visitor(app.test_client())
        visitor.open("/")
        ollama.script("What was seen.", silence)
        reply = services.replies.get(visitor.ask("What was asked."))
        assert reply is not None
        while "seen" not in reply.answer.since(0):
            assert reply.wait(reply.version, 5)
        shown = time.monotonic()
        while (found := kept(record.disk(tmp_path / "insight.db", tmp_path / "after.db", len(record.events)))) != [
            "What was asked.",
            "What was seen.",
        ]:
            assert found in ([], ["What was asked.", ""])
            assert time.monotonic() - shown < 5
        assert answering.CHECKPOINT_SECONDS < 1


def test_what_was_kept_is_on_the_disk_although_something_else_cannot_be_kept(
    settings: Settings, ollama: ScriptedOllama, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise DatabaseFull

    with recording() as record, running(settings) as app:
        services: Services = app.extensions["insight"]
        monkeypatch.setattr(services.conversations, "checkpoint", refuse)
        visitor = Visitor(app.test_client())
        visitor.open("/")
        ollama.script("What cannot be kept.", silence)
        reply = services.replies.get(visitor.ask("First"))
        assert reply is not None
        while "kept" not in reply.answer.since(0):
            assert reply.wait(reply.version, 5)
        services.conversations.ask("Second", model="m")
        until = time.monotonic() + 5
        while "Second" not in kept(record.disk(tmp_path / "insight.db", tmp_path / "after.db", len(record.events))):
            assert time.monotonic() < until


@pytest.mark.parametrize("mode", ["NORMAL", "FULL"])
def test_the_cut_finds_what_is_not_synced(tmp_path: Path, mode: str) -> None:
    """The test of the test: SQLite's usual way loses what it said was kept."""
    file = tmp_path / "one.db"
    with recording() as record, closing(sqlite3.connect(file, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute(f"PRAGMA synchronous={mode}")
        database.execute("CREATE TABLE messages (id INTEGER PRIMARY KEY, text TEXT)")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.execute("INSERT INTO messages (text) VALUES ('kept?')")
        found = kept(record.disk(file, tmp_path / "after.db", len(record.events)))
    assert found == (["kept?"] if mode == "FULL" else [])
