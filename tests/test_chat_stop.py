"""Stop reaches the engine at once, whatever the answer is doing, and the answer keeps what was written."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest
from faults_of_engines import CANARY
from flask import Flask
from own_app import Start
from scripted_ollama import ScriptedOllama, Step, headers, silence, thinking
from visitor import Visitor

from insight_app.services import Services

# The product's promise is 0.2 s, and benchmarks of it belong to a quiet machine; one that is busy gets more.
AT_ONCE = 1.0
STAGES: dict[str, tuple[Sequence[Step], str]] = {
    "loading": ([silence], ""),
    "reading": ([silence], ""),
    "reading, with the headers sent": ([headers, silence], ""),
    "thinking": ([thinking("Let me see. "), silence], ""),
    "writing": ([f"It is {CANARY}", silence], f"It is {CANARY}"),
}


def reach(services: Services, answer_id: int, stage: str) -> None:
    """Waits until the answer is in that stage."""
    reply = services.replies.get(answer_id)
    assert reply is not None
    while reply.state.value != stage:
        assert reply.wait(reply.version, 5), f"still {reply.state}"


@pytest.mark.parametrize("stage", STAGES)
def test_stop_closes_the_engines_socket_at_once(
    stage: str,
    visitor: Visitor,
    ollama: ScriptedOllama,
    services: Services,
) -> None:
    steps, kept = STAGES[stage]
    if stage == "loading":
        ollama.loaded.clear()
    answer = ollama.script(*steps, path="/api/generate" if stage == "loading" else "/api/chat")
    answer_id = visitor.ask("Tell me all")
    assert answer.asked.wait(5)
    reach(services, answer_id, stage.partition(",")[0])
    visitor.open(visitor.url)
    asked = time.monotonic()
    assert visitor.send(f"/answers/{answer_id}/stop", htmx=True).status_code == 204
    assert answer.client_gone.wait(AT_ONCE)
    assert time.monotonic() - asked < AT_ONCE
    assert "Answer stopped" in visitor.watch(answer_id)
    page = visitor.open(visitor.url)
    assert 'data-state="stopped"' in page
    assert "You stopped this answer." in page
    assert services.conversations.message(answer_id).text == kept


@pytest.fixture
def one_at_a_time(start: Start) -> Flask:
    return start(max_concurrent_answers=1)


def test_stop_ends_an_answer_that_waits_for_its_turn_and_the_engine_never_hears_of_it(
    one_at_a_time: Flask, ollama: ScriptedOllama
) -> None:
    first, second = Visitor(one_at_a_time.test_client()), Visitor(one_at_a_time.test_client())
    first.open("/")
    second.open("/")
    running = ollama.script(silence)
    first_id = first.ask("One")
    assert running.asked.wait(5)
    second_id = second.ask("Two")
    reply = one_at_a_time.extensions["insight"].replies.get(second_id)
    asked = time.monotonic()
    second.send(f"/answers/{second_id}/stop")
    assert "Answer stopped" in second.watch(second_id)
    assert time.monotonic() - asked < AT_ONCE
    assert reply.state.value == "stopped"
    assert len(ollama.chats()) == 1
    assert not running.client_gone.is_set()
    first.send(f"/answers/{first_id}/stop")
    assert running.client_gone.wait(AT_ONCE)


def test_stop_ends_an_answer_that_waits_for_an_engine(start: Start, ollama: ScriptedOllama) -> None:
    ollama.close()
    app = start(engine_wait_seconds=60)
    visitor = Visitor(app.test_client())
    visitor.open("/")
    answer_id = visitor.ask("Anybody there?")
    reply = app.extensions["insight"].replies.get(answer_id)
    while not reply.activity.problem:
        assert reply.wait(reply.version, 5)
    asked = time.monotonic()
    visitor.send(f"/answers/{answer_id}/stop")
    assert "Answer stopped" in visitor.watch(answer_id)
    assert time.monotonic() - asked < AT_ONCE


def test_stop_twice_and_stop_too_late_change_nothing(visitor: Visitor, ollama: ScriptedOllama) -> None:
    ollama.script("All of it.")
    answer_id = visitor.asks_and_waits("Hi")
    for _ in range(2):
        assert visitor.send(f"/answers/{answer_id}/stop").status_code == 303
    page = visitor.open(visitor.url)
    assert 'data-state="done"' in page
    assert "All of it." in page
