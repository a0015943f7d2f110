"""Each fault of the table, through the real app: what is seen, what is stored, what is logged and counted."""

from __future__ import annotations

import json
import re
import threading
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest
from faults import BUTTONS, CANARY, ENGINE_FAULTS, Fault, table
from scripted_ollama import ScriptedOllama
from visitor import Visitor

from insight_app.config import Settings
from insight_app.errors import explain
from insight_app.services import Services

DOC = Path(__file__).parent.parent / "docs" / "faults.md"


@pytest.fixture
def settings(settings: Settings, request: pytest.FixtureRequest) -> Settings:
    """With what the fault of this test needs."""
    fault = getattr(request.node, "callspec", None) and request.node.callspec.params.get("fault")
    return replace(settings, **fault.settings) if fault else settings


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


@pytest.mark.parametrize("fault", ENGINE_FAULTS, ids=lambda fault: fault.name)
def test_a_fault_of_the_engine_is_told_kept_logged_and_counted(
    fault: Fault,
    capsys: pytest.CaptureFixture[str],
    visitor: Visitor,
    ollama: ScriptedOllama,
    services: Services,
) -> None:
    before = counted(visitor, fault.metric)
    ollama.script(*fault.steps)
    answer_id = visitor.ask(f"Tell me of {CANARY}")
    stream = visitor.watch(answer_id)
    written(answer_id)

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


def test_the_table_in_the_documentation_is_the_one_that_is_tested() -> None:
    found = "".join(entry + "\n" for entry in DOC.read_text(encoding="utf-8").splitlines() if entry.startswith("|"))
    assert found == table(), "docs/faults.md: put there what “python tests/faults.py” prints"
