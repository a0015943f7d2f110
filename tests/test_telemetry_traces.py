"""One trace for an answer, from the prompt to the last byte, at a real collector; nothing where there is none."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
from canary import PLAIN, WORDS, expect_none
from chat_page import free_port, started
from flask import Flask
from flask.testing import FlaskClient
from own_app import running
from own_redis import OwnRedis
from redis import Redis
from scripted_ollama import ScriptedOllama, gate, status
from trace_collector import TraceCollector
from visitor import RealClient, Visitor
from werkzeug.test import TestResponse

from insight_app.chat import redis_keys
from insight_app.config import PROJECT, Settings
from insight_app.errors import ConfigError
from insight_app.services import build_services
from insight_app.telemetry import traces_collected
from insight_app.telemetry.traces_collected import Collecting
from insight_app.traceparent import here

PROXYS = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def collector() -> Iterator[TraceCollector]:
    with TraceCollector() as collector:
        yield collector


@pytest.fixture
def settings(settings: Settings, collector: TraceCollector, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(traces_collected, "SEND_SECONDS", 0.05)
    return replace(settings, otel_exporter_otlp_endpoint=collector.url)


class Closing(FlaskClient):
    """Reads and closes each response, as servers do: a request ends there."""

    def open(self, *given: Any, **more: Any) -> TestResponse:
        return super().open(*given, **{**more, "buffered": True})


def client_of(app: Flask) -> FlaskClient:
    app.test_client_class = Closing
    return app.test_client()


def traced(visitor: Visitor, traceparent: str) -> None:
    """From now on each request comes from a proxy that traces."""
    visitor.client.environ_base["HTTP_TRACEPARENT"] = traceparent


def test_an_answer_is_one_trace_from_the_prompt_to_the_last_byte(
    settings: Settings, collector: TraceCollector, ollama: ScriptedOllama
) -> None:
    with running(settings) as app:
        visitor = Visitor(client_of(app))
        visitor.open("/")
        traced(visitor, PROXYS)
        opened = threading.Event()
        script = ollama.script("Hello", gate(opened), " you.")
        answer_id = visitor.ask("Hi")
        watching = threading.Thread(target=visitor.watch, args=(answer_id,))
        watching.start()
        assert script.asked.wait(5)
        opened.set()
        watching.join()
        assert here.get() == ""
    post, answer, engine, reader = (collector.one(name) for name in ("POST /messages", "answer", "engine", "reader"))
    _, trace, proxy, _ = PROXYS.split("-")
    assert {span.trace for span in (post, answer, engine, reader)} == {trace}
    assert (post.parent, answer.parent, engine.parent, reader.parent) == (proxy, post.id, answer.id, answer.id)
    assert collector.one("moderation").parent == post.id
    assert {collector.one(name).parent for name in ("queue", "prepare")} == {answer.id}
    assert collector.one("first word").parent == engine.id
    assert reader.links == (collector.one("GET /answers/<int:answer_id>/stream").id,)
    assert script.request.headers["traceparent"] == f"00-{trace}-{engine.id}-01"
    assert post.began <= answer.began <= engine.began <= engine.ended <= answer.ended
    assert engine.ended <= reader.ended  # a reader has the last byte while the answer's writer still tidies up
    assert (answer.facts["state"], answer.facts["answer_tokens"], engine.facts["prompt_tokens"]) == ("done", 34, 12)
    assert (post.facts["status"], answer.facts["model"]) == (303, "llama3.2:latest")
    assert not [span.name for span in collector.spans if span.failed]


def test_programs_and_answers_that_fail_are_traced_too(
    settings: Settings, collector: TraceCollector, ollama: ScriptedOllama
) -> None:
    with running(settings) as app:
        ollama.script(status(400, {"error": "no"}))
        asked = {"model": "llama3.2", "messages": [{"role": "user", "content": "Hi"}]}
        client_of(app).post("/v1/chat/completions", json=asked)
    post, answer, engine = (collector.one(name) for name in ("POST /v1/chat/completions", "answer", "engine"))
    assert (answer.parent, engine.parent) == (post.id, answer.id)
    assert (engine.failed, engine.facts["problem"], answer.facts["state"]) == (True, "engine_broke", "failed")


def test_no_span_holds_a_word_of_anybody(settings: Settings, collector: TraceCollector, ollama: ScriptedOllama) -> None:
    with running(settings) as app:
        visitor = Visitor(client_of(app))
        visitor.open("/")
        ollama.script(WORDS)
        visitor.asks_and_waits(WORDS)
        ollama.script(WORDS, status(500, {"error": WORDS}))
        visitor.asks_and_waits(WORDS)
        visitor.client.get(f"/{PLAIN}?{PLAIN}={PLAIN}", headers={"traceparent": PLAIN, "tracestate": f"x={PLAIN}"})
        asked = {"model": PLAIN, "messages": [{"role": PLAIN, "content": WORDS}]}
        visitor.client.post("/v1/chat/completions", json=asked)
        asked["messages"] = [{"role": "user", "content": WORDS}]
        visitor.client.post("/v1/chat/completions", json=asked)
    assert len(collector.named("answer")) >= 2
    expect_none({f"export {number}": body for number, body in enumerate(collector.bodies)})


def test_the_trace_of_a_stranger_is_not_believed(settings: Settings, collector: TraceCollector) -> None:
    with running(settings) as app:
        client_of(app).get("/", headers={"traceparent": PROXYS, "X-Forwarded-For": "192.0.2.1"})
        client_of(app).get("/readyz", headers={"traceparent": PROXYS})
    assert collector.one("GET /").trace != PROXYS.split("-")[1]
    assert collector.one("GET /readyz").trace == PROXYS.split("-")[1]


def test_a_collector_that_is_away_slows_and_fails_nothing(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    with running(replace(settings, otel_exporter_otlp_endpoint=f"http://127.0.0.1:{free_port()}")) as app:
        visitor = Visitor(client_of(app))
        visitor.open("/")
        for _ in range(3):
            assert "Answer complete" in visitor.client.get(f"/answers/{visitor.ask(WORDS)}/stream").text
        began = time.monotonic()
        app.extensions["insight"].tracing.close()
        assert time.monotonic() - began < 2 * traces_collected.END_SECONDS
    said = capsys.readouterr().err
    assert [json.loads(line)["level"] for line in said.splitlines() if "traces" in line] in ([], ["warning"])
    expect_none({"log": said.encode()})


def test_it_is_said_once_that_traces_are_lost_and_once_that_they_are_not(capsys: pytest.CaptureFixture[str]) -> None:
    class Changing(traces_collected.SpanExporter):
        results = iter([*["FAILURE"] * 3, "SUCCESS", "SUCCESS"])

        def export(self, spans: object) -> traces_collected.SpanExportResult:
            if (result := next(self.results)) == "FAILURE":
                raise OSError(PLAIN)
            return traces_collected.SpanExportResult[result]

    telling = traces_collected._Telling(Changing())
    for _ in range(5):
        telling.export([])
    said = capsys.readouterr()
    lines = [line for line in (said.out + said.err).splitlines() if "traces" in line]
    assert len(lines) == 2
    assert PLAIN not in said.out + said.err


def test_what_was_open_when_a_generator_was_closed_elsewhere_ends_all_the_same(collector: TraceCollector) -> None:
    tracing = Collecting(collector.url)
    span = tracing.span("piece")

    def reading() -> Iterator[int]:
        with span:
            yield 1

    generator = reading()
    next(generator)
    closing = threading.Thread(target=generator.close)  # type: ignore[attr-defined]
    closing.start()
    closing.join()
    here.set("")
    span.end()
    tracing.close()
    assert not collector.one("piece").failed


def test_without_a_collector_nothing_of_it_is_even_imported(tmp_path: Path, ollama: ScriptedOllama) -> None:
    code = f"""
