"""Rules that cannot be read or applied, a judge that is late or gone: nothing passes, nothing is lost, all is told."""

from __future__ import annotations

import json
import threading

import pytest
from faults_of_engines import CANARY
from faults_of_moderation import MODEL, MODERATION_FAULTS, ModerationFault
from faults_seen import article, counted, plain, written
from scripted_ollama import ScriptedOllama, gate
from visitor import Visitor

from insight_app.errors import explain
from insight_app.services import Services

of_moderation = pytest.mark.parametrize("fault", MODERATION_FAULTS, ids=lambda fault: fault.name)


@pytest.fixture
def ollama(ollama: ScriptedOllama) -> ScriptedOllama:
    ollama.models.append(MODEL)
    return ollama


@of_moderation
def test_a_prompt_that_cannot_be_checked_reaches_no_model_and_comes_back_to_its_author(
    fault: ModerationFault,
    capsys: pytest.CaptureFixture[str],
    visitor: Visitor,
    ollama: ScriptedOllama,
    services: Services,
) -> None:
    error = explain(fault.problem)
    fault.begin(services, ollama)
    swapped = visitor.send("/messages", htmx=True, message=CANARY, key="k1")
    page = visitor.send("/messages", message=CANARY, key="k2")
    program = visitor.client.post("/api/chat", json={"message": CANARY})
    for response in (swapped, page, program):
        response.close()  # which is when its line is logged
    assert {swapped.status_code, page.status_code, program.status_code} == {error.status}
    assert str(error) in plain(swapped.text)
    assert error.cause in plain(page.text)
    assert f"{CANARY}</textarea>" in page.text
    told = {"code": fault.problem, "message": str(error), "type": "server_error", "param": None}
    assert program.json == {"error": told}
    assert not ollama.answers
    assert not services.conversations.newest_conversations().conversations
    output = capsys.readouterr()
    lines = [json.loads(entry) for entry in output.err.splitlines()]
    assert fault.logged in [entry["event"] for entry in lines]
    assert [entry["status"] for entry in lines if entry["event"] == "request"].count(error.status) == 3
    assert CANARY not in output.out + output.err + visitor.client.get("/metrics").text
    fault.end(services)
    visitor.open("/")
    visitor.asks_and_waits(CANARY)
    assert 'data-state="done"' in visitor.page


@of_moderation
def test_nothing_unchecked_is_shown_of_an_answer_that_is_being_written(
    fault: ModerationFault,
    capsys: pytest.CaptureFixture[str],
    visitor: Visitor,
    ollama: ScriptedOllama,
    services: Services,
) -> None:
    rest = threading.Event()
    ollama.script("Begun. ", gate(rest), f"And {CANARY} on.")
    before = counted(visitor, fault.metric)
    answer_id = visitor.ask("Hi")
    reply = services.replies.get(answer_id)
    while reply is not None and not reply.position:
        assert reply.wait(reply.version, 5)
    fault.begin(services, ollama)
    services.moderation.refresh()
    rest.set()
    stream = visitor.watch(answer_id)
    written(answer_id)
    seen = article(stream, answer_id)
    assert seen == article(visitor.open(visitor.url), answer_id)
    assert (str(explain(fault.problem)) in plain(seen)) is not fault.goes_on
    assert ('type="submit">Continue<' in seen) is not fault.goes_on
    assert 'type="submit">Try again<' in seen
    answer = services.conversations.message(answer_id)
    assert (answer.state.value, answer.problem) == fault.ended
    assert answer.text == (f"Begun. And {CANARY} on." if fault.goes_on else "Begun. ")
    assert counted(visitor, fault.metric) == before + 1
    output = capsys.readouterr()
    assert {fault.logged, "answer"} <= {json.loads(entry)["event"] for entry in output.err.splitlines()}
    assert CANARY not in output.out + output.err
