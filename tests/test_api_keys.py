"""Where people sign in, a program asks with a key of somebody's, for what it is for and for as long as it holds."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from scripted_ollama import ScriptedOllama, silence
from test_accounts_keys import made
from visitor import Visitor

from insight_app.accounts import entries
from insight_app.api import following

ASKED = {"messages": [{"role": "user", "content": "Hi"}]}
CHATS = {"/v1/chat/completions": {**ASKED, "stream": True}, "/api/chat": {"message": "Hi"}}


def ask(client: FlaskClient, key: str, path: str = "/v1/chat/completions", **more: Any) -> Any:
    return client.open(path, headers={"Authorization": f"Bearer {key}"} if key else {}, **more)


def test_without_a_key_or_with_a_wrong_one_there_is_no_answer(shared: Flask, ollama: ScriptedOllama) -> None:
    for key in ("", "isk_00000000_x"):
        for response in (
            ask(shared.test_client(), key, method="POST", json=ASKED),
            ask(shared.test_client(), key, "/v1/models"),
        ):
            assert (response.status_code, response.headers["WWW-Authenticate"]) == (401, "Bearer")
            assert response.json["error"]["type"] == "authentication_error"
            assert response.json["error"]["code"] == "key_refused"
    assert not ollama.chats()


def test_a_key_opens_what_it_is_for(shared: Flask, bob: Visitor) -> None:
    chat, models = made(bob, chat="y"), made(bob, models="y")
    client = shared.test_client()
    assert ask(client, chat, method="POST", json=ASKED).status_code == 200
    assert ask(client, models, "/v1/models").status_code == 200
    for response in (
        ask(client, models, method="POST", json=ASKED),
        ask(client, models, "/api/answers/1"),
        ask(client, chat, "/v1/models"),
    ):
        assert (response.status_code, response.json["error"]["code"]) == (403, "key_too_narrow")


def test_what_is_open_to_everybody_needs_no_key(shared: Flask) -> None:
    document = shared.test_client().get("/api/openapi.json").json
    assert document is not None
    assert document["security"] == [{"key": []}]


def test_the_page_says_where_keys_are_made(bob: Visitor) -> None:
    page = bob.open("/settings/api")
    assert 'href="/settings/account"' in page
    assert "no key is needed" not in page
    assert "YOUR_KEY" in page


@pytest.mark.parametrize("path", CHATS)
def test_a_key_that_is_revoked_ends_its_stream_with_a_clear_error(
    shared: Flask, bob: Visitor, ollama: ScriptedOllama, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entries, "FRESH_SECONDS", 0.0)
    monkeypatch.setattr(following, "LOOK_SECONDS", 0.02)
    key = made(bob, chat="y")
    answer = ollama.script("some", silence)
    response = ask(shared.test_client(), key, path, method="POST", json=CHATS[path], buffered=False)
    parts = iter(response.response)
    said = b""
    while b"some" not in said:
        said += next(parts)
    bob.open("/settings/account")
    assert bob.send(f"/settings/account/keys/{key.split('_')[1]}/revoke").status_code == 303
    rest = b"".join(parts)
    assert b"none came that holds" in rest
    assert b"[DONE]" not in rest
    assert answer.client_gone.wait(5)


def sent_by(visitor: Visitor, shared: Flask, ollama: ScriptedOllama, **more: Any) -> Any:
    response = ask(shared.test_client(), made(visitor, chat="y"), method="POST", json={**ASKED, **more})
    assert response.status_code == 200
    return ollama.chats()[-1]


def test_no_programs_of_members_have_a_model_loaded_anew_for_everybody(
    shared: Flask, alice: Visitor, bob: Visitor, ollama: ScriptedOllama
) -> None:
    wishes = {"num_ctx": 123_456, "keep_alive": 0, "temperature": 0.5}
    plain, wished = sent_by(bob, shared, ollama), sent_by(bob, shared, ollama, **wishes)
    assert wished["options"].pop("temperature") == 0.5
    assert wished["options"] == plain["options"]
    assert wished.get("keep_alive") == plain.get("keep_alive")
    by_admin = sent_by(alice, shared, ollama, **wishes)
    assert (by_admin["options"]["num_ctx"], by_admin["keep_alive"]) == (123_456, 0)
