"""Postgres is away while people and programs ask and follow: nothing is lost, and nobody who is in is put out."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from chat_page import free_port, started, wait_for
from faults_seen import plain, waits_for, written
from flask import Flask
from own_app import running
from own_postgres import OwnPostgres
from people import BOB, add_people, signed_in
from scripted_ollama import ScriptedOllama, gate
from steady_ollama import children
from test_accounts_keys import asks, id_of
from test_chat_replies import until
from visitor import Visitor

from insight_app.accounts.entries import Entry
from insight_app.accounts.people import Role
from insight_app.accounts.store import AccountStore
from insight_app.accounts.tokens import Scope
from insight_app.chat.messages import State
from insight_app.config import Settings
from insight_app.errors import DatabaseAway, EmailTaken
from insight_app.services import Services
from insight_app.storage.database import Database


@pytest.fixture(scope="module")
def own() -> Iterator[OwnPostgres]:
    """One that may be stopped."""
    with OwnPostgres() as found:
        yield found


@pytest.fixture
def there(settings: Settings, own: OwnPostgres) -> Iterator[Flask]:
    url = own.url(own.create())
    with running(replace(settings, database_url=url, auth_mode="accounts", engine_wait_seconds=60)) as app:
        add_people(app.extensions["insight"])
        yield app


def services_of(app: Flask) -> Services:
    found: Services = app.extensions["insight"]
    return found


def test_postgres_may_be_restarted_in_mid_answer(
    there: Flask, own: OwnPostgres, ollama: ScriptedOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages and programs that follow it notice nothing; what is sent meanwhile comes back on a page."""
    services, bob = services_of(there), signed_in(there, BOB)
    key = services.accounts.keys.make(id_of(services, BOB), "a program", [Scope.CHAT], time.time() + 3600)
    in_vain: set[Entry] = set()
    look = services.accounts.entries._look

    def watched(entry: Entry) -> bool:
        try:
            return look(entry)
        except DatabaseAway:
            in_vain.add(entry)
            raise

    monkeypatch.setattr(services.accounts.entries, "_look", watched)
    goes_on, heard = threading.Event(), list[str]()
    answers = [ollama.script("first ", gate(goes_on), "second") for _ in range(2)]
    answer_id = bob.ask("Hi")
    assert answers[0].asked.wait(5)
    followers = [
        threading.Thread(target=follow, daemon=True)
        for follow in (
            lambda: heard.append(bob.watch(answer_id)),
            lambda: heard.append(asks(there.test_client(), key).text),
        )
    ]
    for follower in followers:
        follower.start()
    assert answers[1].asked.wait(5)
    other = Visitor(bob.client)
    other.open("/")
    own.stop()
    until(lambda: len(in_vain) == 2)  # whether they may still be here
    refused = other.send("/messages", message="Keep <this>", key=other.field("key"))
    assert refused.status_code == DatabaseAway.status
    assert str(DatabaseAway()) in plain(refused.text)
    assert "Keep &lt;this&gt;</textarea>" in refused.text
    goes_on.set()
    until(lambda: all("second" in str(reply.answer) for reply in services.replies.here()))
    own.start()
    for follower in followers:
        follower.join(10)
    assert "first second" in heard
    assert 'data-state="done"' in max(heard, key=len)
    written(answer_id)
    kept = services.conversations.message(answer_id)
    assert (kept.state, kept.text) == (State.DONE, "first second")
    assert services.metrics.faults._value.get() == 0


@pytest.mark.parametrize("at", ["rules", "conversations"])
def test_an_answer_that_cannot_begin_without_the_database_begins_when_it_is_back(
    at: str, there: Flask, own: OwnPostgres, ollama: ScriptedOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    services, bob = services_of(there), signed_in(there, BOB)
    place, name = (services.rules, "version") if at == "rules" else (services.conversations, "instructions")
    asked, begun = getattr(place, name), services.answering.conversing._take

    def stopped_before(*of: object) -> object:
        monkeypatch.setattr(place, name, asked)
        own.stop()
        return asked(*of)

    def begin(*of: Any) -> Any:
        monkeypatch.setattr(services.answering.conversing, "_take", begun)
        monkeypatch.setattr(place, name, stopped_before)
        return begun(*of)

    monkeypatch.setattr(services.answering.conversing, "_take", begin)
    ollama.script("Here it is.")
    assert bob.send("/messages", message="Hi", key=bob.field("key")).status_code == 303
    (reply,) = services.replies.here()
    waits_for(services, reply.id, DatabaseAway.code)
    own.start()
    written(reply.id)
    kept = services.conversations.message(reply.id)
    assert (kept.state, kept.text, kept.problem) == (State.DONE, "Here it is.", "")


def test_an_address_that_has_an_account_already_comes_into_no_log_of_postgres(own: OwnPostgres) -> None:
    """It would quote a row that cannot be, whatever it is told to log."""
    with closing(Database(own.url(own.create()))) as database:
        database.bring_up_to_date()
        accounts = AccountStore(database)
        accounts.create("kanarienvogel@example.org", Role.MEMBER, subject="kanarienvogel")
        for email, subject in (("kanarienvogel@example.org", None), ("other@example.org", "kanarienvogel")):
            with pytest.raises(EmailTaken):
                accounts.create(email, Role.MEMBER, subject=subject)
    assert "kanarienvogel" not in (own.folder / "log").read_text()


def test_a_worker_that_dies_while_postgres_is_away_does_not_take_the_server_with_it(
    tmp_path: Path, own: OwnPostgres, ollama: ScriptedOllama
) -> None:
    """gunicorn starts another one, which cannot begin yet, and another one, until one can."""
    port = free_port()
    server = started(tmp_path, port, DATABASE_URL=own.url(own.create()), OLLAMA_BASE_URL=ollama.url)
    try:
        own.stop()
        (worker,) = children(server.pid)
        os.kill(worker, signal.SIGKILL)
        until(lambda: (tmp_path / "server.log").read_text().count('"cannot start"'), 20)
        own.start()
        wait_for(f"http://127.0.0.1:{port}/readyz", server)
    finally:
        server.terminate()
        server.wait(timeout=20)
