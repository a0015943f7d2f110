"""What a program sends is a task, or an error that says which field is wrong and never quotes what stood there."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insight_app.api.completion_request import MOST_MESSAGES, MOST_STOPS
from insight_app.api.completions import Asked, read
from insight_app.engines.base import Options, Turn
from insight_app.engines.tools import ToolCall
from insight_app.errors import InputError, NotACompletion, NotJson, PromptTooLarge

HI = {"role": "user", "content": "Hi"}


def asked(longest: int = 1000, **given: Any) -> Asked:
    return read(json.dumps({"messages": [HI], **given}).encode(), longest)


def test_the_least_that_can_be_sent_is_a_message() -> None:
    found = asked()
    assert (found.task.model, found.task.turns, found.task.options) == ("", (Turn("user", "Hi"),), Options())
    assert (found.stream, found.with_usage) == (False, False)


def test_null_is_as_if_nothing_stood_there_and_what_means_nothing_here_is_passed_over() -> None:
    nulls = dict.fromkeys(("model", "stream", "stream_options", "n", "max_tokens", "temperature", "stop", "tools"))
    assert asked(**nulls, user="u", metadata={"a": 1}, store=True, logit_bias={"5": 1}, anything=[1]) == asked()


def test_a_whole_number_may_be_written_with_a_point() -> None:
    assert asked(max_tokens=37.0, seed=7.0).task.options == Options(max_tokens=37, seed=7)


def test_parts_of_text_are_one_text() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert asked(messages=[{"role": "user", "content": parts, "name": "me"}]).task.turns == (Turn("user", "ab"),)


def test_each_role_is_a_turn_and_what_a_tool_gave_knows_its_name() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
    messages = [
        {"role": "developer", "content": "Be brief."},
        HI,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": "42", "tool_call_id": "c1"},
    ]
    assert asked(messages=messages).task.turns == (
        Turn("system", "Be brief."),
        Turn("user", "Hi"),
        Turn("assistant", "", tool_calls=(ToolCall("f", {"a": 1}, "c1"),)),
        Turn("tool", "42", tool_name="f", tool_call_id="c1"),
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [("10m", "10m"), ("1h30m", "1h30m"), ("-1", "-1"), (-1, "-1"), (300, "300"), (0, "0"), (1.9, "1"), ("-5s", "-5s")],
)
def test_how_long_a_model_is_kept_is_said_as_ollama_says_it(given: object, expected: str) -> None:
    assert asked(keep_alive=given).task.options.keep_alive == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"think": True, "reasoning_effort": "low"}, True),
        ({"think": "high"}, "high"),
        ({"reasoning_effort": "none"}, False),
        ({"reasoning_effort": "minimal"}, "low"),
        ({"reasoning_effort": "medium"}, "medium"),
        ({"reasoning_effort": "xhigh"}, "high"),
    ],
)
def test_thinking_is_said_in_either_way(given: dict[str, Any], expected: object) -> None:
    assert asked(**given).task.options.think == expected


SECRET = "zq7-what-somebody-wrote"
TOOL = {"type": "function", "function": {"name": "f"}}
DEEP: Any = {}
for _ in range(100):
    DEEP = {"items": DEEP}


def call_with(arguments: str) -> list[dict[str, Any]]:
    return [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": arguments}}]}]


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"messages": 3}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": [HI] * (MOST_MESSAGES + 1)}, "messages"),
        ({"messages": [SECRET]}, "messages[0]"),
        ({"messages": [{"content": SECRET}]}, "messages[0].role"),
        ({"messages": [{"role": SECRET, "content": ""}]}, "messages[0].role"),
        ({"messages": [HI, {"role": "user", "content": 3}]}, "messages[1].content"),
        ({"messages": [{"role": "user", "content": [{"text": SECRET}]}]}, "messages[0].content[0].type"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0]"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": SECRET}}]}]},
            "messages[0].content[0].image_url.url",
        ),
        ({"messages": call_with(SECRET)}, "messages[0].tool_calls[0].function.arguments"),
        ({"messages": call_with("[1]")}, "messages[0].tool_calls[0].function.arguments"),
        ({"messages": call_with("[" * 100_000)}, "messages[0].tool_calls[0].function.arguments"),
        ({"model": 3}, "model"),
        ({"model": "m" * 300}, "model"),
        ({"stream": "yes"}, "stream"),
        ({"n": 2}, "n"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"max_completion_tokens": 1.5}, "max_completion_tokens"),
        ({"max_tokens": 10**30}, "max_tokens"),
        ({"temperature": -0.1}, "temperature"),
        ({"temperature": 2.1}, "temperature"),
        ({"temperature": 10**400}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"top_p": -1}, "top_p"),
        ({"frequency_penalty": 3}, "frequency_penalty"),
        ({"presence_penalty": "1"}, "presence_penalty"),
        ({"seed": 2**63}, "seed"),
        ({"stop": [SECRET] * (MOST_STOPS + 1)}, "stop"),
        ({"stop": [3]}, "stop[0]"),
        ({"num_ctx": -1}, "num_ctx"),
        ({"num_ctx": 10**9}, "num_ctx"),
        ({"keep_alive": SECRET}, "keep_alive"),
        ({"keep_alive": ""}, "keep_alive"),
        ({"keep_alive": "99999999999h"}, "keep_alive"),
        ({"keep_alive": 10**12}, "keep_alive"),
        ({"think": SECRET}, "think"),
        ({"reasoning_effort": SECRET}, "reasoning_effort"),
        ({"response_format": {"type": SECRET}}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        ({"response_format": {"type": "json_schema", "json_schema": {}}}, "response_format.json_schema.schema"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"schema": DEEP}}},
            "response_format.json_schema.schema",
        ),
        ({"tools": [{"type": SECRET}]}, "tools[0].type"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name"),
        (
            {"tools": [{"type": "function", "function": {"name": "f", "parameters": DEEP}}]},
            "tools[0].function.parameters",
        ),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": TOOL}, "tool_choice"),
        ({"stream_options": SECRET}, "stream_options"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_error_names_the_field_and_quotes_nothing(given: dict[str, Any], param: str) -> None:
    with pytest.raises(NotACompletion) as told:
        asked(**given)
    assert told.value.facts["param"] == param
    assert f"“{param}” " in str(told.value)
    assert SECRET not in str(told.value)
    assert told.value.__cause__ is None


def test_errors_are_in_words() -> None:
    for wrong, words in (
        ({"temperature": "hot"}, "“temperature” must be a number or null."),
        ({"temperature": 3}, "“temperature” must be at most 2."),
        ({"max_tokens": -1}, "“max_tokens” must be at least 1."),
        ({"stop": ["a"] * 20}, "“stop” must have at most 16 entries."),
        ({"model": "m" * 300}, "“model” must have at most 255 characters."),
        ({"messages": [{}]}, "“messages[0].role” is missing."),
        ({"messages": []}, "“messages” must not be empty."),
    ):
        with pytest.raises(NotACompletion) as told:
            asked(**wrong)  # type: ignore[arg-type]
        assert told.value.cause == f"The field {words}"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"messages"',
        b"\xff\xfe",
        b"[" * 1_000_000,
        b'{"messages": [{"role": "user", "content": "a"}], "temperature": NaN}',
        b'{"messages": [{"role": "user", "content": "a"}], "temperature": 1e999}',
        b'{"messages": [], "seed": ' + b"9" * 5000 + b"}",
        b'{"a": ' * 100_000,
    ],
    ids=lambda body: repr(body[:20]),
)
def test_what_is_no_json_object_is_told_apart(body: bytes) -> None:
    with pytest.raises(NotJson):
        read(body, 1000)


def test_of_a_field_that_stands_there_twice_the_last_one_counts() -> None:
    body = b'{"messages": [], "messages": [{"role": "user", "content": "a"}]}'
    assert read(body, 1000).task.turns == (Turn("user", "a"),)


def test_half_a_surrogate_pair_and_nul_are_replaced_wherever_they_stand() -> None:
    body = json.dumps(
        {
            "model": "m\ud800",
            "messages": [{"role": "user", "content": "a\ud800\0"}, *call_with('{"\\ud800": "\\udc00"}')],
            "stop": ["\ud800"],
            "tools": [{"type": "function", "function": {"name": "f", "parameters": {"a\ud800": "\ud800"}}}],
        }
    ).encode()
    task = read(body, 1000).task
    assert "\\ud" not in json.dumps([task.model, str(task.turns), task.options.stop, task.tools]).replace("\\ufffd", "")
    assert task.turns[0].text == "a\ufffd\ufffd"


@pytest.mark.parametrize(
    "given",
    [
        {"messages": [{"role": "user", "content": "x" * 60}] * 20},
        {"messages": call_with(json.dumps({"a": "x" * 1200}))},
        {"tools": [{"type": "function", "function": {"name": "f", "description": "x" * 1200}}]},
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"schema": {"description": "x" * 1200}},
            }
        },
    ],
)
def test_all_texts_together_have_a_longest_length(given: dict[str, Any]) -> None:
    with pytest.raises(PromptTooLarge):
        asked(**given)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
FIELDS = (
    "messages model stream stream_options n max_tokens max_completion_tokens temperature top_p seed stop "
    "frequency_penalty presence_penalty response_format tools tool_choice reasoning_effort num_ctx keep_alive think"
)


@given(st.dictionaries(st.sampled_from(FIELDS.split()), JSON))
def test_whatever_stands_in_a_field_is_taken_or_refused_in_words(given: dict[str, Any]) -> None:
    for more in ({}, {"messages": [HI]}):
        with suppress(InputError):
            read(json.dumps({**given, **more}).encode(), 1000)


@given(st.binary(max_size=50))
def test_whatever_the_bytes_are_they_are_taken_or_refused_in_words(body: bytes) -> None:
    with pytest.raises(InputError):
        read(body, 1000)
