"""Each fault of an engine, through the real app: what is seen, what is stored, what is logged and counted."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest
from faults_of_engines import BUTTONS, CANARY, ENGINE_FAULTS, EXAMPLE, OPENAI_FAULTS, Fault
from faults_seen import article, counted, plain, waits_for, written
from scripted_ollama import ScriptedOllama
from scripted_openai import ScriptedOpenAI
from visitor import Visitor

from insight_app.chat import patience
from insight_app.chat import stream as chat_stream
from insight_app.config import Settings
from insight_app.errors import ENGINE_WORDS, explain
from insight_app.services import Services


@pytest.fixture
def settings(settings: Settings, request: pytest.FixtureRequest) -> Settings:
    """With what the fault of this test needs, and the engine that has it."""
    params = getattr(request.node, "callspec", None) and request.node.callspec.params
    if params and params.get("engine") == "openai":
        settings = replace(settings, engine="openai", openai_base_url=settings.ollama_base_url)
    return replace(settings, **getattr(params.get("fault"), "settings", {})) if params else settings


@pytest.fixture
def ollama(request: pytest.FixtureRequest) -> Iterator[ScriptedOllama]:
    """The server that goes wrong."""
    with SERVERS[request.node.callspec.params["engine"]]() as server:
        yield server


SERVERS = {"ollama": ScriptedOllama, "openai": ScriptedOpenAI}
# What takes long there is the page, which is the same for every engine.
LONG = ("a 5 MB line", "50,000 tokens without a newline")
CASES = [("ollama", fault) for fault in ENGINE_FAULTS]
CASES += [("openai", fault) for fault in OPENAI_FAULTS if fault.name not in LONG]


@pytest.mark.parametrize(("engine", "fault"), CASES, ids=lambda case: getattr(case, "name", case))
def test_a_fault_of_the_engine_is_told_kept_logged_and_counted(
    engine: str,
    fault: Fault,
    capsys: pytest.CaptureFixture[str],
    visitor: Visitor,
    ollama: ScriptedOllama,
    services: Services,
    monkeypatch: pytest.MonkeyPatch,
    at_end: ExitStack,
) -> None:
    monkeypatch.setattr(chat_stream, "SETTLE_SECONDS", 0.05)
    monkeypatch.setattr(chat_stream, "HEARTBEAT_SECONDS", 0.05)
    monkeypatch.setattr(patience, "LOOK_SECONDS", 0.01)
    before, back = counted(visitor, fault.metric), threading.Event()
    monkeypatch.setattr(services.engine, "has", lambda model: back.is_set())  # until what it waits for has been read
    if fault.down:
        ollama.close()
    else:
        ollama.script(*fault.steps)
    answer_id = visitor.ask(f"Tell me of {CANARY}")
    if fault.waits_for:
        waits_for(services, answer_id, fault.waits_for)
        page = visitor.open(visitor.url)
        assert 'data-state="queued"' in page
        told = explain(fault.waits_for, **{**EXAMPLE, **ENGINE_WORDS[engine], "url": ollama.url})
        assert f"{told.cause} {told.promise}" in plain(page)
        assert 'class="quiet stop"' in page
        again = at_end.enter_context(SERVERS[engine](port=ollama.port)) if fault.down else ollama
        again.script(*fault.then)
        back.set()
    stream = visitor.watch(answer_id)
    written(answer_id)
    assert stream.count(": still there") >= 3 * fault.heartbeats

    # What the person sees, live and after a reload.
    seen = article(stream, answer_id)
    assert seen == article(visitor.open(visitor.url), answer_id)
    told = str(explain(fault.problem, **services.engine_facts("llama3.2:latest"))) if fault.problem else ""
    assert f'data-state="{fault.state}"' in seen
    assert told in plain(seen)
    assert all((f'type="submit">{button}<' in seen) is (button in fault.buttons) for button in BUTTONS)
    assert " ".join(fault.kept.split()) in plain(seen)
    assert (told or "Answer complete") in plain(stream.rpartition("#announcer")[2])

    # What is stored.
    answer = services.conversations.message(answer_id)
    assert (answer.state.value, answer.problem) == (fault.state, fault.problem)
    assert answer.text == fault.kept

    # What the log and the metric say, without a word of anybody's.
    figures = visitor.client.get("/metrics").text
    assert counted(visitor, fault.metric) == before + 1
    output = capsys.readouterr()
    lines = [json.loads(entry) for entry in output.err.splitlines()]
    assert [entry for entry in lines if fault.log.items() <= entry.items()]
    assert not [entry for entry in lines if entry["level"] == "error"]
    assert CANARY not in output.out + output.err + figures
