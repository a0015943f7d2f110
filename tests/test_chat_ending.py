"""A server that ends: it takes nothing new, lets what it writes end, and leaves the rest to the next one, whole."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from faults_seen import written
from flask import Flask
from own_app import running
from scripted_ollama import ScriptedOllama, gate, silence
from test_chat_replies import until
from visitor import Visitor

from insight_app.chat import answering, left_behind
from insight_app.chat.messages import State
from insight_app.config import Settings
from insight_app.errors import ServerEnding
from insight_app.services import Services


@contextmanager
def draining(services: Services, seconds: float = 30) -> Iterator[threading.Thread]:
    """The server was asked to end, for the block, at whose end it has ended."""
    drain = threading.Thread(target=services.drain, args=(seconds,))
    drain.start()
    while not services.draining:
        assert drain.is_alive()
    yield drain
    drain.join(20)
    assert not drain.is_alive()


def test_what_is_written_ends_and_nothing_new_begins(
    visitor: Visitor, ollama: ScriptedOllama, services: Services, app: Flask
) -> None:
    ends = threading.Event()
    answer = ollama.script("Half of it", gate(ends), " and the rest.")
    answer_id = visitor.ask("Hi")
    assert answer.asked.wait(5)
    other = Visitor(app.test_client())
    other.open("/")
    with draining(services) as drain:
        late_id = other.ask("On its way")
        for path, body in (
            ("/api/chat", {"message": "Hi"}),
            ("/v1/chat/completions", {"model": "llama3.2", "messages": [{"role": "user", "content": "Hi"}]}),
        ):
            program = other.client.post(path, json=body)
            assert (program.status_code, program.headers["Retry-After"]) == (503, "2")
            assert program.json["error"]["code"] == ServerEnding.code
        ready = other.client.get("/readyz")
        assert (ready.status_code, ready.json["ready"]) == (503, False)
        assert other.client.get("/healthz").status_code == 200
        assert drain.is_alive()
        ends.set()
        said = visitor.watch(answer_id)
        if "and the rest" not in said:  # the server was gone before the end was told, so the page connects again
            said = visitor.watch(answer_id)
        assert "Half of it and the rest." in said
    assert services.conversations.message(answer_id).state is State.DONE
    assert services.conversations.message(late_id).state is State.QUEUED  # the next server begins it
    assert len(ollama.chats()) == 1


def test_who_waits_in_line_waits_at_the_next_server(
    settings: Settings, ollama: ScriptedOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    one_at_a_time = replace(settings, max_concurrent_answers=1)
    ends = threading.Event()
    with running(one_at_a_time) as app:
        services: Services = app.extensions["insight"]
        begun = ollama.script("First.", gate(ends))
        first, second = Visitor(app.test_client()), Visitor(app.test_client())
        for each in (first, second):
            each.open("/")
        first_id = first.ask("One")
        assert begun.asked.wait(20)
        second_id = second.ask("Two")
        waiting = services.replies.get(second_id)
        assert waiting is not None
        while not waiting.activity.place:
            assert waiting.wait(waiting.version, 5)
        with draining(services):
            while not waiting.lost:
                assert waiting.wait(waiting.version, 5)
            assert "done" not in second.watch(second_id)  # so the page connects again
            ends.set()
            first.watch(first_id)
        for each in (first_id, second_id):
            written(each)
        assert services.metrics.live._value.get() == 0, "one that is written elsewhere counts as written here"
        assert services.conversations.message(first_id).state is State.DONE
        assert services.conversations.message(second_id).state is State.QUEUED
        assert len(ollama.chats()) == 1
    ollama.script("Second.")
    with running(one_at_a_time) as app:
        assert "Second." in Visitor(app.test_client()).watch(second_id)


def test_what_does_not_end_in_time_is_kept_to_the_last_character_that_was_seen(
    visitor: Visitor, ollama: ScriptedOllama, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering, "CHECKPOINT_SECONDS", 60)
    answer = ollama.script("So far, so 4111 1111 1111", silence)
    answer_id = visitor.ask("Hi")
    reply = services.replies.get(answer_id)
    assert reply is not None
    while "so " not in reply.answer.since(0):
        assert reply.wait(reply.version, 5)
    services.drain(0.01)
    services.close()
    services.close()
    assert answer.client_gone.wait(5)
    kept = services.conversations.message(answer_id)
    assert (kept.state.is_live, kept.problem, kept.text) == (True, "", reply.answer.since(0))
    assert "4111" not in kept.text  # what might become something that a rule masks was not let out by the end
    assert services.replies.here() == []


def test_a_program_is_told_that_its_server_ended_and_the_answer_goes_on(
    visitor: Visitor, ollama: ScriptedOllama, services: Services
) -> None:
    answer = ollama.script("So far", silence)
    response = visitor.client.post("/api/chat", json={"message": "Hi"})
    assert answer.asked.wait(5)
    chunks = iter(response.iter_encoded())
    assert next(chunks) == b"So far"
    services.close()
    assert b"The server was stopped before the end of the answer." in b"".join(chunks)
    assert services.conversations.message(int(response.headers["X-Answer-Id"])).state.is_live


def test_an_answer_that_nobody_writes_is_found_also_where_its_process_ended_later_than_this_one_began(
    services: Services, ollama: ScriptedOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(left_behind, "SUSPECT_SECONDS", 0.0)
    _, left = services.conversations.ask("Hi", model="llama3.2")
    assert left is not None
    ollama.script("Found.")
    until(lambda: services.conversations.message(left.id).state is State.DONE, seconds=60)
    assert services.conversations.message(left.id).text == "Found."


def test_who_learns_that_others_go_on_writes_no_more(
    visitor: Visitor, ollama: ScriptedOllama, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services.replies, "connected", lambda: False)
    answer = ollama.script("So far", silence)
    answer_id = visitor.ask("Hi")
    assert answer.asked.wait(5)
    assert services.conversations.left_behind(answer_id) is not None  # another process takes it
    assert answer.client_gone.wait(5)
    assert services.conversations.message(answer_id).state.is_live
