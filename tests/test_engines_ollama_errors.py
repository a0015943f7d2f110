"""Every way in which Ollama can fail becomes one error of the product, whenever and wherever it happens."""

from __future__ import annotations

import http.client
import logging
import socket
import ssl
import traceback
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import urllib3
from asking import events_of
from scripted_ollama import (
    ScriptedOllama,
    closed,
    cut,
    done,
    error,
    headers,
    line,
    raw,
    reset,
    silence,
    status,
)

from insight_app import errors
from insight_app.engines import wire as module
from insight_app.engines.base import Event, Options, Piece, Stop, Task, Turn
from insight_app.engines.ollama import Ollama
from insight_app.errors import EngineError

MODEL = "llama3.2:latest"
PROMPT = "a secret of mine"

# What ollama-api.md and Ollama's own sources have, as (status, text, error).
REFUSALS = [
    (400, "missing request body", errors.EngineBroke),
    (400, "model is required", errors.EngineBroke),
    (400, "invalid model name", errors.ModelMissing),
    (400, '"embed" does not support chat', errors.ModelUnsuited),
    (400, '"llama3.2" does not support thinking', errors.ModelUnsuited),
    (400, "registry.ollama.ai/library/x does not support tools", errors.ModelUnsuited),
    (
        400,
        "the prompt is longer than the context length currently available to the model; shorten it",
        errors.ContextFull,
    ),
    (401, "unauthorized", errors.EngineForbids),
    (403, "remote inference is disabled", errors.EngineForbids),
    (404, "model 'x' not found", errors.ModelMissing),
    (404, 'model "x" not found, try pulling it first', errors.ModelMissing),
    (404, "no such page", errors.EngineBroke),
    (405, "method not allowed", errors.EngineBroke),
    (429, "you have reached your hourly limit", errors.EngineBusy),
    (499, "request canceled", errors.EngineBroke),
    (500, "model requires more system memory (9.1 GiB) than is available (3.2 GiB)", errors.OutOfMemory),
    (500, "llama runner process has terminated: cudaMalloc failed: out of memory", errors.OutOfMemory),
    (500, "llama runner process has terminated: signal: killed", errors.OutOfMemory),
    (500, "failed to allocate compute buffers", errors.OutOfMemory),
    (503, "insufficient memory", errors.OutOfMemory),
    (500, "model runner has unexpectedly stopped, this may be due to resource limitations", errors.EngineBroke),
    (502, "the cloud cannot be reached", errors.EngineBroke),
    (503, "server busy, please try again.  maximum pending requests exceeded", errors.EngineBusy),
]


@pytest.fixture
def server() -> Iterator[ScriptedOllama]:
    with ScriptedOllama() as server:
        yield server


@pytest.fixture
def engine(server: ScriptedOllama) -> Ollama:
    return Ollama(server.url, silence_seconds=5)


def failed(engine: Ollama, expected: type[EngineError], **options: Any) -> tuple[EngineError, list[Event]]:
    """The error that the answer ended with, and the events before it."""
    events: list[Event] = []
    stream = events_of(engine, Task(MODEL, (Turn("user", PROMPT),), Options(**options)), Stop())
    with pytest.raises(EngineError) as caught:
        events.extend(event for event in stream)
    assert type(caught.value) is expected
    return caught.value, events


@pytest.mark.parametrize(("code", "text", "expected"), REFUSALS)
def test_a_refusal_is_understood(
    server: ScriptedOllama, engine: Ollama, code: int, text: str, expected: type[EngineError]
) -> None:
    server.script(status(code, {"error": text}))
    problem, _ = failed(engine, expected)
    assert "it" not in problem.cause.split()


@pytest.mark.parametrize(
    ("text", "expected"),
    [(text, kind) for code, text, kind in REFUSALS if code >= 400 and kind not in (errors.EngineForbids,)],
)
def test_an_error_line_in_mid_stream_is_understood(
    server: ScriptedOllama, engine: Ollama, text: str, expected: type[EngineError]
) -> None:
    if "hourly" in text:
        expected = errors.EngineBroke  # only its status tells
    server.script("so far", error(text))
    _, events = failed(engine, expected)
    assert events[-1] == Piece("so far")


