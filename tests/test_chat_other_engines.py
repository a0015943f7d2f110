"""The app with ENGINE=openai: what pages say, who stands in, and answers that a server cannot go on with."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from faults_seen import plain
from flask import Flask
from own_app import running
from scripted_ollama import ScriptedOllama, status
from scripted_openai import ScriptedOpenAI
from visitor import Visitor

from insight_app.chat.conversing import GO_ON
from insight_app.chat.messages import State
from insight_app.config import Settings
from insight_app.errors import ServerStopped

KEY = "sk-canary-3b91"
SO_FAR = "One, two, thr"


@pytest.fixture
def server() -> Iterator[ScriptedOpenAI]:
    with ScriptedOpenAI(make="", models=["a/model"]) as server:
        yield server


@pytest.fixture
def settings(settings: Settings, server: ScriptedOpenAI) -> Settings:
    return replace(settings, engine="openai", openai_base_url=server.url, openai_api_key=KEY)


def left_behind(settings: Settings) -> int:
    """An answer that a server which is gone had begun."""
    with running(settings) as app:
        store = app.extensions["insight"].conversations
        _, answer = store.ask("Count to ten.", model="")
        assert answer is not None
        store.checkpoint([(answer.id, 0, "", SO_FAR)])
        return answer.id


def test_an_answer_that_the_server_cannot_go_on_with_is_interrupted_and_goes_on_when_asked(
    settings: Settings, server: ScriptedOpenAI
) -> None:
    answer_id = left_behind(settings)
    with running(settings) as app:
        visitor = Visitor(app.test_client())
        store = app.extensions["insight"].conversations
        visitor.watch(answer_id)
        answer = store.message(answer_id)
        assert (answer.state, answer.text, answer.problem) == (State.INTERRUPTED, SO_FAR, ServerStopped.code)
        assert server.chats() == []
        page = visitor.open(f"/c/{answer.conversation_id}")
        assert all(f'type="submit">{button}<' in page for button in ("Continue", "Try again"))
        server.script("ee, four.")
        visitor.send(f"/answers/{answer_id}/continue")
        page = visitor.open(f"/c/{answer.conversation_id}")
        assert "three" in visitor.watch(answer_id + 1) + page
        kept = store.message(answer_id + 1)
        assert (kept.state, kept.text) == (State.DONE, SO_FAR + "ee, four.")
        assert [turn["content"] for turn in server.talks()[0]] == ["Count to ten.", SO_FAR, GO_ON]


def test_an_answer_that_a_server_can_go_on_with_is_carried_on_unasked(
    settings: Settings, server: ScriptedOpenAI
) -> None:
    server.make = "vllm"
    answer_id = left_behind(settings)
    server.script("ee, four.")
    with running(settings) as app:
        Visitor(app.test_client()).watch(answer_id)
        assert app.extensions["insight"].conversations.message(answer_id).text == SO_FAR + "ee, four."
    assert [turn["content"] for turn in server.talks()[0]] == ["Count to ten.", SO_FAR]


def test_pages_say_which_engine_is_not_there_and_never_speak_of_ollama(
    visitor: Visitor, app: Flask, server: ScriptedOpenAI
) -> None:
    server.close()
    app.extensions["insight"].engine.look()
    page = plain(visitor.open("/"))
    assert f"No engine answers at {server.url}. Start the model server, or correct OPENAI_BASE_URL" in page
    assert "Ollama" not in page
    assert KEY not in page


def test_a_key_that_is_refused_is_said_to_be_so_and_never_shown(
    visitor: Visitor, app: Flask, server: ScriptedOpenAI, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    server.script(status(401, {"error": {"message": f"Invalid API Key {KEY}"}}))
    visitor.asks_and_waits("Hi")
    assert "Check OPENAI_API_KEY" in plain(visitor.page)
    said = capsys.readouterr()
    assert KEY not in visitor.page + said.out + said.err + repr(settings)


def test_the_built_in_model_stands_in_until_the_server_is_there(
    settings: Settings, server: ScriptedOpenAI, ollama: ScriptedOllama
) -> None:
    server.close()
    with running(replace(settings, embedded_base_url=ollama.url)) as app:
        visitor = Visitor(app.test_client())
        page = plain(visitor.open("/"))
        assert "A small built-in model answers." in page
        assert "The model server is used as soon as it is there" in page
        assert "ollama" not in page.lower()
        visitor.asks_and_waits("Hi")
        assert len(ollama.chats()) == 1
        with ScriptedOpenAI(make="", models=["a/model"], port=server.port) as back:
            app.extensions["insight"].engine.look()
            visitor.open("/")
            visitor.asks_and_waits("Hi")
            assert len(back.chats()) == 1


@pytest.mark.parametrize(
    ("url", "key", "warned"),
    [
        ("http://models.example.org", KEY, True),
        ("https://models.example.org", KEY, False),
        ("http://models.example.org", "", False),
        ("http://127.0.0.1:9", KEY, False),
    ],
)
def test_a_key_that_goes_over_a_network_as_it_is_is_warned_of(
    settings: Settings, capsys: pytest.CaptureFixture[str], tmp_path: Path, url: str, key: str, warned: bool
) -> None:
    assert replace(settings, openai_base_url=url, openai_api_key=key).key_is_open is warned
    if warned:
        with running(replace(settings, openai_base_url="http://localhost.localdomain:9", openai_api_key=KEY)):
            pass
        lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
        assert [line["level"] for line in lines if "OPENAI_API_KEY" in line["event"]] == ["warning"]
