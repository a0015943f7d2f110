"""An OpenAI-compatible server as an engine, met over a real socket: what it is asked, what is made of its answer."""

from __future__ import annotations

import json
import logging
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from asking import events_of
from scripted_ollama import TEXT, Answer, Step, closed, cut, gate, headers, silence, status
from scripted_openai import ScriptedOpenAI, chunk, done, error, event, refusal, written

from insight_app import errors
from insight_app.engines import openai_compatible as module
from insight_app.engines import wire
from insight_app.engines.base import Done, Event, Options, Piece, Stage, Stop, Task, Turn
from insight_app.engines.openai_compatible import OpenAICompatible
from insight_app.engines.tools import ToolCall
from insight_app.errors import EngineError

MODEL = "llama3.2:latest"
PROMPT = "a secret of mine"
AT_ONCE = 1.0  # seconds
TIMINGS = {"cache_n": 4, "prompt_n": 6, "predicted_n": 5, "prompt_ms": 500, "predicted_ms": 250}  # llama.cpp's
Serve = Callable[..., tuple[ScriptedOpenAI, OpenAICompatible]]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a scripted server and gives it with the engine that knows it."""
    with ExitStack() as stack:

        def start(*, silence_seconds: float = 5, key: str = "", **options: Any) -> tuple[ScriptedOpenAI, Any]:
            server = stack.enter_context(ScriptedOpenAI(**options))
            return server, OpenAICompatible(server.url, key=key, silence_seconds=silence_seconds)

        yield start


def task(model: str = MODEL, text: str = PROMPT, **options: Any) -> Task:
    return Task(model, (Turn("user", text),), Options(**options))


def answer(engine: OpenAICompatible, wanted: Task | None = None) -> list[Stage | Event]:
    return list(events_of(engine, wanted or task(), Stop()))


def pieces(events: list[Stage | Event]) -> list[Piece]:
    return [event for event in events if isinstance(event, Piece)]


def failed(engine: OpenAICompatible, expected: type[EngineError], wanted: Task | None = None) -> list[Stage | Event]:
    """The events before the error that the answer ended with."""
    events: list[Stage | Event] = []
    with pytest.raises(EngineError) as caught:
        events.extend(event for event in events_of(engine, wanted or task(), Stop()))
    assert type(caught.value) is expected
    assert "ollama" not in str(caught.value).lower()
    return events


def test_an_answer_is_a_stage_then_pieces_then_the_end_mark(serve: Serve) -> None:
    _, engine = serve()
    events = answer(engine)
    assert events[0] == Stage("reading", MODEL, 4096)
    assert "".join(piece.text for piece in pieces(events)) == TEXT
    assert events[-1] == Done("stop", 12, 34)


def test_a_piece_arrives_while_the_server_still_writes(serve: Serve) -> None:
    server, engine = serve()
    opened = threading.Event()
    server.script("one", gate(opened), "two")
    events = events_of(engine, task(), Stop())
    assert [next(events), next(events)] == [Stage("reading", MODEL, 4096), Piece("one")]
    opened.set()
    assert next(events) == Piece("two")


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_comes_as_thought_and_before_the_answer(serve: Serve, field: str) -> None:
    server, engine = serve()
    server.script(chunk(role="assistant", content=None), chunk(**{field: "Hm."}), "Yes.")
    assert pieces(answer(engine)) == [Piece("Hm.", thought=True), Piece("Yes.")]


def test_the_request_holds_what_was_set_and_nothing_else(serve: Serve) -> None:
    server, engine = serve(key="sk-1")
    turns = (Turn("system", "Be brief."), Turn("user", "a"), Turn("assistant", "b"), Turn("user", "c"))
    list(events_of(engine, Task(MODEL, turns), Stop()))
    assert server.chats() == [
        {
            "model": MODEL,
            "messages": [{"role": turn.role, "content": turn.text} for turn in turns],
            "stream": True,
            "stream_options": {"include_usage": True},
        }
    ]
    assert {request.headers["authorization"] for request in server.requests} == {"Bearer sk-1"}


def test_what_may_be_set_reaches_the_server_under_its_name(serve: Serve) -> None:
    server, engine = serve()
    wanted = {"max_tokens": 9, "temperature": 0.0, "top_p": 0.5, "seed": 7, "stop": ("\n",)}
    wanted |= {"frequency_penalty": 0.1, "presence_penalty": -0.1}
    schema, tools = {"type": "object"}, ({"type": "function", "function": {"name": "f"}},)
    options = Options(**wanted, think="low", keep_alive="10m")
    list(events_of(engine, Task(MODEL, (Turn("user", "Hi"),), options, format=schema, tools=tools), Stop()))
    (sent,) = server.chats()
    assert {name: sent[name] for name in wanted} == {**wanted, "stop": ["\n"]}
    assert (sent["reasoning_effort"], sent["tools"]) == ("low", list(tools))
    assert sent["response_format"]["json_schema"]["schema"] == schema
    assert not {"keep_alive", "num_ctx", "options"} & set(sent)


@pytest.mark.parametrize(("make", "told"), [("vllm", True), ("llamacpp", True), ("lmstudio", False), ("", False)])
def test_only_servers_that_understand_it_are_told_not_to_think(serve: Serve, make: str, told: bool) -> None:
    server, engine = serve(make=make)
    answer(engine, task(think=False))
    assert server.chats()[0].get("chat_template_kwargs") == ({"enable_thinking": False} if told else None)


def test_llama_cpp_says_how_far_it_has_read_so_that_it_notices_a_stop(serve: Serve) -> None:
    server, engine = serve(make="llamacpp")
    server.script(event(choices=[{"delta": {}}], prompt_progress={"total": 9, "processed": 3}), "x")
    assert answer(engine)[1:] == [Piece("x"), Done("stop", 12, 34)]
    assert server.chats()[0]["return_progress"] is True


def test_a_raw_prompt_goes_without_a_template(serve: Serve) -> None:
    server, engine = serve()
    server.script(event(choices=[{"text": "safe", "finish_reason": "stop"}]), closed, path="/v1/completions")
    assert pieces(answer(engine, Task(MODEL, (), raw="Is it?"))) == [Piece("safe")]
    assert server.requests[-1].body["prompt"] == "Is it?"


def test_calls_come_whole_although_they_are_sent_in_pieces(serve: Serve) -> None:
    server, engine = serve()
    calls = [
        [{"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": ""}}],
        [{"index": 1, "id": "c2", "function": {"name": "g", "arguments": "{}"}}],
        [{"index": 0, "function": {"arguments": '{"a": '}}],
        [{"index": 0, "function": {"arguments": "1}"}}],
    ]
    server.script(*(chunk(tool_calls=call) for call in calls), done("tool_calls"))
    events = answer(engine)
    assert events[1:] == [ToolCall("f", {"a": 1}, "c1"), ToolCall("g", {}, "c2"), Done("stop", 12, 34)]


def test_a_call_that_is_cut_short_is_none_and_one_that_is_no_json_breaks_the_answer(serve: Serve) -> None:
    server, engine = serve()
    half = chunk(tool_calls=[{"index": 0, "id": "c", "function": {"name": "f", "arguments": '{"a": '}}])
    server.script(half, done("length"))
    assert answer(engine)[1:] == [Done("length", 12, 34)]
    server.script(half, done("tool_calls"))
    failed(engine, errors.EngineBroke)


def test_calls_and_what_tools_gave_go_along_with_ids_that_fit(serve: Serve) -> None:
    server, engine = serve()
    turns = (
        Turn("user", "Hi"),
        Turn("assistant", "", tool_calls=(ToolCall("f", {"a": 1}),)),
        Turn("tool", "42", tool_name="f"),
    )
    list(events_of(engine, Task(MODEL, turns), Stop()))
    _, called, gave = server.chats()[0]["messages"]
    assert json.loads(called["tool_calls"][0]["function"]["arguments"]) == {"a": 1}
    assert called["tool_calls"][0]["id"] == gave["tool_call_id"] != ""


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (done("length"), Done("length", 12, 34)),
        (done("content_filter"), Done("stop", 12, 34)),
        (done(None), Done("stop", 12, 34)),
        (done(usage=None), Done("stop")),
        (done(usage={"prompt_tokens": -1, "completion_tokens": 2**40}), Done("stop")),
        (
            done(
                usage=None,
                timings={"cache_n": 4, "prompt_n": 6, "predicted_n": 5, "prompt_ms": 500, "predicted_ms": 250},
            ),
            Done("stop", 10, 5, None, 0.5, 0.25),
        ),
    ],
)
def test_the_end_mark_has_what_the_server_says(serve: Serve, end: Step, expected: Done) -> None:
    server, engine = serve()
    server.script("x", end)
    assert answer(engine)[-1] == expected


@pytest.mark.parametrize("how", [closed, cut, silence])
def test_an_answer_that_has_its_reason_is_whole_however_the_body_ends(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, how: Step
) -> None:
    monkeypatch.setattr(module, "FIGURES_SECONDS", 0.05)
    server, engine = serve()
    server.script("x", chunk("stop"), how)
    assert answer(engine)[1:] == [Piece("x"), Done("stop")]


def test_an_answer_without_reason_and_mark_is_cut(serve: Serve) -> None:
    server, engine = serve()
    server.script("so far", closed)
    assert failed(engine, errors.AnswerCut)[-1] == Piece("so far")


@pytest.mark.parametrize(("reason", "expected"), [("error", errors.EngineBroke), ("abort", errors.AnswerCut)])
def test_a_reason_that_is_none_is_an_error(serve: Serve, reason: str, expected: type[EngineError]) -> None:
    server, engine = serve()
    server.script("so far", done(reason))
    assert failed(engine, expected)[-1] == Piece("so far")


def test_comments_and_other_fields_of_events_say_nothing(serve: Serve) -> None:
    server, engine = serve()
    server.script(b": ping\r\n\r\nevent: message\r\nid: 1\r\nretry: 5\r\n", "x", b"data:[DONE]\n\n")
    assert answer(engine)[1:] == [Piece("x"), Done("stop")]


@pytest.mark.parametrize(
    "garbage",
    [b"nonsense\n", b"data: {\n\n", b'data: {"choices":5}\n\n', b"data: []\n\n", b"data: " + b"[" * 9999 + b"\n\n"],
)
def test_a_line_that_is_no_event_breaks_the_answer_after_what_came_before(serve: Serve, garbage: bytes) -> None:
    server, engine = serve()
    server.script("so far", garbage, done())
    assert failed(engine, errors.EngineBroke)[-1] == Piece("so far")


def test_a_line_of_five_megabytes_and_a_lone_surrogate_are_read(serve: Serve) -> None:
    server, engine = serve()
    long = "word " * 1_000_000
    server.script(long, chunk(content="\ud800"))
    assert "".join(piece.text for piece in pieces(answer(engine))) == long + "\ufffd"


# As the servers say them: llama.cpp, vLLM, LM Studio, and proxies before them.
REFUSALS = [
    (400, "request (5031 tokens) exceeds the available context size (2048 tokens)", errors.ContextFull),
    (400, "This model's maximum context length is 4096 tokens. However, you requested 5000.", errors.ContextFull),
    (400, "the decoder prompt is longer than the maximum model length of 2048", errors.ContextFull),
    (400, "the model is loaded with context length of only 4096 tokens", errors.ContextFull),
    (400, "Expected 'messages' to be an array", errors.EngineBroke),
    (400, "No models loaded. Please load a model", errors.NoModel),
    (401, "Invalid API Key", errors.EngineForbids),
    (403, "", errors.EngineForbids),
    (404, "The model `x` does not exist.", errors.ModelMissing),
    (404, "File Not Found", errors.EngineBroke),
    (400, 'Model "x" not found', errors.ModelMissing),
    (429, "Rate limit", errors.EngineBusy),
    (500, "CUDA out of memory. Tried to allocate 2 GiB", errors.OutOfMemory),
    (500, "tools param requires --jinja flag", errors.RequestUnsuited),
    (500, "Internal Server Error", errors.EngineBroke),
    (503, "Loading model", errors.EngineBusy),
    (503, "engine is overloaded", errors.EngineBusy),
]


@pytest.mark.parametrize(("code", "text", "expected"), REFUSALS)
def test_a_refusal_is_understood(serve: Serve, code: int, text: str, expected: type[EngineError]) -> None:
    server, engine = serve()
    server.script(refusal(code, text))
    failed(engine, expected)


def test_a_refused_key_says_which_setting_to_look_at(serve: Serve) -> None:
    server, engine = serve()
    server.script(refusal(401, "Invalid API Key"), path="/v1/models")
    with pytest.raises(errors.EngineForbids, match="OPENAI_API_KEY"):
        engine.models()


@pytest.mark.parametrize(
    ("code", "body", "expected"),
    [
        (502, b"<html>Bad Gateway</html>", errors.EngineUnreachable),
        (504, b"", errors.EngineUnreachable),
        (503, b"<html>Service Unavailable</html>", errors.EngineBusy),
        (200, b"<html>Sign in</html>", errors.EngineBroke),
        (500, b"[" * 100_000, errors.EngineBroke),
        (302, b"", errors.EngineBroke),
        (404, b'{"detail":"Not Found"}', errors.EngineBroke),
    ],
)
def test_a_proxys_page_is_understood(serve: Serve, code: int, body: bytes, expected: type[EngineError]) -> None:
    server, engine = serve()
    server.script(status(code, body, "text/html"))
    failed(engine, expected)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (error("CUDA out of memory"), errors.OutOfMemory),
        (error({"message": "request exceeds the available context size", "code": 400}), errors.ContextFull),
        (error("something broke"), errors.EngineBroke),
        (b'error: {"code":500,"message":"broke"}\n\n', errors.EngineBroke),
        (written(object="error", message="server busy"), errors.EngineBusy),
    ],
)
def test_an_error_in_mid_stream_is_understood(serve: Serve, said: Step, expected: type[EngineError]) -> None:
    server, engine = serve()
    server.script("so far", said)
    assert failed(engine, expected)[-1] == Piece("so far")


@pytest.mark.parametrize("more", [{"format": "json"}, {"tools": ({},)}])
def test_tools_or_a_format_that_a_server_does_not_take_are_the_programs_fault(serve: Serve, more: Any) -> None:
    server, engine = serve()
    server.script(refusal(400, "'response_format.type' must be 'json_schema'"))
    failed(engine, errors.RequestUnsuited, Task(MODEL, (Turn("user", "Hi"),), **more))


def test_a_prompt_that_fits_is_asked_again_with_less_room_for_the_answer(serve: Serve) -> None:
    server, engine = serve()
    said = "maximum context length is 4096 tokens and your request has 3000 input tokens (2048 > 4096 - 3000)"
    server.script(refusal(400, f"max_tokens is too large: 2048. This model's {said}"))
    answer(engine, task(max_tokens=2048))
    assert [sent["max_tokens"] for sent in server.chats()] == [2048, 1096]
    server.script(refusal(400, f"This model's {said}"))
    failed(engine, errors.ContextFull, task(max_tokens=1096))


def test_a_server_that_knows_no_effort_is_asked_again_without(serve: Serve) -> None:
    server, engine = serve()
    server.script(refusal(400, "Unsupported parameter: reasoning_effort"))
    answer(engine, task(think="high"))
    assert [sent.get("reasoning_effort") for sent in server.chats()] == ["high", None]


@pytest.mark.parametrize("then", [error(f"broke at {PROMPT}"), f"{PROMPT}\n".encode(), cut])
def test_no_error_and_no_log_holds_what_was_said_or_the_key(
    serve: Serve, caplog: pytest.LogCaptureFixture, then: Step
) -> None:
    caplog.set_level(logging.DEBUG)
    server, engine = serve(key="sk-not-for-anybody")
    server.script(PROMPT, then)
    with pytest.raises(EngineError) as caught:
        answer(engine)
    shown = "".join(traceback.format_exception(caught.value))
    said = f"{shown} {caught.value.facts} {caplog.text} {vars(engine)}"
    assert PROMPT not in said
    assert "not-for-anybody" not in said


@pytest.mark.parametrize("path", ["/health", "/v1/models", "/v1/chat/completions"])
@pytest.mark.parametrize("steps", [(silence,), (headers, silence)])
def test_a_stop_ends_the_wait_for_a_response(serve: Serve, path: str, steps: Any) -> None:
    server, engine = serve(silence_seconds=30)
    script = server.script(*steps, path=path)
    stop = Stop()
    asking = threading.Thread(target=lambda: (script.asked.wait(5), stop.ask()))
    asking.start()
    began = time.monotonic()
    events = list(events_of(engine, task(), stop))
    asking.join()
    assert time.monotonic() - began < AT_ONCE
    assert all(isinstance(event, Stage) for event in events)
    assert script.client_gone.wait(AT_ONCE)


def test_connections_are_used_again(serve: Serve) -> None:
    server, engine = serve()
    for _ in range(3):
        answer(engine)
    assert server.connections == 1


@pytest.mark.parametrize("make", ["vllm", "llamacpp", "lmstudio"])
def test_how_much_a_model_sees_is_asked_of_each_server_in_its_way(serve: Serve, make: str) -> None:
    server, engine = serve(make=make)
    server.context = 1234
    assert answer(engine)[0] == Stage("reading", MODEL, 1234)


def test_how_much_a_model_sees_can_be_set_and_is_never_more_than_there_is(serve: Serve) -> None:
    _, unknown = serve(make="")
    assert [answer(unknown, task(num_ctx=limit))[0] for limit in (None, 999)] == [
        Stage("reading", MODEL, None),
        Stage("reading", MODEL, 999),
    ]
    _, known = serve(make="vllm")
    assert answer(known, task(num_ctx=999_999))[0] == Stage("reading", MODEL, 4096)


def test_no_model_in_particular_means_the_first_that_can_chat(serve: Serve) -> None:
    server, engine = serve(make="lmstudio", models=["text-embed", "llama-guard", "a/b"])
    assert [model.name for model in engine.models()] == ["a/b", "llama-guard"]
    answer(engine, task(""))
    assert server.chats()[0]["model"] == "a/b"


def test_no_model_at_all_and_one_that_is_not_there_are_said_to_be_so(serve: Serve) -> None:
    server, engine = serve(make="llamacpp")
    failed(engine, errors.ModelMissing, task("another"))  # llama.cpp would answer with what it has
    assert server.chats() == []
    _, vllm = serve(make="vllm")
    failed(vllm, errors.ModelMissing, task("another"))
    _, nothing = serve(models=[])
    failed(nothing, errors.NoModel, task(""))


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b"{}", b"[" * 100_000])
def test_a_list_of_models_that_is_none_is_an_error(serve: Serve, body: bytes) -> None:
    server, engine = serve()
    server.script(status(200, body), path="/v1/models")
    with pytest.raises(errors.EngineBroke):
        engine.models()


def test_a_model_that_is_loading_is_waited_for_and_said_to_be(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.01)
    server, engine = serve(make="llamacpp")
    for _ in range(3):
        server.script(refusal(503, "Loading model", "unavailable_error"), path="/health")
    assert answer(engine)[:2] == [Stage("loading", MODEL), Stage("reading", MODEL, 4096)]


def test_a_model_that_loads_for_too_long_is_silent(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.01)
    server, engine = serve(make="llamacpp", silence_seconds=0.05)
    for _ in range(100):
        server.script(refusal(503, "Loading model"), path="/health")
    assert failed(engine, errors.EngineSilent) == [Stage("loading", MODEL)]


@pytest.mark.parametrize(
    ("make", "prefills", "expected"),
    [
        ("llamacpp", True, True),
        ("llamacpp", False, False),
        ("vllm", True, True),
        ("vllm", False, False),
        ("lmstudio", True, False),
        ("", True, False),
    ],
)
def test_whether_a_server_goes_on_is_seen_by_what_its_template_makes(
    serve: Serve, make: str, prefills: bool, expected: bool
) -> None:
    server, engine = serve(make=make, prefills=prefills)
    assert engine.continues(MODEL, Stop()) is expected
    list(events_of(engine, Task(MODEL, (Turn("user", "Hi"), Turn("assistant", "So"))), Stop()))
    (sent,) = server.chats()
    assert (sent.get("continue_final_message"), sent.get("add_generation_prompt")) == (
        (True, False) if make == "vllm" else (None, None)
    )


def test_a_server_that_does_not_say_whether_it_goes_on_does_not(serve: Serve) -> None:
    for make, path in (("vllm", "/tokenize"), ("vllm", "/detokenize"), ("llamacpp", "/apply-template")):
        for answer_is in (status(404, b"no"), status(200, b"[]"), refusal(400, "prefill is incompatible")):
            server, engine = serve(make=make)
            server.script(answer_is, path=path)
            assert not engine.continues(MODEL, Stop())


@pytest.mark.parametrize("how", ["endless", "a byte at a time"])
def test_a_list_that_does_not_end_is_given_up(serve: Serve, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    """Whoever answers there, or breaks in there, neither fills the memory nor holds up who looks."""
    monkeypatch.setattr(wire, "LONGEST_SECONDS", 0.1)
    monkeypatch.setattr(wire, "QUICK_SECONDS", 0.05)
    monkeypatch.setattr(wire, "LARGEST_BODY", 2**20 if how == "endless" else 2**30)
    server, engine = serve()
    sent = 0

    def goes_on(answer: Answer) -> None:
        nonlocal sent
        while True:
            answer.send(b" " * (2**16 if how == "endless" else 1))
            sent += 1
            answer.client_gone.wait(0 if how == "endless" else 0.01)

    server.script(goes_on, path="/v1/models")
    with pytest.raises(errors.EngineBroke):
        engine.models()
    assert sent < 1000
