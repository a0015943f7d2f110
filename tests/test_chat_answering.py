"""Writers: what becomes of an answer when the database fails, or ends while a page is being made."""

from __future__ import annotations

import threading
from collections.abc import Collection
from typing import Any

import pytest
from flask import Flask
from scripted_ollama import ScriptedOllama, gate, silence
from sqlalchemy.exc import OperationalError
from test_chat_replies import until
from visitor import Visitor

from insight_app.chat import answering, pages
from insight_app.chat.messages import Message, Outcome, State
from insight_app.errors import DatabaseFull
from insight_app.services import Services


def test_an_answer_that_cannot_be_kept_stays_readable_until_it_can(
    visitor: Visitor, ollama: ScriptedOllama, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering, "CHECKPOINT_SECONDS", 0.01)
    failed, repaired = threading.Event(), threading.Event()
    finish = services.conversations.finish

    def full(*arguments: Any) -> None:
        if repaired.is_set():
            return finish(*arguments)
        failed.set()
        raise OperationalError("UPDATE", {}, OSError("disk full"))

    monkeypatch.setattr(services.conversations, "finish", full)
    ollama.script("Precious words.")
    answer_id = visitor.ask("Hi")
    assert failed.wait(5)
    assert "Precious words." in visitor.open(visitor.url)
    repaired.set()
    assert "Precious words." in visitor.watch(answer_id)
    assert services.conversations.message(answer_id).state is State.DONE
    assert services.conversations.message(answer_id).text == "Precious words."


def test_what_is_written_is_checkpointed_while_it_is_written(
    visitor: Visitor, ollama: ScriptedOllama, services: Services
) -> None:
    opened, kept = threading.Event(), threading.Event()
    checkpoint = services.conversations.checkpoint

    def watched(written: Any) -> None:
        checkpoint(written)
        kept.set()

    services.conversations.checkpoint = watched  # type: ignore[method-assign]
    ollama.script("Half of it", gate(opened), ".")
    answer_id = visitor.ask("Hi")
    assert kept.wait(10)
    assert services.conversations.message(answer_id).text.startswith("Half")
    opened.set()
    visitor.watch(answer_id)


def test_a_checkpoint_that_comes_late_does_not_shorten_a_finished_answer(services: Services) -> None:
    _, answer = services.conversations.ask("Hi", model="")
    assert answer is not None
    services.conversations.finish(answer.id, Outcome(State.DONE, "All of it."))
    services.conversations.checkpoint([(answer.id, 0, "", "All")])
    assert services.conversations.message(answer.id).text == "All of it."


def test_one_checkpoint_keeps_every_answer_that_is_being_written(services: Services) -> None:
    answers = [answer for _, answer in (services.conversations.ask("Hi", model="") for _ in range(3)) if answer]
    services.conversations.finish(answers[1].id, Outcome(State.DONE, "All of it."))
    services.conversations.checkpoint([(answer.id, 0, "Hm.", "Some") for answer in answers])
    kept = services.conversations.messages(answer.id for answer in answers)
    assert [(one.thinking, one.text) for one in kept] == [("Hm.", "Some"), ("", "All of it."), ("Hm.", "Some")]


def test_a_checkpoint_that_failed_is_made_again_although_nothing_came(
    visitor: Visitor, ollama: ScriptedOllama, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering, "CHECKPOINT_SECONDS", 0.01)
    opened, kept = threading.Event(), threading.Event()
    checkpoint, calls = services.conversations.checkpoint, []

    def fails_once(written: Any) -> None:
        calls.append(written)
        if len(calls) == 1:
            raise DatabaseFull
        checkpoint(written)
        kept.set()

    monkeypatch.setattr(services.conversations, "checkpoint", fails_once)
    ollama.script("Half of it", gate(opened), ".")
    answer_id = visitor.ask("Hi")
    assert kept.wait(5)
    assert services.conversations.message(answer_id).text == "Half of it"
    opened.set()
    visitor.watch(answer_id)


