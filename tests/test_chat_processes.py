"""Pages and rates where an answer is written by a process that is not known just now."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from own_app import Start
from own_redis import OwnRedis
from scripted_ollama import ScriptedOllama
from visitor import Visitor

from insight_app.chat.messages import Outcome, State
from insight_app.limits.rates import limiter
from insight_app.services import Services


def test_a_page_of_an_answer_that_nobody_knows_stays_open_until_somebody_does(
    visitor: Visitor, services: Services
) -> None:
    prompt, answer = services.conversations.ask("Hi", model="")
    assert answer is not None
    services.conversations.checkpoint([(answer.id, 0, "", "Kept.\n\nHalf of")])
    page = visitor.open(f"/c/{prompt.conversation_id}")
    assert "<p>Kept.</p>" in page
    assert "Half of" in page
    assert f"/answers/{answer.id}/stream?from=-" in page
    said = visitor.watch(answer.id)
    assert said.startswith(":")
    assert "done" not in said  # so it connects again
    reply = services.replies.open(answer.id, prompt.conversation_id, "m")
    reply.begin_with("", "Kept.\n\nHalf of it.")
    drawn = visitor.client.get(f"/answers/{answer.id}/stream?from=-").text
    assert "Half of it." in drawn
    assert 'hx-swap="outerHTML' in drawn
    services.replies.close(reply)
    services.conversations.finish(answer.id, Outcome(State.DONE, "Kept.\n\nHalf of it."))
    assert "event: done" in visitor.watch(answer.id)


def test_who_was_taken_for_dead_overwrites_nothing(services: Services) -> None:
    store = services.conversations
    _, answer = store.ask("Hi", model="")
    assert answer is not None
    store.checkpoint([(answer.id, 0, "", "so far")])
    assert store.left_behind(answer.id) is not None  # another process goes on with it
    store.checkpoint([(answer.id, 0, "", "late")])
    store.finish(answer.id, Outcome(State.DONE, "late"))
    assert store.message(answer.id).text == "so far"
    store.checkpoint([(answer.id, 1, "", "so far, and on")])
    store.finish(answer.id, Outcome(State.DONE, "the end"), 1)
    store.finish(answer.id, Outcome(State.FAILED, "twice"), 1)
    assert (store.message(answer.id).text, store.message(answer.id).state) == ("the end", State.DONE)
    assert store.left_behind(answer.id) is None


@pytest.fixture
def pair(redis: OwnRedis, start: Start) -> tuple[Flask, Flask]:
    """Two processes' apps, as far as they share anything."""
    shared = {"redis_url": redis.url, "send_rate_limit": "3 per minute"}
    return start(**shared), start(**shared)


def sends(client: FlaskClient) -> int:
    """The status that a prompt gets; its answer is read to the end."""
    with client.post("/api/chat", json={"message": "Hi"}) as response:
        response.get_data()
    return response.status_code


def test_rates_are_counted_by_all_processes_together(
    pair: tuple[Flask, Flask], redis: OwnRedis, ollama: ScriptedOllama
) -> None:
    sent = [sends(app.test_client()) for app in (*pair, *pair)]
    assert sent == [200, 200, 200, 429]
    assert redis.client.keys("insight:rates*")


def test_rates_are_counted_still_where_redis_is_gone(
    pair: tuple[Flask, Flask], redis: OwnRedis, ollama: ScriptedOllama
) -> None:
    client = pair[1].test_client()
    assert "insight_redis_up 1.0" in client.get("/metrics").text
    redis.stop()
    sent = [sends(client) for _ in range(4)]
    assert sent == [503, 503, 503, 429]
    while "insight_redis_up 0.0" not in client.get("/metrics").text:
        pass  # until it was needed


@pytest.fixture(autouse=True)
def forget_the_storage() -> Iterator[None]:
    """Flask-Limiter's object is one for all apps of a process."""
    yield
    limiter._storage_dead = False
    limiter._in_memory_fallback_enabled = False
