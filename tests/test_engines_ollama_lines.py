"""Bytes become pieces wherever the network cut them and whatever is in them."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insight_app import errors
from insight_app.engines.base import Done, Piece
from insight_app.engines.lines import Lines
from insight_app.engines.ollama_lines import events
from insight_app.engines.tools import ToolCall


def said(*lines: bytes) -> list[Any]:
    return list(events(lines, model="m", url="u"))


def content(text: str, **more: Any) -> bytes:
    return json.dumps({"message": {"content": text, **more}}).encode()


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=8))
def test_lines_are_the_same_wherever_the_stream_is_cut(data: bytes, cuts: list[int]) -> None:
    lines, found = Lines(), []
    places = [0, *sorted(cuts), len(data)]
    for start, end in pairwise(places):
        found += lines.feed(data[start:end])
    assert found == data.split(b"\n")[:-1]


@given(st.lists(st.tuples(st.text(), st.booleans()), max_size=12))
def test_joining_neighbours_changes_no_text(pieces: list[tuple[str, bool]]) -> None:
    lines = [content("", thinking=text) if thought else content(text) for text, thought in pieces]
    found = said(*lines)
    for thought in (True, False):
        assert "".join(piece.text for piece in found if piece.thought is thought) == "".join(
            text for text, was_thought in pieces if was_thought is thought
        ).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert all(one.thought is not two.thought for one, two in pairwise(found))


@given(st.binary(max_size=60))
def test_no_line_fails_with_anything_but_an_error_of_ours(line: bytes) -> None:
    for raw in (line, b'{"message":{"content":"' + line + b'"}}'):
        try:
            found = said(raw)
        except errors.EngineError:
            continue
        for event in found:
            json.dumps(event.text).encode()
            event.text.encode()


def test_calls_of_tools_come_in_their_place_and_join_nothing() -> None:
    def calls(*names: str) -> bytes:
        return json.dumps(
            {
                "message": {
                    "content": "",
                    "tool_calls": [{"function": {"name": name, "arguments": {}}} for name in names],
                }
            }
        ).encode()

    last = json.dumps({"message": {"content": "c", "tool_calls": [{"function": {"name": "h"}}]}, "done": True}).encode()
    found = said(content("a"), content("b"), calls("f", "g"), last)
    assert found[:-1] == [Piece("ab"), ToolCall("f"), ToolCall("g"), Piece("c"), ToolCall("h")]
    assert isinstance(found[-1], Done)


@pytest.mark.parametrize(
    ("calls", "expected"),
    [
        (
            b'[{"function": {"name": "f", "arguments": {"a\\ud800": "b\\udc00"}}}]',
            [ToolCall("f", {"a\ufffd": "b\ufffd"})],
        ),
        (b'"none"', []),
        (b'[{"function": null}, 3]', []),
    ],
)
def test_calls_are_read_loosely_and_carry_valid_text(calls: bytes, expected: list[ToolCall]) -> None:
    assert said(b'{"message": {"tool_calls": ' + calls + b"}}") == expected


def test_calls_that_are_nested_beyond_all_measure_break_the_answer() -> None:
    with pytest.raises(errors.EngineBroke):
        said(b'{"message": {"tool_calls": ' + b"[" * 300 + b"]" * 300 + b"}}")


def test_a_line_of_five_megabytes_is_one_piece() -> None:
    text = "é" * 2_500_000
    lines, found = Lines(), []
    data = json.dumps({"message": {"content": text}}, ensure_ascii=False).encode() + b"\n"
    for start in range(0, len(data), 65536):
        found += lines.feed(data[start : start + 65536])
    assert said(*found) == [Piece(text)]


def test_half_a_line_at_the_end_says_nothing_and_a_whole_one_does() -> None:
    lines = Lines()
    assert lines.feed(b'{"message":{"content":"caf\xc3') == []
    assert lines.last() == []
    assert lines.feed(b'\xa9"}}') == []
    assert said(*lines.last()) == [Piece("café")]


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b'{"message":{"content":"a\\ud800b"}}', "a\ufffdb"),
        (b'{"message":{"content":"\\ude00"}}', "\ufffd"),
        (b'{"message":{"content":"\\ud83d\\ude00"}}', "😀"),
        (b'{"message":{"content":"caf\xc3"}}', "caf\ufffd"),
        (b'{"message":{"content":"\xed\xa0\x80"}}', "\ufffd\ufffd\ufffd"),
        (b'{"message":{"content":"nul \\u0000"}}', "nul \x00"),
        (b'{"message":{"content":"x","tool_calls":[{}]},"logprobs":[1],"done":false}', "x"),
        (b'{"message":{"content":"x"},"eval_count":"7"}', "x"),
        (b' {"message":{"content":"x"}}\r', "x"),
    ],
)
def test_text_that_is_not_quite_right_is_mended_and_never_lost(line: bytes, text: str) -> None:
    assert said(line) == [Piece(text)]


@pytest.mark.parametrize(
    "line", [b"", b"\r", b"{}", b'{"message":null}', b'{"message":{}}', b'{"message":{"content":null}}']
)
def test_a_line_can_say_nothing(line: bytes) -> None:
    assert said(line) == []


def test_nothing_is_said_behind_the_end_mark() -> None:
    assert said(content("a"), b'{"done":true}', content("b"), b"nonsense") == [Piece("a"), Done("stop")]


@pytest.mark.parametrize("number", [-1, 2**31, 10**30, 10**400])
def test_a_count_that_no_database_could_keep_is_no_count(number: int) -> None:
    end = {"done": True, "prompt_eval_count": number, "eval_count": number, "eval_duration": number}
    (found,) = said(json.dumps(end).encode())
    assert (found.prompt_tokens, found.answer_tokens) == (None, None)
    assert found.answer_seconds is None or found.answer_seconds > 0


def test_reasoning_and_text_of_one_line_stay_apart_and_in_order() -> None:
    assert said(content("Yes.", thinking="Hm.")) == [Piece("Hm.", thought=True), Piece("Yes.")]
