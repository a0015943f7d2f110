"""A database that is locked, full or gone: what is told, that nothing is lost, what is logged and counted."""

from __future__ import annotations

import json
import threading

import pytest
from faults_of_databases import DATABASE_FAULTS, GONE, DatabaseFault, full
from faults_of_engines import CANARY
from faults_seen import counted, plain, waits_for, written
from own_app import Start
from scripted_ollama import ScriptedOllama, gate
from visitor import Visitor

from insight_app.chat import answering
from insight_app.chat.store import ConversationStore
from insight_app.errors import explain
from insight_app.services import Services
from insight_app.storage import database

of_the_database = pytest.mark.parametrize("fault", DATABASE_FAULTS, ids=lambda fault: fault.name)
LONG = " ".join([CANARY] * 2000)  # more than the pages that are there can take


@of_the_database
def test_a_prompt_that_cannot_be_kept_comes_back_to_its_author(
    fault: DatabaseFault,
    capsys: pytest.CaptureFixture[str],
    visitor: Visitor,
    services: Services,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(database, "PATIENCE_SECONDS", 0.1)
    error = explain(fault.problem)
    visitor.asks_and_waits("Hi")
    url, before = visitor.url, services.conversations.history(visitor.url.removeprefix("/c/"))
    with fault.broken(services.database):
        swapped = visitor.send(url + "/messages", htmx=True, message=LONG, key="k1")
        page = visitor.send("/messages", message=LONG, key="k2")
        program = visitor.client.post("/api/chat", json={"message": LONG})
        assert visitor.client.get(url).status_code == 200
    for response in (swapped, page, program):
        response.close()  # which is when its line is logged
    assert {swapped.status_code, page.status_code, program.status_code} == {error.status}
    assert str(error) in plain(swapped.text)
    assert "textarea" not in swapped.text
    assert error.cause in plain(page.text)
    assert f"{LONG}</textarea>" in page.text
    told = {"code": fault.problem, "message": str(error), "type": "server_error", "param": None}
    assert program.json == {"error": told}
    assert services.conversations.history(url.removeprefix("/c/")) == before
    assert len(services.conversations.newest_conversations().conversations) == 1
    assert counted(visitor, fault.metric) == 3
    output = capsys.readouterr()
    lines = [json.loads(entry) for entry in output.err.splitlines()]
    assert [entry["problem"] for entry in lines if entry["event"] == "database"] == [fault.problem] * 3
    assert [entry["status"] for entry in lines if entry["event"] == "request"].count(error.status) == 3
    assert CANARY not in output.out + output.err + visitor.client.get("/metrics").text
    visitor.open(url)
    visitor.asks_and_waits(LONG)
    assert 'data-state="done"' in visitor.page


@pytest.mark.parametrize("htmx", [False, True], ids=["page", "swap"])
def test_a_page_that_cannot_be_read_says_so_and_is_there_again_later(
    htmx: bool, capsys: pytest.CaptureFixture[str], visitor: Visitor, ollama: ScriptedOllama, services: Services
) -> None:
    ollama.script(CANARY)
    visitor.asks_and_waits(CANARY)
    error, headers = explain(GONE.problem), {"HX-Request": "true"} if htmx else {}
    with GONE.broken(services.database):
        response = visitor.client.get(visitor.url, headers=headers)
        assert response.status_code == error.status
        assert str(error).replace(" ", "") in plain(response.text).replace(" ", "")
        response.close()
    page = visitor.open(visitor.url)
    assert page.count(CANARY) > 2
    assert counted(visitor, GONE.metric) >= 1
    output = capsys.readouterr()
    lines = [json.loads(entry) for entry in output.err.splitlines()]
    assert GONE.problem in [entry["problem"] for entry in lines if entry["event"] == "database"]
    assert error.status in [entry["status"] for entry in lines if entry["event"] == "request"]
    assert CANARY not in output.out + output.err


@of_the_database
def test_an_answer_that_cannot_be_kept_goes_on_and_is_kept_later(
    fault: DatabaseFault,
    capsys: pytest.CaptureFixture[str],
    visitor: Visitor,
    ollama: ScriptedOllama,
    services: Services,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(database, "PATIENCE_SECONDS", 0.02)
    monkeypatch.setattr(answering, "CHECKPOINT_SECONDS", 0.02)
    go_on, tried, kept_not = threading.Event(), threading.Event(), threading.Event()
    watch_calls(monkeypatch, services.conversations, "checkpoint", tried)
    watch_calls(monkeypatch, services.conversations, "finish", kept_not)
    ollama.script("Begun. ", gate(go_on), LONG)
    answer_id = visitor.ask("Hi")
    assert tried.wait(5)
    with fault.broken(services.database):
        go_on.set()
        assert kept_not.wait(5)
        waits_for(services, answer_id, fault.problem)
        tried.clear()
        assert tried.wait(5)
        assert CANARY in visitor.open(visitor.url)  # nothing of it is lost meanwhile
        assert 'data-state="writing"' in visitor.page
        assert fault.waiting in plain(visitor.page)
    written(answer_id)
    assert f'data-state="{fault.state}"' in visitor.open(visitor.url)
    answer = services.conversations.message(answer_id)
    assert (answer.state.value, answer.problem, answer.text) == (fault.state, "", f"Begun. {LONG}")
    assert counted(visitor, fault.metric) >= 2
    assert counted(visitor, f'insight_answers_total{{problem="",state="{fault.state}"}}') == 1
    output = capsys.readouterr()
    assert {*fault.late, "database", "answer"} <= {json.loads(entry)["event"] for entry in output.err.splitlines()}
    assert CANARY not in output.out + output.err


@of_the_database
def test_a_server_starts_and_shows_what_there_is_although_nothing_can_be_kept(
    fault: DatabaseFault,
    visitor: Visitor,
    start: Start,
    services: Services,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(database, "PATIENCE_SECONDS", 0.05)
    prompt, _ = services.conversations.ask("Hi", model="")
    if fault.broken is full:  # which is the state of one connection, and the next start has its own

        def refuse(_store: object, _answer_id: int) -> None:
            raise explain(fault.problem)

        monkeypatch.setattr(ConversationStore, "left_behind", refuse)
    with fault.broken(services.database):
        services.replies.leave()  # as if that server had died: the next one goes on with what it left
        again = start()
        assert again.test_client().get(f"/c/{prompt.conversation_id}").status_code == 200
        again.extensions["insight"].close()
    assert "answers not carried on" in capsys.readouterr().err


def watch_calls(monkeypatch: pytest.MonkeyPatch, target: object, name: str, called: threading.Event) -> None:
    """Sets `called` after each call, whether it succeeds or not."""
    original = getattr(target, name)

    def watched(*arguments: object) -> object:
        try:
            return original(*arguments)
        finally:
            called.set()

    monkeypatch.setattr(target, name, watched)
