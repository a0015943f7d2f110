"""A model that would run on another machine is marked, never chosen unasked, and refused before it is sent a word."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from asking import events_of
from flask import Flask
from own_app import Start
from scripted_ollama import ScriptedOllama, line, status
from visitor import Visitor

from insight_app import errors
from insight_app.engines.base import Piece, Stop, Task, Turn
from insight_app.engines.fallback import Fallback
from insight_app.engines.ollama import Ollama
from insight_app.services import Services

HERE, CLOUD, ALIAS = "llama3.2:latest", "gpt-oss:120b-cloud", "mine:latest"
WORDS = "quetzalcoatl"


@pytest.fixture
def ollama() -> Iterator[ScriptedOllama]:
    with ScriptedOllama(models=[ALIAS, CLOUD, HERE], remote=[ALIAS, CLOUD]) as server:
        yield server


@pytest.fixture
def allowing(start: Start) -> Visitor:
    """A visitor of a server where models of other machines may be used."""
    return visitor_of(start(allow_remote_models=True))


def visitor_of(app: Flask) -> Visitor:
    visitor = Visitor(app.test_client())
    visitor.open("/")
    return visitor


def options(page: str) -> list[tuple[str, bool, str]]:
    """The picker's options: value, whether it can be chosen, and what it reads as."""
    found = re.findall(r'<option value="([^"]*)"([^>]*)>([^<]*)</option>', page)
    return [(html.unescape(value), "disabled" not in marks, html.unescape(text)) for value, marks, text in found]


def sent(server: ScriptedOllama) -> str:
    """Everything that the engine was asked with."""
    return json.dumps([request.body for request in server.requests])


def task(model: str = "") -> Task:
    return Task(model, (Turn("user", WORDS),))


def test_the_picker_marks_them_in_words_and_does_not_let_them_be_chosen(visitor: Visitor) -> None:
    assert options(visitor.page) == [
        (HERE, True, HERE),
        (ALIAS, False, f"{ALIAS} (runs on another machine, not allowed here)"),
        (CLOUD, False, f"{CLOUD} (runs on another machine, not allowed here)"),
    ]
    assert "Everything stays on this machine." in visitor.page


def test_where_they_are_allowed_they_are_marked_too_and_can_be_chosen(
    allowing: Visitor, ollama: ScriptedOllama
) -> None:
    assert options(allowing.page)[1:] == [
        (ALIAS, True, f"{ALIAS} (runs on another machine)"),
        (CLOUD, True, f"{CLOUD} (runs on another machine)"),
    ]
    assert "Everything stays on this machine." not in allowing.page
    ollama.script(line(message={"content": "From afar."}, remote_host="https://ollama.com:443", remote_model="x"))
    allowing.watch(allowing.ask("Hi", model=CLOUD))
    assert "From afar." in allowing.open(allowing.url)


@pytest.mark.parametrize("model", [CLOUD, ALIAS, "not-listed:cloud", "Not-Listed:1b-CLOUD", "mine"])
def test_the_page_refuses_it_before_a_word_is_sent(visitor: Visitor, ollama: ScriptedOllama, model: str) -> None:
    answer_id = visitor.ask(WORDS, model=model)
    visitor.watch(answer_id)
    assert f"The model “{model}” would run on another machine" in html.unescape(visitor.open(visitor.url))
    assert WORDS not in sent(ollama)


@pytest.mark.parametrize("fields", [{}, {"model": CLOUD}])
def test_another_try_is_refused_as_the_first_was(
    visitor: Visitor, ollama: ScriptedOllama, services: Services, fields: dict[str, str]
) -> None:
    first = visitor.ask(WORDS, model=CLOUD)
    visitor.watch(first)
    visitor.send(f"/answers/{first}/again", **fields)
    visitor.open(visitor.url)
    visitor.watch(first + 1)
    assert services.conversations.message(first + 1).problem == "model_elsewhere"
    assert WORDS not in sent(ollama)


@pytest.mark.parametrize("model", [CLOUD, ALIAS, "not-listed:cloud"])
def test_programs_are_refused_too(visitor: Visitor, ollama: ScriptedOllama, model: str) -> None:
    refused = visitor.client.post("/api/chat", json={"message": WORDS, "model": model})
    assert refused.status_code == 403
    assert refused.json["error"]["code"] == "model_elsewhere"
    assert WORDS not in sent(ollama)


def test_an_answer_that_a_dead_server_left_is_not_carried_on_elsewhere(
    start: Start, ollama: ScriptedOllama, app: Flask
) -> None:
    app.extensions["insight"].close()  # that server is gone; its database is still there
    store = app.extensions["insight"].conversations
    _, answer = store.ask(WORDS, model=CLOUD)
    store.checkpoint([(answer.id, 0, "", f"So far {WORDS}")])
    visitor = visitor_of(start())
    visitor.watch(answer.id)
    assert store.message(answer.id).problem == "model_elsewhere"
    assert WORDS not in sent(ollama)


