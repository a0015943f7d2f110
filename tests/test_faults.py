"""Each fault of the table, through the real app: what is seen, what is stored, what is logged and counted."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest
from chat_page import free_port, started
from faults import (
    BEGUN,
    BUTTONS,
    CANARY,
    DATABASE_FAULTS,
    ENGINE_FAULTS,
    EXAMPLE,
    GONE,
    KILLED,
    KILLED_TWICE,
    SET_BACK,
    DatabaseFault,
    Fault,
    full,
    table,
)
from scripted_ollama import ScriptedOllama, gate, silence
from visitor import RealClient, Visitor

from insight_app import create_app
from insight_app.chat import answering, patience
from insight_app.chat import stream as chat_stream
from insight_app.chat.store import ConversationStore
from insight_app.config import Settings
from insight_app.errors import explain
from insight_app.services import Services
from insight_app.storage import database

DOC = Path(__file__).parent.parent / "docs" / "faults.md"


@pytest.fixture
def settings(settings: Settings, request: pytest.FixtureRequest) -> Settings:
    """With what the fault of this test needs."""
    params = getattr(request.node, "callspec", None) and request.node.callspec.params
    return replace(settings, **getattr(params.get("fault"), "settings", {})) if params else settings


def counted(visitor: Visitor, metric: str) -> float:
    """The figure of a metric as /metrics says it; 0 where it is not there yet."""
    for entry in visitor.client.get("/metrics").text.splitlines():
        if entry.startswith(metric + " "):
            return float(entry.rpartition(" ")[2])
    return 0


def plain(html: str) -> str:
    """What a person reads of it."""
    return " ".join(unescape(re.sub(r"<[^>]+>", "", html)).split())


def article(html: str, answer_id: int) -> str:
    """An answer's finished article in a page or in a stream's last event, without the key of its forms."""
    found = html[html.rindex(f'<article id="a{answer_id}"') :].partition("</article>")[0]
    return re.sub(r'(?m)^data: |(?<=name="csrf_token" value=")[^"]*', "", found)


def written(answer_id: int) -> None:
    """Waits until the answer's writer has counted and logged it."""
    for thread in threading.enumerate():
        if thread.name == f"answer-{answer_id}":
            thread.join(20)


def waits_for(services: Services, answer_id: int, problem: str) -> None:
    """Waits until the answer waits for this to be mended."""
    reply = services.replies.get(answer_id)
    assert reply is not None
    while reply.activity.problem != problem:
        assert reply.wait(reply.version, 5), f"still {reply.activity}"


@pytest.fixture
def at_end() -> Iterator[ExitStack]:
    """What is to be closed when the test is over."""
    with ExitStack() as stack:
        yield stack


@pytest.mark.parametrize("fault", ENGINE_FAULTS, ids=lambda fault: fault.name)
def test_a_fault_of_the_engine_is_told_kept_logged_and_counted(
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
        assert fault.waiting.replace(EXAMPLE["url"], ollama.url) in plain(page)
        assert 'class="quiet stop"' in page
        again = at_end.enter_context(ScriptedOllama(port=ollama.port)) if fault.down else ollama
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
    assert program.json == {"error": {"code": fault.problem, "message": str(error)}}
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
    settings: Settings,
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
        again = create_app(settings)
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


@pytest.mark.parametrize("fault", [KILLED, KILLED_TWICE], ids=lambda fault: fault.name)
def test_an_answer_outlives_its_worker(fault: Fault, tmp_path: Path, ollama: ScriptedOllama) -> None:
    port = free_port()
    master = started(tmp_path, port, OLLAMA_BASE_URL=ollama.url)
    try:
        visitor = Visitor(RealClient(f"http://127.0.0.1:{port}"))  # type: ignore[arg-type]
        visitor.open("/")
        answer = ollama.script(*fault.steps)
        answer_id = visitor.ask(f"Tell me of {CANARY}")
        while BEGUN not in visitor.client.get(f"/answers/{answer_id}/text").text:
            pass  # until the checkpoint has it
        if fault is KILLED_TWICE:
            second = ollama.script(silence)
            kill_worker(master.pid)
            assert second.asked.wait(20)
        else:
            ollama.script(fault.kept.removeprefix(BEGUN))
        kill_worker(master.pid)
        assert answer.client_gone.wait(5)
        stream = visitor.watch(answer_id)
        seen = article(stream, answer_id)
        assert seen == article(visitor.open(visitor.url), answer_id)
        assert f'data-state="{fault.state}"' in seen
        assert fault.kept in plain(seen)
        assert not fault.problem or str(explain(fault.problem)) in plain(seen)
        assert all((f'type="submit">{button}<' in seen) is (button in fault.buttons) for button in BUTTONS)
        assert visitor.client.get(f"/answers/{answer_id}/text").text == fault.kept
        assert counted(visitor, fault.metric) == 1
        assert CANARY not in visitor.client.get("/metrics").text
    finally:
        master.terminate()
        master.wait(timeout=20)
    log = (tmp_path / "server.log").read_text()
    lines = [json.loads(entry) for entry in log.splitlines() if entry.startswith("{")]
    assert [entry for entry in lines if fault.log.items() <= entry.items()]
    assert CANARY not in log


def kill_worker(master: int) -> None:
    (worker,) = Path(f"/proc/{master}/task/{master}/children").read_text().split()
    os.kill(int(worker), signal.SIGKILL)


def test_a_clock_that_is_set_back_changes_nothing(
    visitor: Visitor, ollama: ScriptedOllama, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor.asks_and_waits("Older")
    visitor.open("/")
    answer = ollama.script(*SET_BACK.steps)
    answer_id = visitor.ask("Old")
    assert answer.asked.wait(5)
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() - 3600)
    assert visitor.send(visitor.url + "/edit", title="Old").status_code == 303  # a form of the time before
    stream = visitor.watch(answer_id)
    written(answer_id)
    seen = article(stream, answer_id)
    assert seen == article(visitor.open(visitor.url), answer_id)
    assert f'data-state="{SET_BACK.state}"' in seen
    kept = services.conversations.message(answer_id)
    assert (kept.state.value, kept.problem, kept.text) == (SET_BACK.state, SET_BACK.problem, SET_BACK.kept)
    assert 0 <= (kept.figures.first_text_seconds or 0) < 60
    assert counted(visitor, SET_BACK.metric) == 2
    visitor.asks_and_waits("New")
    visitor.open("/")
    visitor.asks_and_waits("Newest")
    assert [found.title for found in services.conversations.newest_conversations().conversations] == [
        "Newest",
        "Old",
        "Older",
    ]
    assert kept.created_at > kept.finished_at > kept.created_at - 3700  # what is shown is what clocks show


def test_the_table_in_the_documentation_is_the_one_that_is_tested() -> None:
    found = "".join(entry + "\n" for entry in DOC.read_text(encoding="utf-8").splitlines() if entry.startswith("|"))
    assert found == table(), "docs/faults.md: put there what “python tests/faults.py” prints"
