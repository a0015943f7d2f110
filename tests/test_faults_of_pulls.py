"""Each fault of a pull, through the real app: what is seen, what is stored, what is logged and counted."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable

import pytest
from faults_of_pulls import BEGUN, CANCELLED, GO_ON, PULL_FAULTS, SERVER_KILLED, TAKE_OFF, TWICE, PullFault
from faults_seen import counted, plain
from flask import Flask
from scripted_ollama import WEIGHTS, ScriptedOllama, fetching, gate, pulled
from sqlalchemy import select
from test_chat_replies import until
from visitor import Visitor

from insight_app.library import carrying, patience, pulling
from insight_app.library import library as library_module
from insight_app.library.jobs import Pull
from insight_app.library.machine import Machine
from insight_app.library.pull_store import PullStore
from insight_app.services import Services
from insight_app.storage.tables import pulls

NAME = "llama3.2:3b"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library_module, "this_machine", lambda folder: Machine(16 * 10**9, 100 * 10**9, 8))
    monkeypatch.setattr(pulling, "TELL_SECONDS", 0.02)
    monkeypatch.setattr(patience, "FIRST_SECONDS", 0.02)
    monkeypatch.setattr(carrying, "LOOK_SECONDS", 0.05)


@pytest.fixture
def ends(capsys: pytest.CaptureFixture[str], visitor: Visitor) -> Callable[[PullFault], None]:
    """Checks that one pull has ended so, in the log and in the metric."""
    before = visitor.client.get("/metrics").text.count("insight_pulls_total{")
    assert before == 0

    def check(fault: PullFault) -> None:
        metric = f'insight_pulls_total{{problem="{fault.problem}",state="{fault.state}"}}'
        until(lambda: counted(visitor, metric) == 1)
        lines = [json.loads(entry) for entry in capsys.readouterr().err.splitlines()]
        (entry,) = (each for each in lines if each["event"] == "pull")
        assert (entry["state"], entry["problem"]) == (fault.state, fault.problem)
        assert not [each for each in lines if each["level"] == "error"]

    return check


def row(services: Services) -> Pull:
    """As it is stored."""
    with services.database.reading() as connection:
        found = connection.execute(select(pulls)).one()
    return Pull(found.name, found.state, found.total, found.completed, found.problem)


def seen(visitor: Visitor, *words: str) -> str:
    """The page, once it says so of the pull."""

    def look() -> str:
        page = visitor.open("/models").partition('id="on-its-way"')[2].partition('id="here"')[0]
        return page if all(each in plain(page) for each in words) else ""

    return until(look)


def begin(visitor: Visitor) -> str:
    visitor.open("/models")
    return str(visitor.send("/models/pull", name=NAME).location)


def the_rest(ollama: ScriptedOllama) -> threading.Event:
    """What Ollama says when it is asked anew; it goes on when the event comes."""
    goes_on = threading.Event()
    ollama.script(gate(goes_on), fetching(WEIGHTS, 10**9, 10**9), pulled, path="/api/pull")
    return goes_on


def asked(ollama: ScriptedOllama) -> int:
    return len([each for each in ollama.requests if each.path == "/api/pull"])


@pytest.mark.parametrize("fault", PULL_FAULTS, ids=lambda fault: fault.name)
def test_a_fault_of_a_pull_is_told_kept_logged_and_counted(
    fault: PullFault,
    visitor: Visitor,
    ollama: ScriptedOllama,
    services: Services,
    ends: Callable[[PullFault], None],
) -> None:
    ollama.script(*fault.steps, path="/api/pull")
    goes_on = the_rest(ollama)
    begin(visitor)
    told = fault.told.replace("http://127.0.0.1:11434", ollama.url)
    page = seen(visitor, told, *(["400 MB of 1 GB"] if fault.steps[:2] == BEGUN else []))
    if fault.waits_for:
        assert (row(services).state, row(services).problem) == ("waiting", fault.waits_for)
        assert "Cancel" in page
        goes_on.set()
        page = seen(visitor, "It is ready to answer.")
        assert NAME in visitor.open("/models").partition('id="here"')[2]
    assert all((f">{button}<" in page) is (button in fault.buttons) for button in (GO_ON, TAKE_OFF))
    ends(fault)
    assert (row(services).state, row(services).problem) == (fault.state, fault.problem)
    assert asked(ollama) == (2 if fault.waits_for else 1)  # what does not pass by itself is not tried again
    goes_on.set()


def test_what_a_killed_server_was_at_is_gone_on_with_by_itself(
    visitor: Visitor,
    ollama: ScriptedOllama,
    services: Services,
    ends: Callable[[PullFault], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its row is as it left it: it says that the model is on its way, and nobody writes it any more."""
    monkeypatch.setattr(carrying, "STALE_SECONDS", 3600.0)
    killed = PullStore(services.database).begin(NAME, time.time() - 60)
    assert killed is not None
    seen(visitor, "Interrupted")
    goes_on = the_rest(ollama)
    goes_on.set()
    monkeypatch.setattr(carrying, "STALE_SECONDS", 0.0)
    seen(visitor, "It is ready to answer.")
    ends(SERVER_KILLED)
    assert asked(ollama) == 1


def test_two_who_fetch_the_same_model_see_one_pull(
    visitor: Visitor, app: Flask, ollama: ScriptedOllama, ends: Callable[[PullFault], None]
) -> None:
    goes_on = threading.Event()
    ollama.script(*BEGUN, gate(goes_on), pulled, path="/api/pull")
    other = Visitor(app.test_client())
    assert [begin(each) for each in (visitor, other)] == ["/models?done=begun", "/models?done=under-way"]
    for each in (visitor, other):
        seen(each, "On its way", "400 MB of 1 GB")
    goes_on.set()
    for each in (visitor, other):
        seen(each, "It is ready to answer.")
    ends(TWICE)
    assert asked(ollama) == 1


def test_who_looks_hears_that_somebody_else_cancelled(
    visitor: Visitor, app: Flask, ollama: ScriptedOllama, services: Services, ends: Callable[[PullFault], None]
) -> None:
    answer = ollama.script(*BEGUN, gate(threading.Event()), path="/api/pull")
    begin(visitor)
    looks = Visitor(app.test_client())
    seen(looks, "On its way", "400 MB of 1 GB")
    seen(visitor, "400 MB of 1 GB")
    visitor.send("/models/cancel", name=NAME)
    heard = looks.client.get(f"/models/now?at=40+pulling+{NAME}").text
    assert f"Fetching {NAME} was stopped." in plain(heard)
    page = seen(looks, "Stopped", "400 MB of 1 GB")
    assert all(f">{button}<" in page for button in (GO_ON, TAKE_OFF))
    assert answer.client_gone.wait(5)
    ends(CANCELLED)
    assert row(services).state == CANCELLED.state
    assert asked(ollama) == 1
