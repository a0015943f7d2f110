"""POST /api/chat, as a program uses it."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from flask.testing import FlaskClient
from scripted_ollama import ScriptedOllama, error, gate, silence, status, thinking

from insight_app.services import Services


def test_the_answer_is_the_body_as_plain_text(client: FlaskClient, ollama: ScriptedOllama) -> None:
    ollama.script("Hello ", "you.")
    response = client.post("/api/chat", json={"message": "Hi"})
    assert response.status_code == 200
    assert response.content_type == "text/plain; charset=utf-8"
    assert response.text == "Hello you."


def test_chunks_arrive_before_the_engine_has_ended(client: FlaskClient, ollama: ScriptedOllama) -> None:
    opened = threading.Event()
    ollama.script("first ", gate(opened), "last")
    response = client.post("/api/chat", json={"message": "Hi"}, buffered=False)
    chunks = iter(response.response)
    assert next(chunks) == b"first "
    opened.set()
    assert b"".join(chunks) == b"last"  # type: ignore[arg-type]


def test_a_conversation_goes_on_by_its_id(client: FlaskClient, ollama: ScriptedOllama) -> None:
    ollama.script("one")
    first = client.post("/api/chat", json={"message": "a"})
    assert first.text == "one"
    ollama.script("two")
    conversation = first.headers["X-Conversation-Id"]
    second = client.post("/api/chat", json={"message": "b", "conversation_id": conversation})
    assert second.text == "two"
    assert [turn["content"] for turn in ollama.talks()[1]] == ["a", "one", "b"]
    assert "two" in client.get(f"/c/{conversation}").text


def test_who_accepts_events_gets_events(client: FlaskClient, ollama: ScriptedOllama) -> None:
    ollama.script(thinking("hm"), "line\nbreak")
    response = client.post("/api/chat", json={"message": "Hi"}, headers={"Accept": "text/event-stream"})
    assert response.content_type.startswith("text/event-stream")
    said = [json.loads(line[6:]) for line in response.text.split("\n") if line.startswith("data: ")]
    assert "".join(each.get("thinking", "") for each in said) == "hm"
    assert "".join(each.get("text", "") for each in said) == "line\nbreak"
    assert said[-1]["state"] == "done"
    assert said[-1]["conversation_id"] == response.headers["X-Conversation-Id"]


@pytest.mark.parametrize(
    "sent",
    [
        {"json": {}},
        {"json": []},
        {"json": {"message": 3}},
        {"json": {"message": "a", "conversation_id": 3}},
        {"json": {"message": "a", "model": ["m"]}},
        {"data": "{not json", "content_type": "application/json"},
        {"data": "[" * 200_000, "content_type": "application/json"},
        {"data": "message=a"},
        {"data": '{"message": "a"}', "content_type": "text/plain"},
    ],
)
def test_what_is_no_chat_is_refused_with_a_hint(client: FlaskClient, sent: dict[str, Any]) -> None:
    response = client.post("/api/chat", **sent)
    assert response.status_code == 400
    assert response.json is not None
    assert response.json["error"]["code"] == "not_a_chat"
    assert "Content-Type: application/json" in response.json["error"]["message"]


@pytest.mark.parametrize(("message", "code"), [("  ", 422), ("x" * 200_000, 413)])
def test_a_prompt_that_cannot_be_sent_is_refused(client: FlaskClient, message: str, code: int) -> None:
    assert client.post("/api/chat", json={"message": message}).status_code == code


def test_lone_surrogates_are_replaced(client: FlaskClient, ollama: ScriptedOllama) -> None:
    client.post("/api/chat", data='{"message": "a\\ud800b\\u0000"}', content_type="application/json")
    assert ollama.talks()[0][0]["content"] == "a\ufffdb\ufffd"


def test_an_unknown_conversation_is_a_404_in_json(client: FlaskClient) -> None:
    response = client.post("/api/chat", json={"message": "a", "conversation_id": "nothing"})
    assert response.status_code == 404
    assert response.json is not None
    assert response.json["error"]["code"] == "not_there"


def test_a_model_that_is_not_there_is_told_before_anything_is_kept(
    client: FlaskClient, ollama: ScriptedOllama, services: Services
) -> None:
    response = client.post("/api/chat", json={"message": "a", "model": "nobody"})
    assert response.status_code == 404
    assert response.json is not None
    assert response.json["error"]["code"] == "model_missing"
    assert not services.conversations.newest_conversations().conversations
    assert not ollama.chats()


def test_an_engine_error_before_the_first_word_has_a_status(client: FlaskClient, ollama: ScriptedOllama) -> None:
    ollama.script(status(503, {"error": "server busy"}))
    response = client.post("/api/chat", json={"message": "a"})
    assert response.status_code == 503
    kept = client.get(f"/api/answers/{response.headers['X-Answer-Id']}").json
    assert (kept["state"], kept["conversation_id"]) == ("failed", response.headers["X-Conversation-Id"])
    assert response.json is not None
    assert response.json["error"]["code"] == "engine_busy"


def test_an_engine_error_in_mid_answer_is_told_in_the_text(client: FlaskClient, ollama: ScriptedOllama) -> None:
    ollama.script("half", error("an error of its own"))
    text = client.post("/api/chat", json={"message": "a"}).text
    assert text.startswith("half")
    assert "[The engine had an error of its own." in text


def test_a_page_of_another_site_cannot_use_it(client: FlaskClient, ollama: ScriptedOllama) -> None:
    for header in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://evil.example"}, {"Origin": "null"}):
        assert client.post("/api/chat", json={"message": "a"}, headers=header).status_code == 403
    assert not ollama.chats()


def test_a_program_that_goes_away_ends_its_answer(client: FlaskClient, ollama: ScriptedOllama) -> None:
    answer = ollama.script("some", silence)
    response = client.post("/api/chat", json={"message": "a"}, buffered=False)
    assert next(iter(response.response)) == b"some"
    response.close()
    assert answer.client_gone.wait(5)


def test_a_get_is_told_how_to_ask(client: FlaskClient) -> None:
    assert client.get("/api/chat").status_code == 405


def test_two_answers_at_once_in_one_conversation_are_refused(
    client: FlaskClient, ollama: ScriptedOllama, services: Services
) -> None:
    ollama.script("some", silence)
    first = client.post("/api/chat", json={"message": "a"}, buffered=False)
    chunks = iter(first.response)
    next(chunks)
    second = client.post("/api/chat", json={"message": "b", "conversation_id": first.headers["X-Conversation-Id"]})
    assert second.status_code == 409
    first.close()


def test_an_answer_can_be_read_while_it_is_written_and_when_it_is_over(
    client: FlaskClient, ollama: ScriptedOllama
) -> None:
    opened = threading.Event()
    ollama.script(thinking("hm"), "first ", gate(opened), "last")
    response = client.post("/api/chat", json={"message": "Hi"}, buffered=False)
    chunks = iter(response.response)
    next(chunks)
    home, answer_id = response.headers["X-Conversation-Id"], int(response.headers["X-Answer-Id"])
    about = {"id": answer_id, "conversation_id": home}
    assert client.get(f"/api/answers/{answer_id}").json == {**about, "state": "writing", "text": "first "}
    opened.set()
    assert b"".join(chunks) == b"last"  # type: ignore[arg-type]
    assert client.get(f"/api/answers/{answer_id}").json == {**about, "state": "done", "text": "first last"}


def test_what_is_no_answer_is_not_there(client: FlaskClient) -> None:
    answer_id = int(client.post("/api/chat", json={"message": "Hi"}).headers["X-Answer-Id"])
    for id in (answer_id - 1, answer_id + 1, 0, 2**63, 10**30, "-1", "1.0", "a"):
        response = client.get(f"/api/answers/{id}")
        assert response.status_code == 404, id
        assert response.json
        assert response.json["error"]["code"] in ("not_there", "temporary_over", "address_unknown"), id
