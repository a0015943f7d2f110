"""The OpenAPI document says what is true: of every address for programs, and of whatever it is asked."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given
from hypothesis import settings as tried
from hypothesis.errors import Unsatisfiable
from own_app import Start
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from scripted_ollama import ScriptedOllama, error, line, thinking
from test_accounts_keys import made
from visitor import Visitor
from werkzeug.test import TestResponse

from insight_app.api.openapi import HEADERS, RATES, document
from insight_app.config import Settings
from insight_app.errors import TooManyWaiting
from insight_app.services import Services

CALL = line(message={"tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}]})
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


DESCRIBED = document("1", "http://localhost", with_keys=False)
OPERATIONS = [(path, method) for path, item in DESCRIBED["paths"].items() for method in item]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return dataclasses.replace(settings, ratelimit_enabled=False)


# Not schemathesis' own parametrize(): it does not know this pytest.
@pytest.mark.parametrize("mode", GenerationMode)
@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_whatever_is_sent_the_answer_is_as_it_is_described(
    app: Flask, path: str, method: str, mode: GenerationMode
) -> None:
    operation = schemathesis.openapi.from_wsgi("/api/openapi.json", app)[path][method.upper()]

    @tried(suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def holds(case: Any) -> None:
        case.call_and_validate(checks=CHECKS)

    try:
        holds()
    except Unsatisfiable:  # nothing can be wrong with what takes nothing
        assert (mode, path == "/api/chat" or "completions" in path) == (GenerationMode.NEGATIVE, False)


def expect_described(response: TestResponse, path: str, method: str, *expected: str) -> None:
    """A refusal that the document has, with these headers, and with none for programs that it has not."""
    answers = DESCRIBED["paths"][path][method]["responses"]
    described = answers[str(response.status_code)]
    described = DESCRIBED["components"]["responses"][described["$ref"].rpartition("/")[2]]
    schemas = DESCRIBED["components"]["schemas"]
    jsonschema_rs.validate({**schemas["Error"], "components": {"schemas": schemas}}, response.json)
    told = {name for name in dict(response.headers) if name in HEADERS}
    assert set(expected) <= told <= set(described["headers"]), response.headers


WITH_KEYS = [(path, method) for path, method in OPERATIONS if "security" not in DESCRIBED["paths"][path][method]]


@pytest.mark.parametrize(("path", "method"), WITH_KEYS)
def test_what_is_refused_is_described(shared: Flask, bob: Visitor, path: str, method: str) -> None:
    """Everything that needs a key, without one, and with one that is for something else."""
    client = shared.test_client()
    where = path.replace("{model}", "any").replace("{answer_id}", "1")
    response = client.open(where, method=method.upper())
    assert response.status_code == 401
    expect_described(response, path, method, "WWW-Authenticate")
    key = made(
        bob, **({"chat": "y"} if path in ("/v1/models", "/v1/models/{model}", "/api/usage") else {"models": "y"})
    )
    response = client.open(where, method=method.upper(), headers={"Authorization": f"Bearer {key}"})
    assert response.status_code == 403
    expect_described(response, path, method)
    response = client.open(where, method=method.upper(), headers={"Origin": "http://evil.example"})
    expect_described(response, path, method)


ASKED = {"/v1/chat/completions": {"messages": [{"role": "user", "content": "a"}]}, "/api/chat": {"message": "a"}}


@pytest.mark.parametrize("path", ASKED)
def test_what_has_to_wait_is_described(start: Start, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """A line that is full, and a rate."""
    app = start(ratelimit_enabled=True, send_rate_limit="1 per hour")
    found: Services = app.extensions["insight"]

    def has_no_room(*_: object, **__: object) -> None:
        raise TooManyWaiting(retry_after=5)

    monkeypatch.setattr(found.answering, "expect_room", has_no_room)
    for status, code in ((503, "too_many_waiting"), (429, "too_many_requests")):
        response = app.test_client().post(path, json=ASKED[path])
        assert (response.status_code, response.json and response.json["error"]["code"]) == (status, code)
        assert "is kept" not in response.text
        expect_described(response, path, "post", "Retry-After", *RATES)


@pytest.mark.parametrize("steps", [["Hello"], [thinking("Hm."), "Yes."], [CALL], [error("its own")], ["a", error("b")]])
def test_every_event_of_a_stream_is_as_it_is_described(
    client: FlaskClient, ollama: ScriptedOllama, steps: list[Any]
) -> None:
    ollama.script(*steps)
    asked = {"messages": [{"role": "user", "content": "a"}], "stream": True, "stream_options": {"include_usage": True}}
    said = client.post("/v1/chat/completions", json=asked).text
    events = [line[6:] for line in said.split("\n") if line.startswith("data: ")] or [said]
    schemas = DESCRIBED["components"]["schemas"]
    for event in events:
        kind = "Error" if "error" in event else "CompletionChunk"
        if event != "[DONE]":
            jsonschema_rs.validate({**schemas[kind], "components": {"schemas": schemas}}, json.loads(event))


def test_it_describes_every_address_for_programs_and_no_other(app: Flask, client: FlaskClient) -> None:
    document = client.get("/api/openapi.json").json
    assert document is not None
    described = {(path, method.upper()) for path, item in document["paths"].items() for method in item}
    there = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method)
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.rule.startswith(("/api/", "/v1/", "/healthz", "/readyz"))
    }
    assert described == there


def test_it_knows_the_address_that_it_was_asked_at(client: FlaskClient) -> None:
    document = client.get("/api/openapi.json", base_url="http://127.0.0.1:8123").json
    assert document is not None
    assert document["servers"] == [{"url": "http://127.0.0.1:8123"}]
