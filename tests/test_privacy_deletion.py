"""Deleted means deleted: from the files of the database, from Redis and from memory, whichever way it was deleted."""

from __future__ import annotations

import os
import random
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from flask import Flask
from own_app import Start
from own_redis import OwnRedis
from people import BOB
from scripted_ollama import ScriptedOllama, gate, thinking
from sqlalchemy import text, update
from visitor import Visitor

from insight_app.chat import pages
from insight_app.chat.messages import Outcome, State
from insight_app.chat.reading import Read
from insight_app.config import Settings
from insight_app.services import Services
from insight_app.storage.product import TRACES
from insight_app.storage.tables import conversations, messages

WORDS = "xylophage"
RUNS = int(os.environ.get("DELETION_RUNS", "300"))


def places(folder: Path) -> list[str]:
    """The files below it that hold the words."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return [path.name for path in files if WORDS.encode() in path.read_bytes()]


def told(visitor: Visitor, ollama: ScriptedOllama, size: int = 1) -> int:
    """A conversation full of the words; the page is open."""
    ollama.script(thinking(f"{WORDS} thought"), f"{WORDS} answered. " * size)
    return visitor.asks_and_waits(f"{WORDS} asked. " * min(size, 500))


def delete_pair(visitor: Visitor, services: Services) -> None:
    path = services.conversations.tree(visitor.url.rpartition("/")[2]).path(None)
    visitor.send(f"/prompts/{path[0]}/delete")


def delete_conversation(visitor: Visitor, services: Services) -> None:
    visitor.send(visitor.url + "/delete", now="1")


def let_it_grow_old(visitor: Visitor, services: Services) -> None:
    services.personal.choose(keep_days=1)
    with services.database.writing() as connection:
        home = visitor.url.rpartition("/")[2]
        connection.execute(update(conversations).where(conversations.c.id == home).values(created_at=1.0))
        mine = messages.c.conversation_id == home
        connection.execute(update(messages).where(mine).values(created_at=1.0, finished_at=2.0))
    assert services.retention.prune() == 1


def delete_everything(visitor: Visitor, services: Services) -> None:
    assert visitor.send("/settings/privacy/delete").status_code == 303


KINDS = (delete_pair, delete_conversation, let_it_grow_old, delete_everything)
Deletion = Callable[[Visitor, Services], None]


@pytest.mark.parametrize("deletion", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("size", [1, 3000], ids=["a row", "many pages"])
def test_no_file_holds_a_word_of_what_was_deleted(
    deletion: Deletion, size: int, visitor: Visitor, ollama: ScriptedOllama, services: Services, settings: Settings
) -> None:
    for _ in range(3):  # other conversations around it, so that its pages are among others
        ollama.script("Something else. " * 50)
        visitor.open("/")
        visitor.asks_and_waits("Something else? " * 50)
    visitor.open("/")
    told(visitor, ollama, size)
    assert "insight.db" in " ".join(places(settings.data_dir))
    deletion(visitor, services)
    assert places(settings.data_dir) == []
    ollama.script("Others take its place. " * 200)
    visitor.open("/")
    visitor.asks_and_waits("Who takes its place? " * 200)
    assert places(settings.data_dir) == []


def talked_of_a_file(services: Services, owner: str = "", text: str = WORDS) -> str:
    """The address of a conversation with a prompt and an answer, and a file that went with it, of these words."""
    read = Read("text", "text/plain", f"{text} " * 50)
    file = services.attachments.add(owner, f"{text}.txt", 1, read)
    asked, answer = services.conversations.ask(f"{text}?", model="", owner=owner, attached=[file])
    assert answer is not None
    services.conversations.finish(answer.id, Outcome(State.DONE, f"{text}!"))
    return f"/c/{asked.conversation_id}"


@pytest.mark.parametrize("deletion", KINDS, ids=lambda kind: kind.__name__)
def test_no_index_holds_a_word_of_a_file_that_was_deleted(
    deletion: Deletion, visitor: Visitor, services: Services, settings: Settings
) -> None:
    for number in range(3):
        talked_of_a_file(services, text=f"other{number}")
    visitor.open(talked_of_a_file(services))
    assert "insight.db" in " ".join(places(settings.data_dir))
    deletion(visitor, services)
    assert places(settings.data_dir) == []


def test_no_file_holds_a_word_of_somebody_whose_account_was_deleted(shared: Flask, settings: Settings) -> None:
    services: Services = shared.extensions["insight"]
    bob = services.accounts.store.of_email(BOB)
    assert bob is not None
    talked_of_a_file(services, text="others")
    talked_of_a_file(services, owner=bob.id)
    assert places(settings.data_dir)
    services.delete_person(bob)
    assert places(settings.data_dir) == []


def test_words_leave_an_index_that_is_large_when_everything_is_written_anew(
    visitor: Visitor, services: Services, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FTS5 keeps what is deleted in its index, and to make a large one anew at once would hold up everybody."""
    services.pruning.close()
    monkeypatch.setattr("insight_app.storage.sqlite.LARGEST_AT_ONCE", 1)
    talked_of_a_file(services, text="others")
    visitor.open(talked_of_a_file(services))
    delete_conversation(visitor, services)
    assert places(settings.data_dir)
    services.pruning.look()
    assert places(settings.data_dir) == []