def test_an_error_line_of_another_shape_is_an_error_too(server: ScriptedOllama, engine: Ollama) -> None:
    server.script("so far", error({"message": "CUDA error: out of memory", "code": 500}))
    failed(engine, errors.OutOfMemory)


@pytest.mark.parametrize(
    ("code", "body", "expected"),
    [
        (403, b"", errors.EngineForbids),
        (502, b"<html>Bad Gateway</html>", errors.EngineUnreachable),
        (504, b"", errors.EngineUnreachable),
        (503, b"<html>Service Unavailable</html>", errors.EngineBusy),
        (500, b"\xff\xfe", errors.EngineBroke),
        (500, b"[" * 100_000, errors.EngineBroke),
        (404, b"404 page not found", errors.EngineBroke),
        (302, b"", errors.EngineBroke),
        (204, b"", errors.EngineBroke),
    ],
)
def test_a_refusal_without_ollamas_words_is_understood(
    server: ScriptedOllama, engine: Ollama, code: int, body: bytes, expected: type[EngineError]
) -> None:
    server.script(status(code, body, "text/html"))
    failed(engine, expected)


@pytest.mark.parametrize(("code", "text", "expected"), REFUSALS)
def test_the_list_of_models_fails_in_the_same_words(
    server: ScriptedOllama, engine: Ollama, code: int, text: str, expected: type[EngineError]
) -> None:
    server.script(status(code, {"error": text}), path="/api/tags")
    with pytest.raises(expected):
        engine.models()


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"<html>", b"\xff", b"[" * 100_000])
def test_a_list_of_models_that_is_none_is_an_error(server: ScriptedOllama, engine: Ollama, body: bytes) -> None:
    server.script(status(200, body), path="/api/tags")
    with pytest.raises(errors.EngineBroke):
        engine.models()


def test_nobody_at_the_address_is_unreachable_on_both_paths(server: ScriptedOllama, engine: Ollama) -> None:
    server.close()
    problem, _ = failed(engine, errors.EngineUnreachable)
    assert server.url in str(problem)
    assert problem.facts["because"] == "ConnectionRefusedError"
    with pytest.raises(errors.EngineUnreachable):
        engine.models()


def test_a_name_that_nobody_knows_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    failed(Ollama("http://nobody.invalid", silence_seconds=5), errors.EngineUnreachable)


@pytest.mark.parametrize("url", ["127.0.0.1:11434", "ftp://127.0.0.1", "http://", "http://[::1", "http://*"])
def test_an_address_that_is_none_is_unreachable(url: str) -> None:
    failed(Ollama(url, silence_seconds=5), errors.EngineUnreachable)