import sys
from pathlib import Path
from insight_app import create_app
from insight_app.config import Settings
app = create_app(Settings(secret_key="only for these tests", data_dir=Path({str(tmp_path)!r}),
                          ollama_base_url={ollama.url!r}))
app.test_client().get("/")
services = app.extensions["insight"]
services.close()
print(sorted(name for name in sys.modules if name.startswith(("opentelemetry", "google.protobuf"))))
print(type(services.engine._views[0].engine).__name__, services.tracing.is_on)
"""
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, timeout=60, check=True
    )
    assert ran.stdout.splitlines() == ["[]", "Ollama False"]


def test_where_its_packages_are_missing_the_start_stops_and_says_how_to_get_them(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "insight_app.telemetry.traces_collected", None)
    with pytest.raises(ConfigError, match=r"requirements-tracing\.txt"):
        build_services(settings)


def test_the_tests_have_what_is_installed_for_traces() -> None:
    wanted, had = (
        {line.partition("#")[0].strip() for line in (PROJECT / name).read_text("utf-8").splitlines() if "==" in line}
        for name in ("requirements-tracing.txt", "requirements-dev.txt")
    )
    assert wanted <= had


def test_a_trace_goes_over_two_servers(
    tmp_path: Path, collector: TraceCollector, ollama: ScriptedOllama, redis: OwnRedis
) -> None:
    environ = {"OLLAMA_BASE_URL": ollama.url, "REDIS_URL": redis.url, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
    ports = [free_port(), free_port()]
    servers = [started(tmp_path, port, **environ) for port in ports]
    try:
        visitor = Visitor(RealClient(f"http://127.0.0.1:{ports[0]}"))  # type: ignore[arg-type]
        visitor.open("/")
        opened = threading.Event()
        ollama.script("Hello", gate(opened), " you.")
        answer_id = visitor.ask("Hi")
        with Redis.from_url(redis.url) as client:
            while b'"trace": "00-' not in (client.get(redis_keys.facts(answer_id)) or b""):
                pass  # who comes earlier is in a trace of their own
        there = f"http://127.0.0.1:{ports[1]}/answers/{answer_id}/stream"
        with requests.get(there, stream=True, timeout=30) as follower:
            opened.set()
            assert " you." in follower.text
    finally:
        for server in servers:
            server.terminate()
        for server in servers:
            server.wait(20)
    post, answer, reader = (collector.one(name) for name in ("POST /messages", "answer", "reader"))
    assert {span.trace for span in (answer, reader)} == {post.trace}
    assert (answer.parent, reader.parent) == (post.id, answer.id)
    assert collector.one("GET /answers/<int:answer_id>/stream").trace != post.trace