@pytest.mark.parametrize("what", ["title", "instructions"])
def test_no_file_holds_a_title_or_instructions_that_were_changed(
    what: str, visitor: Visitor, services: Services, settings: Settings
) -> None:
    services.pruning.close()
    visitor.asks_and_waits("Hi")
    home = visitor.url.rpartition("/")[2]
    change = services.conversations.rename if what == "title" else services.conversations.instruct
    change(home, f"Of the {WORDS}")
    assert places(settings.data_dir)
    change(home, "Of something else")
    services.pruning.look()
    assert places(settings.data_dir) == []


@pytest.mark.parametrize("deletion", [delete_conversation, delete_everything], ids=lambda kind: kind.__name__)
def test_a_conversation_of_more_messages_than_sqlite_follows_is_deleted(
    deletion: Deletion, visitor: Visitor, ollama: ScriptedOllama, services: Services
) -> None:
    told(visitor, ollama)
    home = visitor.url.rpartition("/")[2]
    with services.database.writing() as connection:
        last = connection.execute(text("SELECT max(id) FROM messages")).scalar() or 0
        rows = [{"id": last + 1 + n, "parent": last + n, "home": home, "words": WORDS} for n in range(3000)]
        connection.execute(
            text(
                "INSERT INTO messages (id, conversation_id, parent_id, role, state, text, created_at, thinking, model,"
                " choice, problem) VALUES (:id, :home, :parent, 'user', 'done', :words, 0, '', '', '', '')"
            ),
            rows,
        )
    deletion(visitor, services)
    with services.database.reading() as connection:
        assert connection.execute(text("SELECT count(*) FROM messages")).scalar() == 0