def test_answers_of_a_dead_process_go_on_later_where_they_could_not_at_once(
    services: Services, ollama: ScriptedOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [answer.id for _, answer in (services.conversations.ask("Hi", model="") for _ in range(2)) if answer]
    given, broken = [asked], threading.Event()
    left_behind = services.conversations.left_behind

    def orphans(suspects: Collection[int]) -> list[int]:
        return given.pop() if given else [each for each in suspects if services.replies.get(each) is None]

    def full(answer_id: int) -> Message | None:
        if not broken.is_set():
            broken.set()
            raise DatabaseFull
        return left_behind(answer_id)

    monkeypatch.setattr(services.replies, "orphans", orphans)
    monkeypatch.setattr(services.conversations, "left_behind", full)
    services.answering.left_behind.carry_on()
    assert broken.is_set()
    services.answering.left_behind.carry_on()
    for answer_id in asked:
        reply = services.replies.get(answer_id)
        while reply is not None and not reply.ended:
            assert reply.wait(reply.version, 5)
        assert services.conversations.message(answer_id).state is State.DONE


def test_an_answer_that_is_stopped_while_nobody_writes_it_ends_where_it_was(
    visitor: Visitor, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process has the lock, and is about to end; or the answer was stored, and is begun in a moment."""
    given: list[list[int]] = []
    monkeypatch.setattr(services.replies, "orphans", lambda suspects: given.pop() if given else [])
    _, answer = services.conversations.ask("Hi", model="")
    assert answer is not None
    services.conversations.checkpoint([(answer.id, 0, "", "So far")])
    visitor.open("/")
    assert visitor.send(f"/answers/{answer.id}/stop").status_code == 303
    given.append([answer.id])
    services.answering.left_behind.carry_on()
    ended = until(lambda: None if (found := services.conversations.message(answer.id)).state.is_live else found)
    assert ended is not None
    assert (ended.state, ended.text) == (State.STOPPED, "So far")


def test_an_answer_deleted_while_it_is_watched_leaves_the_page_and_is_no_fault(
    visitor: Visitor, ollama: ScriptedOllama, services: Services
) -> None:
    script = ollama.script("Half of it", silence)
    answer_id = visitor.ask("Hi")
    events = visitor.client.get(f"/answers/{answer_id}/stream").response
    while b"Half of it" not in next(events):
        pass
    visitor.send(visitor.url + "/delete")
    assert script.client_gone.wait(5)
    said = b"".join(events).decode()
    assert f'hx-target="#a{answer_id}" hx-swap="delete' in said
    assert "event: done" in said
    assert "insight_faults_total 0.0" in visitor.client.get("/metrics").text


def test_a_server_ends_although_the_database_takes_nothing(
    visitor: Visitor, ollama: ScriptedOllama, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_written: Any) -> None:
        raise DatabaseFull

    monkeypatch.setattr(services.conversations, "checkpoint", full)
    answer = ollama.script("Half of it", silence)
    visitor.ask("Hi")
    assert answer.asked.wait(5)
    services.close()


def test_nobody_reads_a_database_any_more_when_it_is_closed(
    app: Flask, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads, has_read = threading.Event(), threading.Event()

    def end_idle() -> None:
        reads.set()
        while not services.answering._closed.is_set():
            pass
        for _ in range(200_000):
            pass  # it takes a while
        has_read.set()

    monkeypatch.setattr(services.conversations, "end_idle", end_idle)
    assert reads.wait(5)
    services.answering.close()
    assert has_read.is_set()


def test_a_page_made_at_the_moment_of_the_end_shows_the_answer(app: Flask, services: Services) -> None:
    _, stale = services.conversations.ask("Hi", model="")
    assert stale is not None
    services.conversations.finish(stale.id, Outcome(State.DONE, "Just finished."))
    with app.test_request_context():
        made = pages.article(stale, [stale.id])
    assert made.message.state is State.DONE
    assert "Just finished." in made.answer