def test_a_name_that_only_the_engine_knows_is_asked_about_before_the_prompt_is_sent(ollama: ScriptedOllama) -> None:
    engine = Ollama(ollama.url, silence_seconds=5)
    ollama.script(status(200, {"remote_model": "gpt-oss:120b"}), path="/api/show")
    with pytest.raises(errors.ModelElsewhere):
        list(engine.stream(task("registry.ollama.ai/library/mine"), Stop()))
    ollama.script(status(500, {"error": "no idea"}), path="/api/show")
    with pytest.raises(errors.EngineBroke):
        list(engine.stream(task("who-knows"), Stop()))
    assert WORDS not in sent(ollama)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"[" * 100_000, b'{"remote_host": ""}', b"\xff"])
def test_an_engine_that_tells_nothing_of_a_model_is_asked_as_before(ollama: ScriptedOllama, body: bytes) -> None:
    engine = Ollama(ollama.url, silence_seconds=5)
    ollama.script(status(200, body), path="/api/show")
    with pytest.raises(errors.ModelMissing):
        list(engine.stream(task("who-knows"), Stop()))


@pytest.mark.parametrize("named", [{"remote_host": "https://ollama.com:443"}, {"remote_model": "gpt-oss:120b"}])
def test_an_answer_that_comes_from_elsewhere_unexpectedly_is_broken_off(
    ollama: ScriptedOllama, named: dict[str, Any]
) -> None:
    engine = Ollama(ollama.url, silence_seconds=5)
    script = ollama.script("From here. ", line(message={"content": "From afar."}, **named), "More.")
    seen: list[Any] = []
    with pytest.raises(errors.RanElsewhere) as problem:
        seen.extend(event for event in events_of(engine, task(HERE)) if isinstance(event, Piece))
    assert "ran on another machine" in str(problem.value)
    assert "afar" not in repr(seen)
    assert script.over.wait(5)


def test_the_page_says_that_an_answer_came_from_elsewhere(visitor: Visitor, ollama: ScriptedOllama) -> None:
    ollama.script("Some words. ", line(message={"content": "From afar."}, remote_host="https://ollama.com:443"))
    visitor.asks_and_waits("Hi")
    assert "ran on another machine, though nothing said so before" in visitor.page
    assert "From afar." not in visitor.page


@pytest.mark.parametrize("is_allowed", [False, True])
def test_none_is_chosen_unasked(ollama: ScriptedOllama, is_allowed: bool) -> None:
    engine = Ollama(ollama.url, silence_seconds=5, may_run_elsewhere=is_allowed)
    fallback = Fallback([engine])
    fallback.look()
    assert next(iter(fallback.prepare("", task().options, Stop()))).model == HERE
    ollama.models.remove(HERE)
    fallback.look()
    with pytest.raises(errors.NoModel):
        list(events_of(fallback, task()))
    with pytest.raises(errors.NoModel):
        list(engine.stream(task(), Stop()))
    assert WORDS not in sent(ollama)


def test_where_there_are_no_others_the_page_still_chooses_none(allowing: Visitor, ollama: ScriptedOllama) -> None:
    ollama.models.remove(HERE)
    allowing.client.application.extensions["insight"].engine.look()
    assert options(allowing.open("/"))[0] == ("", True, "No model on this machine yet")
    assert options(allowing.page)[1][0] == ALIAS


@pytest.mark.parametrize(("is_allowed", "chosen"), [(False, HERE), (True, CLOUD)])
def test_who_sets_one_as_the_first_model_has_asked_for_it(
    ollama: ScriptedOllama, is_allowed: bool, chosen: str
) -> None:
    fallback = Fallback([Ollama(ollama.url, silence_seconds=5, may_run_elsewhere=is_allowed)], preferred=CLOUD)
    standing = fallback.look()
    assert standing.models[0].name == chosen
    assert next(iter(fallback.prepare("", task().options, Stop()))).model == chosen


def test_a_small_model_here_is_preferred_to_a_large_one_elsewhere(ollama: ScriptedOllama) -> None:
    ollama.models.remove(HERE)
    with ScriptedOllama(models=["small:latest"]) as small:
        engines = [Ollama(ollama.url, silence_seconds=5, may_run_elsewhere=True), Ollama(small.url, silence_seconds=5)]
        fallback = Fallback(engines)
        assert fallback.look().models[0].name == "small:latest"
        assert [type(event).__name__ for event in events_of(fallback, task())][-1] == "Done"
    assert WORDS not in sent(ollama)