def test_who_reads_meanwhile_holds_up_the_log_only_until_they_are_done(
    visitor: Visitor, ollama: ScriptedOllama, services: Services, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("insight_app.storage.database.PATIENCE_SECONDS", 0.05)
    told(visitor, ollama)
    with services.database.reading() as connection:
        connection.execute(text("BEGIN"))
        connection.execute(text("SELECT count(*) FROM messages")).scalar()
        delete_conversation(visitor, services)
        assert services.database.has_log
        assert places(settings.data_dir)
    until = time.monotonic() + 5
    while services.database.has_log and time.monotonic() < until:
        services.pruning.look()
    assert places(settings.data_dir) == []


def test_no_trace_stays_where_sqlite_moved_rows_from_page_to_page(
    services: Services, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.pruning.close()
    store, by_chance = services.conversations, random.Random(1)
    kept: dict[str, str] = {}
    deleted: list[bytes] = []
    for number in range(RUNS):
        if by_chance.random() < 0.55 or not kept:
            word, home = f"{WORDS}{number:06d}", None
            for _ in range(by_chance.randint(1, 6)):
                size = int(10 ** by_chance.uniform(0, 4))
                prompt, answer = store.ask(f"{word} " * by_chance.choice([1, size]), model="", conversation_id=home)
                assert answer is not None
                home = prompt.conversation_id
                for length in range(by_chance.randint(0, 4)):
                    store.checkpoint([(answer.id, 0, word, f"{word} " * size * length)])
                store.finish(answer.id, Outcome(State.DONE, f"{word} " * size))
            assert home is not None
            kept[home] = word
        else:
            home = by_chance.choice(list(kept))
            deleted.append(kept.pop(home).encode())
            store.delete(home)
    assert services.database.forgotten() & TRACES
    services.pruning.look()
    assert not services.database.forgotten() & TRACES
    files = b"".join(path.read_bytes() for path in Path(settings.data_dir).rglob("*") if path.is_file())
    assert [word for word in deleted if word in files] == []
    assert all(word.encode() in files for word in kept.values())


def test_the_file_is_not_rewritten_while_somebody_is_answered(
    visitor: Visitor, ollama: ScriptedOllama, services: Services
) -> None:
    services.pruning.close()
    opened = threading.Event()
    ollama.script("Hm, ", gate(opened))
    answer = visitor.ask("Hi")
    services.database.forget()
    services.pruning.look()
    assert services.database.forgotten() & TRACES
    opened.set()
    visitor.watch(answer)
    services.pruning.look()
    assert not services.database.forgotten() & TRACES


def test_a_file_that_another_program_writes_is_rewritten_later(services: Services, settings: Settings) -> None:
    services.pruning.close()
    services.database.forget()
    with closing(sqlite3.connect(settings.data_dir / "insight.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        services.database.rewrite()
        assert services.database.forgotten() & TRACES
        other.execute("ROLLBACK")
    services.database.rewrite()
    assert not services.database.forgotten() & TRACES


def test_everything_is_everything(visitor: Visitor, ollama: ScriptedOllama, services: Services) -> None:
    services.personal.choose(keep_days=7, diagnostics_until=time.time() + 60)
    services.diagnostics.of("").look()
    told(visitor, ollama)
    visitor.send(visitor.url + "/pin", pinned="1")
    opened = threading.Event()
    ollama.script(f"{WORDS} and ", gate(opened))
    visitor.open("/")
    visitor.ask(f"{WORDS} still")
    assert list(services.diagnostics.of("").entries())
    done = visitor.send("/settings/privacy/delete")
    assert done.headers["Clear-Site-Data"] == '"storage"'
    assert f"insight-{services.settings.app_port}=;" in done.headers["Set-Cookie"]
    with services.database.reading() as connection:
        for table in ("conversations", "messages", "preferences"):
            assert connection.execute(text(f"SELECT count(*) FROM {table}")).scalar() == 0
    assert not list(services.diagnostics.of("").entries())
    until = time.monotonic() + 5
    while services.replies.here() and time.monotonic() < until:
        time.sleep(0.01)
    assert not services.replies.here()  # what was being written has ended
    assert "Everything about you is deleted." in visitor.open(done.location)


def test_drawn_texts_leave_the_memory_of_every_process(
    visitor: Visitor, ollama: ScriptedOllama, services: Services
) -> None:
    told(visitor, ollama)
    visitor.open(visitor.url)
    assert pages._finished.cache_info().currsize
    services.pruning.look()
    assert services.conversations.delete(visitor.url.rpartition("/")[2])  # as another process would
    visitor.open("/")
    services.pruning.look()
    assert not pages._finished.cache_info().currsize


@pytest.fixture
def pair(redis: OwnRedis, start: Start) -> tuple[Flask, Flask]:
    """Two processes' apps, as far as they share anything."""
    return start(redis_url=redis.url), start(redis_url=redis.url)


def texts(redis: OwnRedis) -> list[bytes]:
    """What Redis has of anybody's answer."""
    return list(redis.client.keys("insight:answer:*"))


def test_redis_forgets_at_once_what_is_being_written_elsewhere(
    pair: tuple[Flask, Flask], redis: OwnRedis, ollama: ScriptedOllama
) -> None:
    writer, other = (Visitor(app.test_client()) for app in pair)
    opened = threading.Event()
    ollama.script(f"{WORDS} and ", gate(opened))
    writer.open("/")
    answer = writer.ask("Hi")
    there: Services = pair[1].extensions["insight"]
    mirror = there.replies.get(answer)
    until = time.monotonic() + 5
    while not any(WORDS.encode() in (redis.client.get(key) or b"") for key in texts(redis)):
        assert time.monotonic() < until
    assert mirror is not None
    other.open(writer.url)
    other.send(writer.url + "/delete", now="1")
    here: Services = pair[0].extensions["insight"]
    while here.replies.here() and time.monotonic() < until:
        time.sleep(0.01)
    assert not here.replies.here()
    while not (mirror.ended or mirror.lost):
        assert time.monotonic() < until
        time.sleep(0.01)
    assert texts(redis) == []
    assert not redis.client.hkeys("insight:writing")
    assert there.replies.get(answer) is None


def test_redis_forgets_at_once_what_has_just_ended(
    pair: tuple[Flask, Flask], redis: OwnRedis, ollama: ScriptedOllama
) -> None:
    writer, other = (Visitor(app.test_client()) for app in pair)
    ollama.script(f"{WORDS}.")
    writer.open("/")
    writer.asks_and_waits("Hi")
    other.open(writer.url)
    other.send(writer.url + "/delete", now="1")
    assert texts(redis) == []
    late = pair[0].extensions["insight"].replies  # what its writer still had to say
    late._outbox._round()
    assert texts(redis) == []


def test_an_end_that_comes_after_the_deletion_changes_nothing(services: Services) -> None:
    _, answer = services.conversations.ask("Hi", model="")
    assert answer is not None
    services.conversations.delete(answer.conversation_id)
    services.conversations.finish(answer.id, Outcome(State.DONE, WORDS))
    assert services.conversations.unfinished() == []


def test_no_member_has_the_whole_file_written_anew_while_others_wait(
    shared: Flask, alice: Visitor, bob: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a second for each 70 MB nothing else goes on, and they may do it again and again."""
    services: Services = shared.extensions["insight"]
    services.pruning.close()
    rewritten: list[bool] = []
    monkeypatch.setattr(services.database, "rewrite", lambda *_: rewritten.append(True))
    bob.asks_and_waits("Hi")
    for visitor in (bob, alice):
        delete_everything(visitor, services)
    assert not rewritten
    assert services.database.forgotten() & TRACES  # it is done when nothing is being written, and seldom
