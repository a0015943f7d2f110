"""Who is signed out while an answer is written hears that at once, on every page; the answer goes on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from flask import Flask
from people import BOB
from scripted_ollama import ScriptedOllama, gate, silence
from sqlalchemy import update
from test_chat_replies import until
from visitor import Visitor

from insight_app.accounts.people import Account
from insight_app.accounts.tokens import Scope
from insight_app.chat.messages import State
from insight_app.services import Services
from insight_app.storage.tables import api_keys

WAYS: dict[str, Callable[[Services, Account], None]] = {
    "the session is ended": lambda services, bob: services.accounts.sessions.end_all(bob.id),
    "the account is switched off": lambda services, bob: services.accounts.store.change(bob.id, is_disabled=True),
    "the account is deleted": lambda services, bob: services.accounts.store.delete(bob.id),
}


@pytest.mark.parametrize("begun", [True, False], ids=["while it is written", "while it waits"])
@pytest.mark.parametrize("way", WAYS)
def test_the_stream_of_who_is_out_ends_and_says_so(
    shared: Flask, bob: Visitor, ollama: ScriptedOllama, way: str, begun: bool
) -> None:
    services: Services = shared.extensions["insight"]
    account = services.accounts.store.of_email(BOB)
    assert account
    opened, heard = threading.Event(), list[str]()
    ollama.script(*(["first "] if begun else []), gate(opened), "second")
    answer_id = bob.ask("Hi")
    reply = services.replies.get(answer_id)
    assert reply
    if begun:
        until(lambda: len(reply.answer))
    watching = threading.Thread(target=lambda: heard.append(bob.watch(answer_id)), daemon=True)
    watching.start()
    until(lambda: services.metrics.readers._value.get())
    at = time.monotonic()
    WAYS[way](services, account)
    watching.join(10)
    assert heard
    assert time.monotonic() - at < 5
    assert "You are not signed in here any more." in heard[0]
    assert 'href="/sign-in" target="_blank"' in heard[0]
    assert f'hx-target="#a{answer_id}-stream" hx-swap="delete' in heard[0]
    assert heard[0].rstrip().endswith("event: done\ndata:")  # or the page would connect again for ever
    assert ("first" in heard[0]) is begun
    assert "second" not in heard[0]
    assert not reply.ended
    opened.set()
    until(lambda: reply.ended)
    if way != "the account is deleted":
        answer = services.conversations.message(answer_id)
        assert (answer.state, answer.text) == (State.DONE, "first second" if begun else "second")


def test_the_stream_of_who_stays_goes_on(shared: Flask, alice: Visitor, bob: Visitor, ollama: ScriptedOllama) -> None:
    services: Services = shared.extensions["insight"]
    account = services.accounts.store.of_email(BOB)
    assert account
    opened, heard = threading.Event(), list[str]()
    ollama.script("first ", gate(opened), "second")
    answer_id = alice.ask("Hi")
    watching = threading.Thread(target=lambda: heard.append(alice.watch(answer_id)), daemon=True)
    watching.start()
    until(lambda: services.metrics.readers._value.get())
    services.accounts.sessions.end_all(account.id)
    assert bob.watch(answer_id).count("You are not signed in") == 1
    opened.set()
    watching.join(10)
    assert heard
    assert "second" in heard[0]
    assert "You are not signed in" not in heard[0]


@pytest.mark.parametrize("accept", ["text/plain", "text/event-stream"])
def test_a_key_that_expires_ends_its_stream_with_a_clear_error(
    shared: Flask, bob: Visitor, ollama: ScriptedOllama, accept: str
) -> None:
    services: Services = shared.extensions["insight"]
    account = services.accounts.store.of_email(BOB)
    assert account
    key = services.accounts.keys.make(account.id, "a program", [Scope.CHAT], time.time() + 3600)
    answer = ollama.script("first", silence)
    headers = {"Authorization": f"Bearer {key}", "Accept": accept}
    response = shared.test_client().post("/api/chat", json={"message": "Hi"}, headers=headers, buffered=False)
    parts = iter(response.response)
    said = b""
    while b"first" not in said:
        said += next(parts)
    with services.database.writing() as connection:  # the hour is over
        connection.execute(update(api_keys).values(expires_at=time.time() - 1))
    rest = b"".join(parts)
    assert b"none came that holds" in rest
    assert answer.client_gone.wait(5)
    assert shared.test_client().post("/api/chat", json={"message": "Hi"}, headers=headers).status_code == 401
