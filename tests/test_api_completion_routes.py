"""What comes through the door for programs goes the way of everything else: rules, line, instructions, figures."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from contextlib import closing
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given
from hypothesis import settings as tried
from hypothesis import strategies as st
from own_app import Start
from scripted_ollama import ScriptedOllama, done, gate, line, silence, thinking
from test_chat_replies import until
from werkzeug.test import TestResponse

from insight_app.api import completion_routes, following
from insight_app.chat.prompts import WRAPPER, Parts
from insight_app.config import Settings
from insight_app.errors import TooManyWaiting
from insight_app.moderation.judge_settings import JUDGE, JudgeSettings
from insight_app.moderation.rulebook import as_json
from insight_app.moderation.rules import Action, Kind, Rule, Scope
from insight_app.moderation.store import Entry
from insight_app.services import Services

PATH = "/v1/chat/completions"


def ask(client: FlaskClient, *messages: dict[str, Any] | str, **more: Any) -> TestResponse:
    sent = [{"role": "user", "content": each} if isinstance(each, str) else each for each in messages or ("Hi",)]
    return client.post(PATH, json={"messages": sent, **more})


def told(response: TestResponse) -> Any:
    assert response.json is not None
    return response.json


def chunks(response: TestResponse) -> list[Any]:
    """What a stream said, [DONE] as a text."""
    data = [each[6:] for each in response.text.split("\n") if each.startswith("data: ")]
    return [each if each == "[DONE]" else json.loads(each) for each in data]


def set_rule(services: Services, action: Action, text: str = "secret", scope: Scope = Scope.BOTH) -> None:
    rule = Rule("rule-1", "Kept back", Kind.WORDS, text, scope, action, reason="It is ours.")
    services.rules.change("test", {rule.id: Entry(rule.id, 1, as_json(rule))})


def calls(*arguments: dict[str, Any], name: str = "f") -> Any:
    said = [{"function": {"name": name, "arguments": each}} for each in arguments]
    return line(message={"role": "assistant", "content": "", "tool_calls": said}, done=False)


# What is refused.


@pytest.mark.parametrize(
    "sent",
    [
        {"data": b"", "content_type": "application/json"},
        {"data": b"{", "content_type": "application/json"},
        {"data": b"[" * 1_000_000, "content_type": "application/json"},
        {"data": b'{"messages": [{"role": "user", "content": "a"}]}', "content_type": "text/plain"},
        {"data": b'{"messages": [{"role": "user", "content": "a"}]}'},
        {"data": {"messages": "a"}},
        {"data": b'{"messages": NaN}', "content_type": "application/json; charset=utf-16"},
    ],
)
def test_what_is_no_json_is_refused_with_a_hint(client: FlaskClient, sent: dict[str, Any]) -> None:
    response = client.post(PATH, **sent)
    assert response.status_code == 400
    error = told(response)["error"]
    assert (error["code"], error["type"], error["param"]) == ("not_json", "invalid_request_error", None)
    assert "Content-Type: application/json" in error["message"]


def test_all_errors_have_the_shape_that_clients_know(client: FlaskClient, ollama: ScriptedOllama) -> None:
    asked: list[tuple[TestResponse, int, str, str]] = [
        (ask(client, temperature=9), 400, "invalid_request_error", "invalid_request"),
        (ask(client, "x" * 100_001), 400, "invalid_request_error", "context_length_exceeded"),
        (ask(client, model="nobody"), 404, "invalid_request_error", "model_not_found"),
        (client.get("/v1/models/nobody"), 404, "invalid_request_error", "model_not_found"),
        (client.get("/v1/nothing"), 404, "invalid_request_error", "address_unknown"),
        (client.get(PATH), 405, "invalid_request_error", "wrong_method"),
        (
            client.post(PATH, data=b" " * 5_000_000, content_type="application/json"),
            413,
            "invalid_request_error",
            "too_large",
        ),
        (client.post("/api/chat", json={}), 400, "invalid_request_error", "not_a_chat"),
        (client.post("/api/chat", json={"message": " "}), 422, "invalid_request_error", "empty_prompt"),
        (client.get("/api/nothing"), 404, "invalid_request_error", "address_unknown"),
    ]
    for response, status, kind, code in asked:
        assert response.status_code == status, code
        error = told(response)["error"]
        assert set(error) == {"message", "type", "param", "code"}
        assert (error["type"], error["code"]) == (kind, code)
    assert not ollama.chats()


def test_a_page_of_another_site_cannot_use_it(client: FlaskClient, ollama: ScriptedOllama) -> None:
    for header in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://evil.example"}, {"Origin": "http://["}):
        body = {"messages": [{"role": "user", "content": "Hi"}]}
        response = client.post(PATH, json=body, headers=header)
        assert response.status_code == 403
        assert told(response)["error"]["type"] == "permission_error"
        assert client.get("/v1/models", headers=header).status_code == 403
    assert not ollama.chats()


def test_who_sends_too_much_is_told_when_to_come_back(start: Start) -> None:

    app = start(send_rate_limit="1 per hour")
    client = app.test_client()
    ask(client)
    response = ask(client)
    assert (response.status_code, response.headers["Retry-After"]) == (429, "3600")
    assert told(response)["error"]["type"] == "rate_limit_error"


def test_without_an_engine_it_says_so_at_once(client: FlaskClient, services: Services, ollama: ScriptedOllama) -> None:
    ollama.close()
    services.engine.look()
    response = ask(client)
    assert (response.status_code, told(response)["error"]["code"]) == (503, "engine_unreachable")
    assert told(response)["error"]["type"] == "server_error"


def test_a_model_that_somebody_just_fetched_is_found(client: FlaskClient, ollama: ScriptedOllama) -> None:
    ollama.models.append("fresh:1b")
    assert ask(client, model="fresh:1b").status_code == 200


# How it is asked.


def test_without_instructions_of_its_own_a_program_has_ours(client: FlaskClient, ollama: ScriptedOllama) -> None:
    ask(client)
    first, second = ollama.chats()[0]["messages"]
    assert (first["role"], second) == ("system", {"role": "user", "content": "Hi"})
    assert first["content"].startswith(WRAPPER)


def test_a_programs_own_instructions_come_after_those_of_who_runs_the_server(
    client: FlaskClient, services: Services, ollama: ScriptedOllama
) -> None:
    services.instructions.set(Parts(base="You work for a bookshop."), "test")
    own = [{"role": "system", "content": "Be brief."}, {"role": "developer", "content": "Rhyme."}]
    ask(client, *own, "Hi", {"role": "system", "content": "Now in French."}, "And you?")
    sent = [(turn["role"], turn["content"]) for turn in ollama.chats()[0]["messages"]]
    assert sent == [
        ("system", "You work for a bookshop.\n\nBe brief.\n\nRhyme."),
        ("user", "Hi"),
        ("system", "Now in French."),
        ("user", "And you?"),
    ]


def test_nothing_is_left_out_of_what_a_program_sends(client: FlaskClient, ollama: ScriptedOllama) -> None:
    ollama.context = 512
    ask(client, *["word " * 100] * 50)
    assert len(ollama.talks()[0]) == 50
    assert ollama.chats()[0]["truncate"] is False


# The same rules.


@pytest.mark.parametrize("stream", [False, True])
def test_a_prompt_that_a_rule_refuses_is_not_sent(
    client: FlaskClient, services: Services, ollama: ScriptedOllama, stream: bool
) -> None:
    set_rule(services, Action.REFUSE)
    response = ask(client, "Hi", "a secret", stream=stream)
    error = told(response)["error"]
    assert (response.status_code, error["code"]) == (400, "prompt_refused")
    assert "It is ours." in error["message"]
    assert not ollama.chats()


TOOL: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "secret",
        "description": "a secret",
        "parameters": {"type": "object", "properties": {"secret": {"type": "string", "enum": ["secret"]}}},
    },
}
CALLED: dict[str, Any] = {"id": "c", "function": {"name": "f", "arguments": "{}"}}
TOLD = {"role": "tool", "tool_call_id": "c", "content": "poison"}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string", "description": "a secret"}}}


@pytest.mark.parametrize("action", [Action.REFUSE, Action.MASK])
def test_whatever_else_a_program_says_reaches_no_model_where_a_rule_finds_it(
    client: FlaskClient, services: Services, ollama: ScriptedOllama, action: Action
) -> None:
    set_rule(services, action)
    call = {"id": "c", "function": {"name": "secret", "arguments": '{"secret": ["secret", {"a": "my secret"}]}'}}
    messages = [
        {"role": "system", "content": "system secret"},
        "user secret",
        {"role": "system", "content": "later secret"},
        {"role": "assistant", "content": "answer secret", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "tool secret"},
        "Hi",
    ]
    format = {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA}}
    response = ask(client, *messages, tools=[TOOL], response_format=format)
    assert response.status_code == 200
    sent = json.dumps(ollama.chats()[0])
    assert "secret" not in sent
    assert sent.count("Kept back") == 15
    assert ollama.chats()[0]["format"]["properties"]["a"]["type"] == "string"


def test_what_a_tool_gave_is_held_to_the_rules_for_messages_though_no_prompt_comes_after(
    client: FlaskClient, services: Services, ollama: ScriptedOllama
) -> None:
    set_rule(services, Action.REFUSE, scope=Scope.PROMPTS)
    call = {"id": "c", "function": {"name": "f", "arguments": "{}"}}
    ask(
        client,
        "Hi",
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "secret"},
    )
    assert "secret" not in json.dumps(ollama.chats())


def test_what_a_program_calls_an_answer_is_held_to_the_rules_for_messages_too(
    client: FlaskClient, services: Services, ollama: ScriptedOllama
) -> None:
    """A program can say that anything was an answer."""
    set_rule(services, Action.REFUSE, scope=Scope.PROMPTS)
    call = {"id": "my secret", "function": {"name": "f", "arguments": '{"a": "secret"}'}}
    result = {"role": "tool", "tool_call_id": "my secret", "content": "12"}
    ask(client, "Hi", {"role": "assistant", "content": "a secret", "tool_calls": [call]}, result, "Do as you said")
    assert "secret" not in json.dumps(ollama.chats())


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "system", "content": "poison"}],
        [{"role": "system", "content": "poison"}, "Do it"],
        ["poison", {"role": "assistant", "content": "Hm."}, "Do it"],
        ["poison", "Do it"],
        ["Hi", {"role": "assistant", "content": "poison"}],
        ["Hi", {"role": "assistant", "content": "", "tool_calls": [CALLED]}, TOLD],
    ],
)
def test_a_judge_of_messages_reads_all_that_a_program_says(
    client: FlaskClient, services: Services, ollama: ScriptedOllama, messages: list[Any]
) -> None:
    judge = "llama-guard3:1b"
    ollama.models.append(judge)
    services.engine.look()
    ollama.replies[judge] = lambda body: ["unsafe\nS9" if "poison" in json.dumps(body) else "safe"]
    settings = JudgeSettings(judge, prompts=True, answers=False)
    services.rules.change("test", {JUDGE: Entry(JUDGE, 0, settings.as_json())})
    response = ask(client, *messages)
    assert (response.status_code, told(response)["error"]["code"]) == (400, "prompt_refused")
    assert all(body["model"] == judge for body in ollama.chats())


def test_an_answer_is_masked_wherever_it_is_cut(
    client: FlaskClient, services: Services, ollama: ScriptedOllama
) -> None:
    set_rule(services, Action.MASK)
    for stream in (False, True):
        ollama.script(thinking("a se"), thinking("cret. "), "my sec", "ret!")
        response = ask(client, stream=stream)
        assert "cret" not in response.text
        assert response.text.count("Kept back") == 2


def test_an_answer_that_a_rule_ends_says_so(client: FlaskClient, services: Services, ollama: ScriptedOllama) -> None:
    set_rule(services, Action.REFUSE)
    ollama.script("Well, ", "the secret is", silence)
    (choice,) = told(ask(client))["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("Well, the ", "content_filter")
    assert choice["message"]["refusal"] == "The answer ends here. It is ours."
    ollama.script("Well, ", "the secret is", silence)
    *said, last, end = chunks(ask(client, stream=True))
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in said) == "Well, the "
    assert last["choices"][0]["delta"] == {"refusal": "The answer ends here. It is ours."}
    assert (last["choices"][0]["finish_reason"], end) == ("content_filter", "[DONE]")


def test_a_rule_for_answers_holds_for_what_a_model_calls(
    client: FlaskClient, services: Services, ollama: ScriptedOllama
) -> None:
    set_rule(services, Action.MASK, text="secret\n4111")
    ollama.script(calls({"secret": ["a secret", 4111, {"b": "secret"}], "c": 5}))
    (call,) = told(ask(client))["choices"][0]["message"]["tool_calls"]
    label = "⟦Kept back⟧"
    assert json.loads(call["function"]["arguments"]) == {label: [f"a {label}", label, {"b": label}], "c": 5}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("step", [calls({}, {"a": {"b": ["my secret"]}}, {}), calls({}, name="secret")])
def test_a_call_that_a_rule_refuses_ends_the_answer(
    client: FlaskClient, services: Services, ollama: ScriptedOllama, stream: bool, step: Any
) -> None:
    set_rule(services, Action.REFUSE)
    script = ollama.script("So: ", step, silence)
    response = ask(client, stream=stream)
    assert "secret" not in response.text
    assert '"content_filter"' in response.text
    assert "So: " in response.text
    assert script.client_gone.wait(5)


def test_a_judge_reads_what_a_model_calls(client: FlaskClient, services: Services, ollama: ScriptedOllama) -> None:
    judge = "llama-guard3:1b"
    ollama.models.append(judge)
    services.engine.look()
    ollama.replies[judge] = lambda body: ["unsafe\nS9" if "poison" in json.dumps(body) else "safe"]
    settings = JudgeSettings(judge, prompts=False, answers=True)
    services.rules.change("test", {JUDGE: Entry(JUDGE, 0, settings.as_json())})
    ollama.script(calls({"a": "bread"}))
    assert told(ask(client))["choices"][0]["finish_reason"] == "tool_calls"
    ollama.script(calls({"a": "poison"}))
    assert told(ask(client))["choices"][0]["finish_reason"] == "content_filter"


LEAVES = st.sampled_from(["secret", "a secret b", "SECRET", "safe", "se"]) | st.integers(0, 9) | st.none()
TREES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["k", "secret", "x secret"]), inner),
    max_leaves=8,
)


@tried(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(arguments=st.dictionaries(st.sampled_from(["k", "secret"]), TREES))
def test_nothing_of_a_call_that_a_rule_masks_leaves(
    client: FlaskClient, services: Services, ollama: ScriptedOllama, arguments: dict[str, Any]
) -> None:
    set_rule(services, Action.MASK)
    ollama.script(calls(arguments))
    response = ask(client)
    assert response.status_code == 200
    assert "secret" not in response.text.lower()


# The same line, the same figures, and nothing kept.


def test_programs_wait_in_the_same_line_as_everybody(
    start: Start, ollama: ScriptedOllama, monkeypatch: pytest.MonkeyPatch
) -> None:

    monkeypatch.setattr(completion_routes, "HEADERS_SECONDS", 0.0)
    monkeypatch.setattr(following, "LOOK_SECONDS", 0.02)
    app = start(max_concurrent_answers=1)
    found: Services = app.extensions["insight"]
    client, opened = app.test_client(), threading.Event()
    first = ollama.script("page", gate(opened))
    before = client.post("/api/chat", json={"message": "a"}, buffered=False)
    assert next(iter(before.response)) == b"page"
    second = client.post(PATH, json={"messages": [{"role": "user", "content": "b"}], "stream": True}, buffered=False)
    parts = iter(second.response)
    assert b'"role"' in bytes(next(parts))  # type: ignore[arg-type]
    assert bytes(next(parts)).startswith(b": ")  # type: ignore[arg-type]
    assert found.passing.count() == 1
    assert "insight_live_answers 2.0" in client.get("/metrics").text
    assert len(ollama.chats()) == 1
    opened.set()
    assert first.over.wait(5)
    assert b"[DONE]" in b"".join(parts)  # type: ignore[arg-type]
    before.close()


def test_where_too_many_wait_a_program_is_told_so_and_those_who_wait_are_served(
    start: Start, ollama: ScriptedOllama
) -> None:
    app = start(max_concurrent_answers=1, max_waiting_answers=1)
    found: Services = app.extensions["insight"]
    opened = threading.Event()
    ollama.script("The first.", gate(opened))
    served: list[int] = []

    def asks() -> None:
        served.append(ask(app.test_client()).status_code)

    programs = [threading.Thread(target=asks) for _ in range(2)]
    for program, line_then in zip(programs, ((1, 0), (1, 1)), strict=True):
        program.start()
        until(lambda then=line_then: (found.line.running(), found.line.waiting()) == then)
    response = ask(app.test_client())
    assert (response.status_code, told(response)["error"]["code"]) == (503, "too_many_waiting")
    opened.set()
    for program in programs:
        program.join(10)
    assert served == [200, 200]
    assert len(ollama.chats()) == 2


def test_a_program_that_finds_no_room_is_told_when_to_come_back(
    client: FlaskClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def has_none(person: str, model: str) -> None:
        raise TooManyWaiting(retry_after=7)

    monkeypatch.setattr(services.line, "expect_room", has_none)
    assert ask(client).headers["Retry-After"] == "7"


def test_its_end_is_counted_like_every_other(client: FlaskClient, ollama: ScriptedOllama) -> None:
    ollama.script("a", done(eval_count=7))
    ask(client)
    figures = client.get("/metrics").text
    assert 'insight_answers_total{problem="",state="done"} 1.0' in figures
    assert "insight_answer_tokens_total 7.0" in figures
    assert "insight_live_answers 0.0" in figures


def test_nothing_of_it_is_kept(
    client: FlaskClient, services: Services, ollama: ScriptedOllama, settings: Settings
) -> None:
    services.personal.choose("", diagnostics_until=time.time() + 900)
    services.diagnostics.of("").look()
    ollama.script("kanarienvogel")
    ask(client, "Sing, kanarienvogel")
    with closing(sqlite3.connect(settings.data_dir / "insight.db")) as database:
        assert database.execute("select count(*) from messages").fetchone() == (0,)
    files = [path for path in settings.data_dir.rglob("*") if path.is_file()]
    assert not [path for path in files if b"kanarienvogel" in path.read_bytes()]


def test_a_program_that_goes_away_ends_its_answer(client: FlaskClient, ollama: ScriptedOllama) -> None:
    answer = ollama.script("some", silence)
    body = {"messages": [{"role": "user", "content": "a"}], "stream": True}
    response = client.post(PATH, json=body, buffered=False)
    parts = iter(response.response)
    next(parts)
    response.close()
    assert answer.client_gone.wait(5)


def test_a_server_that_ends_tells_the_program(app: Flask, services: Services, ollama: ScriptedOllama) -> None:
    answer = ollama.script("some", silence)

    def ends() -> None:
        assert answer.asked.wait(5)
        services.closing = True
        services.passing.wake()

    thread = threading.Thread(target=ends)
    thread.start()
    response = ask(app.test_client())
    thread.join()
    assert response.status_code == 503
    assert told(response)["error"]["code"] == "server_stopped"
    assert told(response)["error"]["message"] == "The server was stopped before the end of the answer. Try again."
    assert answer.client_gone.wait(5)


def test_a_server_that_ends_breaks_its_streams_off(
    client: FlaskClient, services: Services, ollama: ScriptedOllama
) -> None:
    answer = ollama.script("some", silence)
    body = {"messages": [{"role": "user", "content": "a"}], "stream": True}
    parts = iter(client.post(PATH, json=body, buffered=False).response)
    assert b"some" in bytes(next(parts)) + bytes(next(parts))  # type: ignore[arg-type]
    services.closing = True
    services.passing.wake()
    rest = b"".join(parts)  # type: ignore[arg-type]
    assert b'"code":"server_stopped"' in rest
    assert b"[DONE]" not in rest
    assert answer.client_gone.wait(5)


def test_a_stream_is_for_no_cache_and_no_buffer(client: FlaskClient, ollama: ScriptedOllama) -> None:
    response = ask(client, stream=True)
    assert response.content_type == "text/event-stream; charset=utf-8"
    assert (response.headers["X-Accel-Buffering"], response.headers["Cache-Control"]) == ("no", "no-store")
    assert response.text.endswith("data: [DONE]\n\n")


def test_a_fault_of_ours_ends_the_answer_without_a_word_of_it(
    client: FlaskClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("zq7")

    monkeypatch.setattr(services.passing, "_held", fails)
    response = ask(client)
    assert (response.status_code, told(response)["error"]["code"]) == (502, "engine_broke")
    assert "zq7" not in response.text
