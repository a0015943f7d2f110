"""The door for programs, used through OpenAI's own Python client, over the real server."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from chat_page import running
from openai import OpenAI
from scripted_ollama import ScriptedOllama, cut, done, error, gate, line, silence, status, thinking

ASKED: list[Any] = [{"role": "user", "content": "Hi"}]
WEATHER: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


@pytest.fixture(scope="module")
def shared() -> Iterator[ScriptedOllama]:
    with ScriptedOllama(models=["llama3.2:latest", "qwen3:4b", "far-cloud"], remote=["far-cloud"]) as server:
        yield server


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, shared: ScriptedOllama) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("server")
    with running(folder, OLLAMA_BASE_URL=shared.url, ENGINE_WAIT_SECONDS="0", MAX_TOKEN_LIMIT="500") as url:
        yield url


@pytest.fixture
def ollama(shared: ScriptedOllama) -> ScriptedOllama:
    shared.requests.clear()
    return shared


@pytest.fixture
def client(address: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{address}/v1", api_key="none is needed", max_retries=0, timeout=20) as found:
        yield found


def create(client: OpenAI, **more: Any) -> Any:
    return client.chat.completions.create(**{"model": "llama3.2", "messages": ASKED, **more})


def test_an_answer_comes_in_one_object(client: OpenAI, ollama: ScriptedOllama) -> None:
    ollama.script("Hello ", "you.")
    answer = create(client)
    (choice,) = answer.choices
    assert (choice.message.role, choice.message.content, choice.finish_reason) == ("assistant", "Hello you.", "stop")
    assert (answer.object, answer.model) == ("chat.completion", "llama3.2:latest")
    assert answer.id.startswith("chatcmpl-")
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (12, 34, 46)


def test_a_stream_brings_each_piece_while_the_model_writes(client: OpenAI, ollama: ScriptedOllama) -> None:
    opened = threading.Event()
    ollama.script("one ", gate(opened), "two")
    with create(client, stream=True) as stream:
        chunks = iter(stream)
        first = next(chunks)
        assert (first.choices[0].delta.role, first.choices[0].delta.content) == ("assistant", "")
        assert next(chunks).choices[0].delta.content == "one "
        opened.set()
        rest = list(chunks)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in rest) == "two"
    assert [chunk.choices[0].finish_reason for chunk in rest][-1] == "stop"
    assert {chunk.id for chunk in rest} == {first.id}
    assert all(chunk.usage is None for chunk in rest)


def test_usage_comes_at_the_end_of_a_stream_for_who_asks(client: OpenAI, ollama: ScriptedOllama) -> None:
    ollama.script("Hello", done(prompt_eval_count=5, eval_count=7))
    *_, last_choice, last = list(create(client, stream=True, stream_options={"include_usage": True}))
    assert last_choice.choices[0].finish_reason == "stop"
    assert last.choices == []
    assert (last.usage.prompt_tokens, last.usage.completion_tokens, last.usage.total_tokens) == (5, 7, 12)


def test_the_clients_own_stream_helper_puts_the_answer_together(client: OpenAI, ollama: ScriptedOllama) -> None:
    calls = [{"id": "call_x", "function": {"name": "weather", "arguments": {"city": "Ulm"}}}]
    ollama.script("It is ", line(message={"role": "assistant", "content": "", "tool_calls": calls}, done=False))
    with client.chat.completions.stream(model="llama3.2", messages=ASKED, tools=[WEATHER]) as stream:  # type: ignore[list-item]
        stream.until_done()
    message = stream.get_final_completion().choices[0].message
    assert message.content == "It is "
    assert message.tool_calls
    assert json.loads(message.tool_calls[0].function.arguments) == {"city": "Ulm"}


def test_every_option_reaches_ollama_through_its_own_api(client: OpenAI, ollama: ScriptedOllama) -> None:
    create(
        client,
        max_tokens=50,
        temperature=0.3,
        top_p=0.9,
        seed=7,
        stop=["END", "\n\n"],
        frequency_penalty=0.5,
        presence_penalty=-0.5,
        extra_body={"num_ctx": 4096, "keep_alive": "10m", "think": False},
    )
    (sent,) = ollama.chats()
    assert sent["options"] == {
        "num_predict": 50,
        "temperature": 0.3,
        "top_p": 0.9,
        "seed": 7,
        "stop": ["END", "\n\n"],
        "frequency_penalty": 0.5,
        "presence_penalty": -0.5,
        "num_ctx": 4096,
    }
    assert (sent["keep_alive"], sent["think"], sent["truncate"]) == ("10m", False, False)


@pytest.mark.parametrize(
    ("given", "sent"),
    [({}, 500), ({"max_tokens": 9_999}, 500), ({"max_completion_tokens": 20, "max_tokens": 30}, 20)],
)
def test_no_answer_is_longer_than_the_server_lets_it_be(
    client: OpenAI, ollama: ScriptedOllama, given: dict[str, Any], sent: int
) -> None:
    create(client, **given)
    assert ollama.chats()[0]["options"] == {"num_predict": sent}


def test_an_answer_that_is_cut_at_its_length_says_so(client: OpenAI, ollama: ScriptedOllama) -> None:
    ollama.script("Hel", done(done_reason="length"))
    assert create(client, max_tokens=1).choices[0].finish_reason == "length"


def test_reasoning_is_beside_the_answer(client: OpenAI, ollama: ScriptedOllama) -> None:
    ollama.script(thinking("Hm."), "Yes.")
    message = create(client, model="qwen3:4b", reasoning_effort="low").choices[0].message
    assert (message.reasoning, message.content) == ("Hm.", "Yes.")
    assert ollama.chats()[0]["think"] == "low"
    ollama.script(thinking("Hm."), "Yes.")
    deltas = [chunk.choices[0].delta for chunk in create(client, model="qwen3:4b", stream=True)]
    assert [delta.reasoning for delta in deltas if getattr(delta, "reasoning", None)] == ["Hm."]


SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


@pytest.mark.parametrize(
    ("wanted", "sent"),
    [
        ({"type": "text"}, None),
        ({"type": "json_object"}, "json"),
        ({"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA, "strict": True}}, SCHEMA),
    ],
)
def test_a_format_reaches_ollama(client: OpenAI, ollama: ScriptedOllama, wanted: dict[str, Any], sent: object) -> None:
    ollama.script('{"city": "Ulm"}')
    assert create(client, response_format=wanted).choices[0].message.content == '{"city": "Ulm"}'
    assert ollama.chats()[0].get("format") == sent


def test_tools_are_offered_called_and_answered(client: OpenAI, ollama: ScriptedOllama) -> None:
    calls = [{"id": "call_7", "function": {"index": 0, "name": "weather", "arguments": {"city": "Ulm"}}}]
    ollama.script(done(message={"role": "assistant", "content": "", "tool_calls": calls}))
    (choice,) = create(client, tools=[WEATHER], tool_choice="auto").choices
    (call,) = choice.message.tool_calls
    assert (choice.finish_reason, choice.message.content) == ("tool_calls", None)
    assert (call.id, call.type, call.function.name) == ("call_7", "function", "weather")
    assert json.loads(call.function.arguments) == {"city": "Ulm"}
    assert ollama.chats()[0]["tools"] == [WEATHER]

    ollama.script("Sunny.")
    given = {"role": "tool", "tool_call_id": call.id, "content": "sun"}
    again = create(client, messages=[*ASKED, choice.message, given], tools=[WEATHER])
    assert again.choices[0].message.content == "Sunny."
    assert ollama.talks()[1][1:] == [
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"id": "call_7", "function": {"name": "weather", "arguments": {"city": "Ulm"}}}],
        },
        {"role": "tool", "content": "sun", "tool_name": "weather", "tool_call_id": "call_7"},
    ]


def test_calls_come_in_a_stream_too(client: OpenAI, ollama: ScriptedOllama) -> None:
    calls = [{"function": {"name": name, "arguments": {}}} for name in ("one", "two")]
    ollama.script(done(message={"role": "assistant", "content": "", "tool_calls": calls}))
    chunks = list(create(client, tools=[WEATHER], stream=True))
    found = [call for chunk in chunks for call in chunk.choices[0].delta.tool_calls or ()]
    assert [(call.index, call.function.name, call.function.arguments) for call in found] == [
        (0, "one", "{}"),
        (1, "two", "{}"),
    ]
    assert len({call.id for call in found}) == 2
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


def test_tools_that_are_not_to_be_used_are_not_sent(client: OpenAI, ollama: ScriptedOllama) -> None:
    create(client, tools=[WEATHER], tool_choice="none")
    assert "tools" not in ollama.chats()[0]


def test_the_models_are_listed_without_those_that_may_not_be_asked(client: OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["llama3.2:latest", "qwen3:4b"]
    assert client.models.retrieve("llama3.2").id == "llama3.2:latest"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("nothing/of:this")


def test_a_model_that_is_not_there_is_not_found(client: OpenAI, ollama: ScriptedOllama) -> None:
    with pytest.raises(openai.NotFoundError) as told:
        create(client, model="gpt-4o")
    assert told.value.code == "model_not_found"
    assert "“gpt-4o”" in told.value.message
    assert not ollama.chats()


def test_a_model_elsewhere_may_not_be_asked(client: OpenAI, ollama: ScriptedOllama) -> None:
    with pytest.raises(openai.PermissionDeniedError) as told:
        create(client, model="far-cloud")
    assert told.value.code == "model_elsewhere"
    assert not ollama.chats()


@pytest.mark.parametrize(
    ("field", "value"),
    [("temperature", -1), ("max_tokens", -5), ("n", 2), ("tool_choice", "required"), ("messages", [])],
)
def test_what_is_wrong_is_a_bad_request_that_names_the_field(
    client: OpenAI, ollama: ScriptedOllama, field: str, value: object
) -> None:
    with pytest.raises(openai.BadRequestError) as told:
        create(client, **{field: value})
    assert (told.value.param, told.value.code) == (field, "invalid_request")
    assert not ollama.chats()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("step", "kind", "code"),
    [
        (status(503, {"error": "server busy"}), openai.InternalServerError, "engine_busy"),
        (status(400, {"error": '"llama3.2" does not support tools'}), openai.BadRequestError, "model_unsuited"),
        (status(400, {"error": "exceeds the context"}), openai.BadRequestError, "context_length_exceeded"),
        (status(500, {"error": "boom"}), openai.InternalServerError, "engine_broke"),
    ],
)
def test_what_goes_wrong_before_the_first_word_has_its_status(
    client: OpenAI, ollama: ScriptedOllama, stream: bool, step: Any, kind: type[Exception], code: str
) -> None:
    ollama.script(step)
    with pytest.raises(kind) as told:
        list(create(client, stream=stream))
    assert told.value.code == code  # type: ignore[attr-defined]


@pytest.mark.parametrize("step", [error("an error of its own"), cut])
def test_what_goes_wrong_in_a_stream_is_the_clients_own_exception(
    client: OpenAI, ollama: ScriptedOllama, step: Any
) -> None:
    ollama.script("half", step)
    stream = create(client, stream=True)
    assert [next(stream).choices[0].delta.content for _ in range(2)] == ["", "half"]
    with pytest.raises(openai.APIError) as told:
        next(stream)
    assert told.value.code in ("engine_broke", "answer_cut")
    assert "kept" not in told.value.message


def test_half_an_answer_is_none_where_it_was_to_come_whole(client: OpenAI, ollama: ScriptedOllama) -> None:
    ollama.script("half", error("an error of its own"))
    with pytest.raises(openai.InternalServerError):
        create(client)


def test_who_goes_away_ends_the_answer_at_the_engine(client: OpenAI, ollama: ScriptedOllama) -> None:
    answer = ollama.script("some", silence)
    with create(client, stream=True) as stream:
        next(iter(stream))
    assert answer.client_gone.wait(5)


def test_who_does_not_wait_any_longer_ends_the_answer_at_the_engine(client: OpenAI, ollama: ScriptedOllama) -> None:
    answer = ollama.script(silence)
    with pytest.raises(openai.APITimeoutError):
        create(client, timeout=0.5)
    assert answer.client_gone.wait(5)
