"""Writers: what becomes of an answer when the database fails, or ends while a page is being made."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from flask import Flask
from scripted_ollama import ScriptedOllama, gate
from sqlalchemy.exc import OperationalError
from visitor import Visitor

from insight_app.chat import answering, pages
from insight_app.chat.messages import Outcome, State
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


def test_a_page_made_at_the_moment_of_the_end_shows_the_answer(app: Flask, services: Services) -> None:
    _, stale = services.conversations.ask("Hi", model="")
    assert stale is not None
    services.conversations.finish(stale.id, Outcome(State.DONE, "Just finished."))
    with app.test_request_context():
        made = pages.article(stale)
    assert made.message.state is State.DONE
    assert "Just finished." in made.answer
