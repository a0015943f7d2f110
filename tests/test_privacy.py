"""No word of anybody's gets into a log, a metric or an error page, whatever happens to it."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from scripted_ollama import ScriptedOllama, closed, error, raw, status, thinking
from sqlalchemy.exc import OperationalError
from visitor import Visitor

from insight_app.services import Services

CANARY = "canary-7f3a-words-of-mine"


def test_no_word_gets_into_what_the_process_writes(
    capsys: pytest.CaptureFixture[str],  # first: the logs go to the standard error of their start
    visitor: Visitor,
    ollama: ScriptedOllama,
    services: Services,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ollama.script(thinking(CANARY), f"The answer is {CANARY}.")
    visitor.asks_and_waits(f"Tell me of {CANARY}")
    url = visitor.url
    for fault in (
        [status(500, {"error": f"cannot do {CANARY}"})],
        ["half", error(f"broke at {CANARY}")],
        [CANARY, closed],
        [raw(f"no http {CANARY}\r\n\r\n".encode())],
    ):
        ollama.script(*fault)
        visitor.asks_and_waits(CANARY)
    visitor.send(url + "/edit", title=CANARY)
    visitor.client.get(f"/nowhere?{CANARY}")
    visitor.client.get("/answers/1/stream", headers={"Last-Event-ID": CANARY})
    visitor.client.post("/messages", data={"message": CANARY})
    visitor.client.post("/api/chat", json={"message": CANARY})
    visitor.client.post("/api/chat", data=CANARY, content_type="application/json")

    def broken(*_: Any, **__: Any) -> None:
        raise OperationalError(f"INSERT {CANARY}", {"text": CANARY}, ValueError(CANARY))

    monkeypatch.setattr(services.conversations, "ask", broken)
    failed = visitor.send(url + "/messages", message=CANARY, key="k")
    assert failed.status_code == 500
    assert CANARY in failed.text  # the text comes back to its author, in the form
    logging.getLogger("a.library").warning("could not do %s", CANARY)
    try:
        raise ValueError(CANARY)
    except ValueError:
        logging.getLogger("a.library").exception("broke on %s", CANARY)
    services.answering._log.error("planted", exc_info=ValueError(CANARY))

    said = capsys.readouterr()
    assert CANARY not in said.out + said.err
    assert CANARY not in visitor.client.get("/metrics").text
    lines = [json.loads(line) for line in said.err.splitlines()]
    assert {"answer", "request", "request broke", "planted"} <= {line["event"] for line in lines}
    fault = next(line for line in lines if line["event"] == "request broke")
    assert fault["fault"] == "OperationalError"
    assert any("broken" in place for place in fault["at"])


def test_the_canary_sings_where_a_line_holds_it(capsys: pytest.CaptureFixture[str], services: Services) -> None:
    services.answering._log.error(CANARY)
    assert CANARY in capsys.readouterr().err
