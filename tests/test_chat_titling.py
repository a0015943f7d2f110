"""Titles by the model: only when nobody waits, never at anybody's expense."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from own_app import Start
from scripted_ollama import ScriptedOllama, done, gate
from test_chat_replies import until
from visitor import Visitor

from insight_app.chat import titling
from insight_app.chat.titling import Titling, title_in
from insight_app.engines import ollama as ollama_engine
from insight_app.services import Services

PROMPT = "Could you please tell me how bread is baked?"


@pytest.fixture
def answer(visitor: Visitor) -> int:
    visitor.open("/")
    return visitor.asks_and_waits(PROMPT)


def titles(services: Services, is_idle: Callable[[], bool] = lambda: True) -> Titling:
    return Titling(services.engine, services.conversations, services.moderation, is_idle)


def title(services: Services, answer: int) -> tuple[str, str]:
    found = services.conversations.conversation(services.conversations.message(answer).conversation_id)
    return found.title, found.titled_by


def test_a_first_answer_gives_a_better_title_once(services: Services, ollama: ScriptedOllama, answer: int) -> None:
    ollama.script('"**Baking', ' Bread**"\n', "More words", done())
    assert titles(services)._title(answer)
    assert title(services, answer) == ("Baking Bread", "model")
    asked = ollama.chats()[-1]
    assert [turn["role"] for turn in asked["messages"]] == ["user", "assistant", "user"]
    assert asked["options"]["num_ctx"] == ollama.context
    before = len(ollama.chats())
    assert titles(services)._title(answer)
    assert len(ollama.chats()) == before


def test_it_gives_way_at_once_to_who_comes(services: Services, ollama: ScriptedOllama, answer: int) -> None:
    come, never = threading.Event(), threading.Event()
    script = ollama.script("Baking", gate(never), " Bread", done())
    result: list[bool] = []
    asking = threading.Thread(target=lambda: result.append(titles(services, lambda: not come.is_set())._title(answer)))
    before = len(ollama.chats())
    asking.start()
    until(lambda: len(ollama.chats()) > before)
    come.set()
    asking.join(5)
    assert result == [False]  # so that it is tried again
    assert title(services, answer)[1] == "words"
    never.set()
    assert script is not None


def test_it_never_loads_a_model(
    services: Services, ollama: ScriptedOllama, answer: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ollama_engine, "STILL_LOADED_SECONDS", -1.0)
    ollama.loaded.clear()
    before = len(ollama.requests)
    assert titles(services)._title(answer)
    assert {request.path for request in ollama.requests[before:]} <= {"/api/ps", "/api/tags", "/api/show"}
    assert title(services, answer)[1] == "words"


def test_who_named_it_keeps_that_name(
    services: Services, visitor: Visitor, ollama: ScriptedOllama, answer: int
) -> None:
    home = services.conversations.message(answer).conversation_id
    visitor.send(f"/c/{home}/edit", title="Mine")
    before = len(ollama.chats())
    assert titles(services)._title(answer)
    assert len(ollama.chats()) == before
    services.conversations.rename(home, "Mine")
    assert title(services, answer) == ("Mine", "person")


def test_a_rule_that_refuses_the_title_leaves_the_first_words(
    services: Services, visitor: Visitor, ollama: ScriptedOllama, answer: int
) -> None:
    visitor.open("/settings/moderation/rules/new")
    rule = {"name": "No", "kind": "words", "text": "zeppelin", "scope": "answers", "action": "refuse", "is_on": "y"}
    visitor.send("/settings/moderation/rules", **rule)
    ollama.script("Zeppelin flights", done())
    titles(services)._title(answer)
    assert title(services, answer) == (PROMPT, "words")


def test_the_title_goes_with_the_prompt_that_it_is_about(
    services: Services, ollama: ScriptedOllama, answer: int
) -> None:
    ollama.script("Baking Bread", done())
    titles(services)._title(answer)
    found = services.conversations.message(answer)
    services.conversations.delete_pair(services.conversations.message(answer - 1))
    assert services.conversations.conversation(found.conversation_id).title == "Nothing left"


def test_later_answers_temporary_chats_and_failed_ones_give_none(
    services: Services, visitor: Visitor, ollama: ScriptedOllama, answer: int
) -> None:
    later = visitor.asks_and_waits("And cake?")
    before = len(ollama.chats())
    found = titles(services)
    assert found._title(later)
    found.consider(2**40 + 1)
    assert not found._waiting
    assert len(ollama.chats()) == before


def test_a_server_with_titles_makes_them_by_itself(
    start: Start, ollama: ScriptedOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(titling, "LOOK_SECONDS", 0.01)
    app = start(titles="auto")
    visitor = Visitor(app.test_client())
    visitor.open("/")
    ollama.script("It rises.", done())
    ollama.script("Baking Bread", done())
    answer = visitor.asks_and_waits(PROMPT)
    until(lambda: title(app.extensions["insight"], answer)[1] == "model")
    ollama.script("Yes.", done())
    part = visitor.send(f"{visitor.url}/messages", htmx=True, message="And cake?", key="2").text
    assert "Baking Bread</a>" in part  # the list of the open page


@given(st.text(max_size=300))
def test_a_title_is_one_short_line_without_marks(said: str) -> None:
    found = title_in(said)
    assert len(found) <= 61
    assert "\n" not in found
    assert not set("*_`#<>") & set(found)
