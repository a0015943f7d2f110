"""Ollama as an engine, met over a real socket: what it is asked, what is made of its answer."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from asking import events_of
from scripted_ollama import TEXT, ScriptedOllama, closed, done, gate, line, silence, status, thinking

from insight_app import errors
from insight_app.engines import listening
from insight_app.engines.base import Done, Event, Options, Piece, Stage, Stop, Task, Turn
from insight_app.engines.ollama import Ollama
from insight_app.engines.tools import ToolCall

MODEL = "llama3.2:latest"


@pytest.fixture
def serve() -> Iterator[Callable[..., tuple[ScriptedOllama, Ollama]]]:
    """Starts a scripted server and gives it with the engine that knows it."""
    with ExitStack() as stack:

        def start(**options: Any) -> tuple[ScriptedOllama, Ollama]:
            server = stack.enter_context(ScriptedOllama(**options))
            return server, Ollama(server.url, silence_seconds=5)

        yield start


def task(model: str = MODEL, text: str = "Hello?", **options: Any) -> Task:
    return Task(model, (Turn("user", text),), Options(**options))


def answer(engine: Ollama, wanted: Task | None = None) -> list[Stage | Event]:
    return list(events_of(engine, wanted or task(), Stop()))


def written(events: list[Stage | Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Piece) and not event.thought)


def test_an_answer_is_a_stage_then_pieces_then_the_end_mark(serve: Any) -> None:
    _, engine = serve()
    events = answer(engine)
    assert events[0] == Stage("reading", MODEL, 4096)
    assert written(events) == TEXT
    assert events[-1] == Done("stop", 12, 34, 0.5, 0.25, 2.0)


def test_a_piece_arrives_while_the_engine_still_writes(serve: Any) -> None:
    server, engine = serve()
    opened = threading.Event()
    server.script("one", gate(opened), "two")
    events = events_of(engine, task(), Stop())
    assert next(events) == Stage("reading", MODEL, 4096)
    assert next(events) == Piece("one")
    opened.set()
    assert next(events) == Piece("two")


@pytest.mark.parametrize("chunked", [True, False])
def test_nothing_is_lost_however_the_body_is_framed(serve: Any, chunked: bool) -> None:
    server, engine = serve(chunked=chunked)
    pieces = [f"{number} " for number in range(300)]
    server.script(*pieces)
    assert written(answer(engine)) == "".join(pieces)


def test_reasoning_comes_as_thought_and_before_the_answer(serve: Any) -> None:
    server, engine = serve()
    server.script(thinking("Hm."), "Yes.")
    assert [event for event in answer(engine) if isinstance(event, Piece)] == [
        Piece("Hm.", thought=True),
        Piece("Yes."),
    ]


def test_the_request_holds_what_was_set_and_nothing_else(serve: Any) -> None:
    server, engine = serve()
    turns = (Turn("system", "Be brief."), Turn("user", "a"), Turn("assistant", "b"), Turn("user", "c"))
    list(events_of(engine, Task(MODEL, turns), Stop()))
    assert server.chats() == [
        {
            "model": MODEL,
            "messages": [{"role": turn.role, "content": turn.text} for turn in turns],
            "stream": True,
            "truncate": False,
            "options": {},
        }
    ]


def test_each_option_reaches_ollama_under_its_name(serve: Any) -> None:
    server, engine = serve()
    answer(engine, task(max_tokens=100, num_ctx=8192, keep_alive="10m", think=False))
    (sent,) = server.chats()
    assert sent["options"] == {"num_predict": 100, "num_ctx": 8192}
    assert (sent["keep_alive"], sent["think"]) == ("10m", False)


def test_what_a_program_may_set_reaches_ollama_under_its_name_too(serve: Any) -> None:
    server, engine = serve()
    wanted = {"top_p": 0.5, "seed": 7, "stop": ("\n",), "frequency_penalty": 0.1, "presence_penalty": -0.1}
    tools = ({"type": "function", "function": {"name": "f"}},)
    turn = Turn("user", "Hello?")
    list(events_of(engine, Task(MODEL, (turn,), Options(think="low", **wanted), format="json", tools=tools), Stop()))
    (sent,) = server.chats()
    assert sent["options"] == {**wanted, "stop": ["\n"]}
    assert (sent["think"], sent["format"], sent["tools"]) == ("low", "json", list(tools))


def test_calls_and_what_tools_gave_go_along_as_ollama_has_them(serve: Any) -> None:
    server, engine = serve()
    turns = (
        Turn("assistant", "", tool_calls=(ToolCall("f", {"a": 1}, "call_1"), ToolCall("g"))),
        Turn("tool", "42", tool_name="f", tool_call_id="call_1"),
    )
    list(events_of(engine, Task(MODEL, turns), Stop()))
    assert server.chats()[0]["messages"] == [
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {"id": "call_1", "function": {"name": "f", "arguments": {"a": 1}}},
                {"function": {"name": "g", "arguments": {}}},
            ],
        },
        {"role": "tool", "content": "42", "tool_name": "f", "tool_call_id": "call_1"},
    ]


@pytest.mark.parametrize("more", [{"format": {"type": 3}}, {"tools": ({},)}])
def test_tools_or_a_format_that_ollama_does_not_take_are_the_programs_fault(serve: Any, more: dict[str, Any]) -> None:
    server, engine = serve()
    server.script(status(400, {"error": "json: cannot unmarshal number"}))
    with pytest.raises(errors.RequestUnsuited):
        list(events_of(engine, Task(MODEL, (Turn("user", "Hello?"),), **more), Stop()))


@pytest.mark.parametrize(("given", "sent"), [("-1", -1), ("300", 300), ("5m", "5m")])
def test_plain_seconds_are_sent_as_a_number(serve: Any, given: str, sent: object) -> None:
    server, engine = serve()
    answer(engine, task(keep_alive=given))
    assert server.chats()[0]["keep_alive"] == sent


@pytest.mark.parametrize("text", ["\ud800", "\x00", "<script>", "😀 \u2028"])
def test_any_prompt_reaches_ollama(serve: Any, text: str) -> None:
    server, engine = serve()
    answer(engine, task(text=text))
    assert server.chats()[0]["messages"][0]["content"] == text


def stages(engine: Ollama, model: str, **options: Any) -> list[Stage]:
    return list(engine.prepare(model, Options(**options), Stop()))


def test_a_model_that_is_not_loaded_is_loaded_first_and_said_to_be(serve: Any) -> None:
    server, engine = serve(models=["a:latest", "b:latest"], loaded=["a:latest"])
    assert stages(engine, "a") == [Stage("reading", "a", 4096)]
    assert not [request for request in server.requests if request.path == "/api/generate"]
    opened = threading.Event()
    server.script(gate(opened), lambda _: server.loaded.append("b:latest"), done(), path="/api/generate")
    loading = engine.prepare("b", Options(num_ctx=4096, keep_alive="10m"), Stop())
    assert next(loading) == Stage("loading", "b")
    opened.set()
    assert list(loading) == [Stage("reading", "b", 4096)]
    (asked,) = (request.body for request in server.requests if request.path == "/api/generate")
    assert (asked["model"], asked["options"], asked["keep_alive"]) == ("b", {"num_ctx": 4096}, "10m")
    assert "prompt" not in asked


def test_another_size_of_the_context_is_another_loading(serve: Any) -> None:
    _, engine = serve()
    assert stages(engine, MODEL, num_ctx=4096) == [Stage("reading", MODEL, 4096)]
    assert stages(engine, MODEL, num_ctx=8192)[0] == Stage("loading", MODEL)


def test_a_server_that_cannot_load_without_a_prompt_answers_all_the_same(serve: Any) -> None:
    server, engine = serve(loaded=[])
    server.script(status(404, b"404 page not found"), path="/api/generate")
    assert written(answer(engine)) == TEXT


def test_a_model_that_cannot_be_loaded_is_said_to_be_so(serve: Any) -> None:
    server, engine = serve(loaded=[])
    server.script(status(500, {"error": "model requires more system memory"}), path="/api/generate")
    with pytest.raises(errors.OutOfMemory):
        stages(engine, MODEL)


def test_a_model_that_runs_elsewhere_is_never_said_to_be_loading(serve: Any) -> None:
    server, _ = serve(models=["big:cloud"], loaded=[])
    engine = Ollama(server.url, silence_seconds=5, may_run_elsewhere=True)
    assert answer(engine, task("big:cloud"))[0] == Stage("reading", "big:cloud")


@pytest.mark.parametrize("broken", [status(500, {"error": "no"}), status(200, b"nonsense"), status(200, [])])
def test_not_knowing_what_is_loaded_does_not_prevent_an_answer(serve: Any, broken: Any) -> None:
    server, engine = serve()
    server.script(broken, path="/api/ps")
    assert written(answer(engine)) == TEXT


def test_a_context_that_could_not_be_read_once_is_asked_for_again(serve: Any) -> None:
    server, engine = serve()
    server.script(status(500, {"error": "no"}), path="/api/ps")
    assert answer(engine)[0] == Stage("reading", MODEL)
    assert answer(engine)[0] == Stage("reading", MODEL, 4096)


def test_no_model_in_particular_means_the_first_that_can_chat_here(serve: Any) -> None:
    server, engine = serve(
        models=["embed:latest", "elsewhere:cloud", "chat:latest"],
        capabilities={"embed:latest": ["embedding"]},
    )
    assert answer(engine, task(""))[0] == Stage("reading", "chat:latest", 4096)
    assert server.chats()[0]["model"] == "chat:latest"


def test_no_model_at_all_is_said_to_be_so(serve: Any) -> None:
    _, engine = serve(models=[])
    with pytest.raises(errors.NoModel, match="no model yet"):
        answer(engine, task(""))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"done_reason": "length"}, "length"),
        ({"done_reason": None}, "stop"),
        ({"done_reason": "load"}, "stop"),
        ({"done_reason": "unload"}, "stop"),
    ],
)
def test_the_end_mark_says_why_the_answer_ended(serve: Any, said: Any, expected: str) -> None:
    server, engine = serve()
    server.script("x", done(**said))
    end = answer(engine)[-1]
    assert isinstance(end, Done)
    assert end.reason == expected


def test_counts_that_ollama_leaves_out_are_not_known(serve: Any) -> None:
    server, engine = serve()
    server.script("x", line(done=True), closed)
    assert answer(engine)[-1] == Done("stop")


def test_the_last_line_can_still_carry_text(serve: Any) -> None:
    server, engine = serve()
    server.script("one ", done(message={"content": "two"}))
    assert written(answer(engine)) == "one two"


def test_connections_are_used_again(serve: Any) -> None:
    server, engine = serve()
    for _ in range(3):
        answer(engine, task(""))
    assert server.connections == 1


def test_connections_are_used_again_after_a_refusal(serve: Any) -> None:
    server, engine = serve()
    server.script(status(400, {"error": "no"}))
    with pytest.raises(errors.EngineBroke):
        answer(engine)
    answer(engine)
    assert server.connections == 1


def test_a_body_that_goes_on_behind_the_end_mark_holds_up_nobody(serve: Any) -> None:
    server, _ = serve()
    engine = Ollama(server.url, silence_seconds=30)
    server.script("x", line(done=True), silence)
    before = time.perf_counter()
    assert answer(engine)[-1] == Done("stop")
    assert time.perf_counter() - before < 10
    answer(engine)
    assert server.connections == 2


def test_a_body_that_ends_a_little_behind_the_end_mark_costs_no_connection(serve: Any) -> None:
    server, engine = serve()
    opened = threading.Event()
    server.script("x", line(done=True), gate(opened), closed)
    events = events_of(engine, task(), Stop())
    while next(events) != Done("stop"):
        pass
    opened.set()
    assert list(events) == []
    answer(engine)
    assert server.connections == 1


def test_an_end_mark_without_a_line_end_is_one(serve: Any) -> None:
    server, engine = serve()
    server.script("x", b'{"done":true}', closed)
    assert answer(engine)[-1] == Done("stop")


def test_a_connection_that_ollama_closed_meanwhile_is_replaced(serve: Any) -> None:
    server, engine = serve()
    answer(engine)
    server.close()
    with ScriptedOllama(port=server.port):
        assert written(answer(engine)) == TEXT


def test_a_model_that_cannot_think_is_asked_again_without(serve: Any) -> None:
    server, engine = serve()
    server.script(status(400, {"error": f'"{MODEL}" does not support thinking'}))
    assert written(answer(engine, task(think=True))) == TEXT
    assert [sent.get("think") for sent in server.chats()] == [True, None]


@pytest.mark.parametrize(("refusals", "asked"), [(1, ["high", True]), (2, ["high", True, None])])
def test_a_model_that_cannot_be_told_how_long_to_think_thinks(serve: Any, refusals: int, asked: list[Any]) -> None:
    server, engine = serve()
    said = ('think value "high" is not supported for this model', f'"{MODEL}" does not support thinking')
    for each in said[:refusals]:
        server.script(status(400, {"error": each}))
    assert written(answer(engine, task(think="high"))) == TEXT
    assert [sent.get("think") for sent in server.chats()] == asked


def test_it_is_asked_again_only_once(serve: Any) -> None:
    server, engine = serve()
    for _ in range(2):
        server.script(status(400, {"error": "x does not support thinking"}))
    with pytest.raises(errors.ModelUnsuited):
        answer(engine, task(think=True))
    assert len(server.chats()) == 2


def test_dropping_an_answer_closes_its_socket(serve: Any) -> None:
    server, engine = serve()
    script = server.script("one", silence)
    events = events_of(engine, task(), Stop())
    assert [next(events), next(events)][1] == Piece("one")
    events.close()
    assert script.client_gone.wait(5)


def test_the_list_of_models_is_for_people(serve: Any) -> None:
    _, engine = serve(models=["big:cloud", "a:latest", "b:latest"], remote=["b:latest"])
    models = engine.models()
    assert [(model.name, model.remote) for model in models] == [
        ("a:latest", False),
        ("big:cloud", True),
        ("b:latest", True),
    ]
    assert (models[0].details, models[0].size) == ("8.0B · Q4_K_M", 4_000_000_000)
    assert models[0].abilities == {"completion"}


def test_a_server_that_does_not_say_what_models_can_do_has_them_all_listed(serve: Any) -> None:
    _, engine = serve(models=["a:latest"], capabilities={"a:latest": None})
    assert [model.name for model in engine.models()] == ["a:latest"]


def test_sign_in_from_the_address_is_sent_and_never_shown(serve: Any) -> None:
    server, _ = serve()
    engine = Ollama(server.url.replace("//", "//ann:se@cret@"), silence_seconds=5)
    assert engine.url == server.url
    engine.models()
    assert server.requests[0].headers["authorization"].startswith("Basic ")
    server.script(status(401, {"error": "unauthorized"}))
    with pytest.raises(errors.EngineForbids) as caught:
        answer(engine)
    assert "cret" not in json.dumps([str(caught.value), caught.value.facts])


def test_a_proxy_of_the_environment_is_not_used(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    _, engine = serve()
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert written(answer(engine)) == TEXT


def test_a_redirect_is_not_followed(serve: Any) -> None:
    server, engine = serve()
    server.script(
        lambda answer: answer.send_raw(b"HTTP/1.1 307 Go\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"),
    )
    with pytest.raises(errors.EngineError):
        answer(engine)
    assert [request.path for request in server.requests] == ["/api/tags", "/api/ps", "/api/chat"]


@pytest.mark.parametrize(("shortest_wait", "rests"), [(100.0, True), (0.0, False)])
def test_an_engine_that_is_never_waited_for_leaves_others_a_turn(
    serve: Any, monkeypatch: pytest.MonkeyPatch, shortest_wait: float, rests: bool
) -> None:
    monkeypatch.setattr(listening, "LONGEST_RUN_SECONDS", 0.0)
    monkeypatch.setattr(listening, "REST_SECONDS", 0.000_123)
    monkeypatch.setattr(listening, "WAIT_SECONDS", shortest_wait)
    rested: list[float] = []
    monkeypatch.setattr(listening.time, "sleep", rested.append)
    server, engine = serve()
    server.script(*["word "] * 100)
    assert written(answer(engine)) == "word " * 100
    assert (0.000_123 in rested) is rests
