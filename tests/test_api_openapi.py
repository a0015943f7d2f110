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
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from scripted_ollama import ScriptedOllama, error, line, thinking

from insight_app.api.openapi import document
from insight_app.config import Settings

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