def test_an_address_that_does_not_answer_the_connection_is_unreachable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "CONNECT_SECONDS", 0.05)
    monkeypatch.setattr(module, "QUICK_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        failed(Ollama(f"http://127.0.0.1:{port}", silence_seconds=5), errors.EngineUnreachable)
        for one in waiting:
            one.close()


@pytest.mark.parametrize("broken", [reset, cut])
def test_a_connection_lost_before_any_byte_is_unreachable(server: ScriptedOllama, engine: Ollama, broken: Any) -> None:
    server.script(broken)
    failed(engine, errors.EngineUnreachable)


@pytest.mark.parametrize("words", [b"SSH-2.0-OpenSSH_9.9\r\n", b"HTTP/1.1 abc\r\n\r\n"])
def test_something_else_at_the_address_has_broken(server: ScriptedOllama, engine: Ollama, words: bytes) -> None:
    server.script(raw(words), cut)
    failed(engine, errors.EngineBroke)


def test_silence_instead_of_headers_is_silence(server: ScriptedOllama) -> None:
    server.script(silence)
    problem, _ = failed(Ollama(server.url, silence_seconds=0.05), errors.EngineSilent)
    assert "for 1 second." in problem.cause


def test_silence_in_mid_stream_is_silence(server: ScriptedOllama) -> None:
    server.script("so far", silence)
    _, events = failed(Ollama(server.url, silence_seconds=0.05), errors.EngineSilent)
    assert events[-1] == Piece("so far")


def test_silence_instead_of_a_refusals_text_is_silence(server: ScriptedOllama) -> None:
    server.script(raw(b"HTTP/1.1 500 No\r\nContent-Length: 9\r\n\r\n"), silence)
    failed(Ollama(server.url, silence_seconds=0.05), errors.EngineSilent)


@pytest.mark.parametrize("chunked", [True, False])
@pytest.mark.parametrize("broken", [closed, cut, reset])
@pytest.mark.parametrize("before", [("so far",), ("so far", b'{"message":{"content":"ha\xc3'), (headers,)])
def test_a_stream_that_ends_without_its_end_mark_is_cut(
    server: ScriptedOllama, engine: Ollama, chunked: bool, broken: Any, before: Any
) -> None:
    server.chunked = chunked
    server.script(*before, broken)
    _, events = failed(engine, errors.AnswerCut)
    # A reset throws away what the network had not delivered yet.
    assert broken is reset or [event for event in events if isinstance(event, Piece)] == [
        Piece(text) for text in before if isinstance(text, str)
    ]


@pytest.mark.parametrize(
    "garbage",
    [b"nonsense\n", b"[]\n", b'"text"\n', b'{"message":5}\n', b'{"done":[]}\n', b"\xff\xff\n", b"[" * 9999 + b"\n"],
)
def test_a_line_that_is_not_ollamas_breaks_the_answer_after_what_came_before(
    server: ScriptedOllama, engine: Ollama, garbage: bytes
) -> None:
    server.script("so far", garbage, done())
    _, events = failed(engine, errors.EngineBroke)
    assert events[-1] == Piece("so far")


def every_class(root: type[Any]) -> Iterator[type[Any]]:
    yield root
    for child in root.__subclasses__():
        yield from every_class(child)


def made(kind: Any) -> Any:
    """An instance without the arguments that its own constructor would ask for."""
    problem = kind.__new__(kind)
    problem.args = ("text",)
    return problem


BELOW = sorted(
    {
        *every_class(requests.RequestException),
        *every_class(urllib3.exceptions.HTTPError),
        *every_class(http.client.HTTPException),
        OSError,
        TimeoutError,
        ConnectionResetError,
        socket.gaierror,
        ssl.SSLError,
    },
    key=lambda kind: f"{kind.__module__}.{kind.__qualname__}",
)


@pytest.mark.parametrize("kind", BELOW, ids=lambda kind: f"{kind.__module__}.{kind.__qualname__}")
def test_every_error_of_the_layer_below_is_translated(
    server: ScriptedOllama, engine: Ollama, monkeypatch: pytest.MonkeyPatch, kind: type[Any]
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise made(kind)

    server.script("so far", silence)
    events = events_of(engine, Task(MODEL, (Turn("user", PROMPT),)), Stop())
    assert [next(events), next(events)][1] == Piece("so far")
    monkeypatch.setattr(urllib3.HTTPResponse, "read1", fail)
    with pytest.raises(EngineError):
        next(events)
    monkeypatch.setattr(requests.Session, "send", fail)
    with pytest.raises(EngineError):
        engine.models()
    with pytest.raises(EngineError):
        list(events_of(engine, Task(MODEL, (Turn("user", PROMPT),)), Stop()))


@pytest.mark.parametrize(
    "script",
    [
        (status(500, {"error": f"cannot tokenize: {PROMPT}"}),),
        (PROMPT, error(f"cannot go on after {PROMPT}")),
        (PROMPT, f"{PROMPT} nonsense\n".encode()),
        (raw(f"{PROMPT}\r\n\r\n".encode()), cut),
        (PROMPT, line(message={"content": [PROMPT]})),
        (PROMPT, cut),
    ],
)
def test_no_error_and_no_log_holds_what_was_said(
    server: ScriptedOllama, engine: Ollama, caplog: pytest.LogCaptureFixture, script: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    server.script(*script)
    with pytest.raises(EngineError) as caught:
        list(events_of(engine, Task(MODEL, (Turn("user", PROMPT),)), Stop()))
    shown = "".join(traceback.format_exception(caught.value))
    assert PROMPT not in f"{shown} {caught.value.facts} {caplog.text}"
