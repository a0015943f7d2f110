"""Whoever answers is used, whoever comes back is used again, and nobody answers in another one's name."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from asking import events_of
from scripted_ollama import TEXT, ScriptedOllama, gate, status

from insight_app import errors
from insight_app.engines import fallback as module
from insight_app.engines.base import Done, Engine, Event, Model, Options, Piece, Stage, Stop, Task, Turn
from insight_app.engines.fallback import Fallback, Standing
from insight_app.engines.ollama import Ollama


def engine(url: str, name: str) -> Ollama:
    return Ollama(url, name=name, silence_seconds=5)


def task(model: str = "") -> Task:
    return Task(model, (Turn("user", "Hello?"),))


def answered_by(fallback: Fallback, model: str = "", stop: Stop | None = None) -> str:
    """The model that answered, by its own word."""
    events = list(events_of(fallback, task(model), stop or Stop()))
    assert isinstance(events[0], Stage)
    assert isinstance(events[-1], Done)
    return events[0].model


@pytest.fixture
def servers() -> Iterator[Callable[..., ScriptedOllama]]:
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(ScriptedOllama(**options))


@pytest.fixture
def both(servers: Any) -> tuple[ScriptedOllama, ScriptedOllama, Fallback]:
    """Ollama with two models, the small engine with its one, and what chooses between them."""
    ollama = servers(models=["qwen3:8b", "llama3.2:latest"])
    small = servers(models=["small:latest"])
    return ollama, small, Fallback([engine(ollama.url, "ollama"), engine(small.url, "embedded")])


class Told(Engine):
    """An engine that has what a test tells it to have, and tells when it was asked."""

    def __init__(self, name: str, *models: str) -> None:
        self.name, self.url = name, f"http://{name}"
        self.has: tuple[str, ...] | Exception = models
        self.asked = threading.Semaphore(0)

    def models(self) -> list[Model]:
        self.asked.release()
        if isinstance(self.has, Exception):
            raise self.has
        return [Model(name) for name in self.has]

    def prepare(self, model: str, options: Options, stop: Stop) -> Iterator[Stage]:
        if isinstance(self.has, errors.EngineError):
            raise self.has
        if not isinstance(self.has, tuple) or model not in self.has:
            raise errors.ModelMissing(model=model)
        yield Stage("reading", model)

    def stream(self, task: Task, stop: Stop) -> Iterator[Event]:
        yield Done("stop")


def test_nothing_is_known_before_anybody_looked(both: Any) -> None:
    *_, fallback = both
    assert fallback.standing == Standing()
    assert fallback.models() == []


def test_the_first_engine_answers_where_it_can(both: Any) -> None:
    ollama, small, fallback = both
    standing = fallback.look()
    assert (standing.engine_name, standing.url, standing.known) == ("ollama", ollama.url, True)
    assert standing.problem is None
    assert standing.passed_over is None
    assert answered_by(fallback) == "qwen3:8b"
    assert (fallback.name, fallback.url) == ("ollama", ollama.url)
    assert small.chats() == []


def test_the_models_of_all_that_answer_are_listed_the_first_engines_first(both: Any) -> None:
    *_, fallback = both
    fallback.look()
    assert [model.name for model in fallback.models()] == ["qwen3:8b", "llama3.2:latest", "small:latest"]


def test_a_model_that_both_have_is_the_first_engines(servers: Any) -> None:
    one, two = servers(models=["it:latest"]), servers(models=["it:latest"])
    one.capabilities["it:latest"] = ["completion", "thinking"]
    fallback = Fallback([engine(one.url, "one"), engine(two.url, "two")])
    assert [(model.name, len(model.abilities)) for model in fallback.look().models] == [("it:latest", 2)]
    answered_by(fallback, "it")
    assert (len(one.chats()), len(two.chats())) == (1, 0)


def test_the_second_engine_steps_in_and_it_is_said_why(both: Any) -> None:
    ollama, small, fallback = both
    ollama.close()
    standing = fallback.look()
    assert (standing.engine_name, standing.url, standing.problem) == ("embedded", small.url, None)
    assert isinstance(standing.passed_over, errors.EngineUnreachable)
    assert ollama.url in standing.passed_over.cause
    assert answered_by(fallback) == "small:latest"


def test_an_engine_without_a_model_is_passed_over(both: Any) -> None:
    ollama, _, fallback = both
    ollama.models.clear()
    standing = fallback.look()
    assert standing.engine_name == "embedded"
    assert isinstance(standing.passed_over, errors.NoModel)


def test_the_first_engine_is_used_again_as_soon_as_it_is_back(both: Any) -> None:
    ollama, _, fallback = both
    ollama.close()
    fallback.look()
    with ScriptedOllama(models=["qwen3:8b"], port=ollama.port):
        assert fallback.look().engine_name == "ollama"
        assert answered_by(fallback) == "qwen3:8b"


def test_the_very_first_prompt_is_answered_before_anybody_looked(both: Any) -> None:
    *_, fallback = both
    assert answered_by(fallback) == "qwen3:8b"


def test_a_prompt_is_answered_by_an_engine_that_came_since_the_last_look(both: Any) -> None:
    ollama, small, fallback = both
    ollama.close()
    small.close()
    assert fallback.look().engine_name == ""
    with ScriptedOllama(port=small.port):
        assert answered_by(fallback) == "llama3.2:latest"


def test_where_nobody_answers_the_error_names_the_first_engine(both: Any) -> None:
    ollama, small, fallback = both
    ollama.close()
    small.close()
    with pytest.raises(errors.EngineUnreachable, match=ollama.url):
        answered_by(fallback)
    assert isinstance(fallback.standing.problem, errors.EngineUnreachable)
    assert fallback.standing.passed_over is None
    assert fallback.standing.models == ()


def test_the_second_engine_answers_for_its_own_model_while_the_first_is_there(both: Any) -> None:
    *_, fallback = both
    assert answered_by(fallback, "small") == "small:latest"


@pytest.mark.parametrize("looked", [True, False])
def test_no_other_engine_answers_for_a_model_whose_engine_is_gone(both: Any, looked: bool) -> None:
    ollama, small, fallback = both
    fallback.look()
    ollama.close()
    if looked:
        fallback.look()
    with pytest.raises(errors.EngineUnreachable, match=ollama.url):
        answered_by(fallback, "llama3.2:latest")
    assert small.chats() == []


def test_a_model_that_nobody_has_is_missing(both: Any) -> None:
    *_, fallback = both
    with pytest.raises(errors.ModelMissing, match="ollama pull nothing"):
        answered_by(fallback, "nothing")


def test_a_missing_model_is_said_to_be_missing_where_the_first_engine_has_none(both: Any) -> None:
    ollama, _, fallback = both
    ollama.models.clear()
    with pytest.raises(errors.ModelMissing, match="nothing"):
        answered_by(fallback, "nothing")


def test_a_model_that_was_pulled_since_the_last_look_is_found(both: Any) -> None:
    ollama, _, fallback = both
    fallback.look()
    ollama.models.append("new:latest")
    assert answered_by(fallback, "new") == "new:latest"


def test_a_model_that_is_there_but_cannot_chat_is_said_to_be_unsuited(both: Any) -> None:
    ollama, _, fallback = both
    ollama.models.append("embed:latest")
    ollama.capabilities["embed:latest"] = ["embedding"]
    ollama.script(status(400, {"error": '"embed" does not support chat'}))
    with pytest.raises(errors.ModelUnsuited):
        answered_by(fallback, "embed")


@pytest.mark.parametrize("preferred", ["llama3.2", "llama3.2:latest", "LLAMA3.2"])
def test_the_preferred_model_comes_first(both: Any, preferred: str) -> None:
    ollama, small, _ = both
    fallback = Fallback([engine(ollama.url, "ollama"), engine(small.url, "embedded")], preferred)
    assert answered_by(fallback) == "llama3.2:latest"
    assert [model.name for model in fallback.models()] == ["llama3.2:latest", "qwen3:8b", "small:latest"]


def test_a_preferred_model_that_nobody_has_prevents_nothing(both: Any) -> None:
    ollama, small, _ = both
    fallback = Fallback([engine(ollama.url, "ollama"), engine(small.url, "embedded")], "nothing")
    assert answered_by(fallback) == "qwen3:8b"


def test_an_engine_that_is_too_busy_to_say_what_it_has_still_has_it() -> None:
    busy = Told("ollama", "a")
    fallback = Fallback([busy, Told("embedded", "b")])
    fallback.look()
    busy.has = errors.EngineSilent(seconds=1)
    assert fallback.look().engine_name == "ollama"
    busy.has = errors.EngineUnreachable(url="u")
    assert fallback.look().engine_name == "embedded"


def test_a_stop_reaches_the_engine(both: Any) -> None:
    ollama, _, fallback = both
    stop, never = Stop(), threading.Event()
    script = ollama.script("so far", gate(never))
    events = events_of(fallback, task(), stop)
    assert [next(events), next(events)][1] == Piece("so far")
    stop.ask()
    assert list(events) == []
    assert script.client_gone.wait(5)


def test_a_stop_before_the_start_sends_no_prompt(both: Any) -> None:
    ollama, _, fallback = both
    stop = Stop()
    stop.ask()
    assert list(events_of(fallback, task(), stop)) == []
    assert ollama.chats() == []


def test_the_thread_looks_when_it_is_started_and_when_it_is_woken() -> None:
    told = Told("ollama", "a")
    fallback = Fallback([told])
    fallback.start()
    try:
        assert told.asked.acquire(timeout=5)
        fallback.look_now()
        assert told.asked.acquire(timeout=5)
    finally:
        fallback.close()
    assert not any(thread.name == "engines" for thread in threading.enumerate())


@pytest.mark.parametrize("problem", [errors.EngineUnreachable(url="u"), errors.ModelMissing(model="a")])
def test_a_failed_answer_wakes_the_thread(problem: errors.EngineError) -> None:
    told = Told("ollama", "a")
    fallback = Fallback([told])
    fallback.start()
    try:
        assert told.asked.acquire(timeout=5)
        while not fallback.standing.known:
            pass
        told.has = problem
        with pytest.raises(type(problem)):
            list(events_of(fallback, task("a"), Stop()))
        assert told.asked.acquire(timeout=5)
    finally:
        fallback.close()


@pytest.mark.parametrize("second", [(), ("b",)])
def test_the_thread_looks_often_until_all_is_well(monkeypatch: pytest.MonkeyPatch, second: tuple[str, ...]) -> None:
    told = Told("ollama")
    fallback = Fallback([told, Told("embedded", *second)])
    monkeypatch.setattr(module, "LOOK_AGAIN_SECONDS", 0.001)
    fallback.start()
    try:
        for _ in range(5):
            assert told.asked.acquire(timeout=5)
        told.has = ("a",)
        while fallback.standing.engine_name != "ollama":
            assert told.asked.acquire(timeout=5)
    finally:
        fallback.close()


def test_a_fault_of_ours_does_not_end_the_looking(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    told = Told("ollama")
    told.has = RuntimeError("a bug")
    monkeypatch.setattr(
        module._log, "disabled", False
    )  # as reading a file of settings for logs leaves all that are there
    monkeypatch.setattr(module._log, "propagate", True)
    caplog.set_level("ERROR", logger=module._log.name)
    monkeypatch.setattr(module, "LOOK_AGAIN_SECONDS", 0.001)
    fallback = Fallback([told])
    fallback.start()
    try:
        for _ in range(3):
            assert told.asked.acquire(timeout=5)
    finally:
        fallback.close()
    assert "looking at the engines failed" in caplog.text


def test_an_error_that_was_kept_holds_no_frames(both: Any) -> None:
    ollama, small, fallback = both
    ollama.close()
    small.close()
    problem = fallback.look().problem
    assert problem is not None
    with pytest.raises(errors.EngineUnreachable) as caught:
        answered_by(fallback)
    kept = fallback.standing.problem
    assert kept is not None
    assert caught.value is not kept
    assert (kept.__traceback__, kept.__context__, problem.__traceback__) == (None, None, None)


def test_an_answer_of_the_scripted_server_is_whole(both: Any) -> None:
    *_, fallback = both
    events = list(events_of(fallback, task(), Stop()))
    assert [event.text for event in events if isinstance(event, Piece)] == [TEXT]


def test_what_nobody_has_is_known_before_it_is_asked_for(both: tuple[ScriptedOllama, ScriptedOllama, Fallback]) -> None:
    ollama, small, fallback = both
    for model in ("", "qwen3:8b", "llama3.2", "small", "far-cloud"):
        fallback.expect(model)
    with pytest.raises(errors.ModelMissing):
        fallback.expect("fresh:1b")
    small.models.append("fresh:1b")
    fallback.expect("fresh:1b")
    ollama.close()
    fallback.look()
    fallback.expect("")
    with pytest.raises(errors.ModelAway, match=f"“qwen3:8b” is not here, and no engine answers at {ollama.url}"):
        fallback.expect("qwen3:8b")  # it may be the one that has it
    small.models.clear()
    fallback.look()
    with pytest.raises(errors.EngineUnreachable):
        fallback.expect("")
    assert not ollama.chats()
    assert not small.chats()
