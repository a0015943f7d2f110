"""What a model calls is read as it is, whatever else is around it, and no text in it is overlooked."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insight_app.engines.tools import DEEPEST, ToolCall, calls_in, each_text

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def test_a_call_is_its_name_its_arguments_and_its_id() -> None:
    said = [{"id": "call_1", "function": {"index": 0, "name": "weather", "arguments": {"city": "Ulm", "days": 3}}}]
    assert calls_in(said) == [ToolCall("weather", {"city": "Ulm", "days": 3}, "call_1")]


@pytest.mark.parametrize("said", [None, 3, "a", {}, [3], [{}], [{"function": 3}], [{"function": {"name": ""}}]])
def test_what_is_no_call_is_left_out(said: object) -> None:
    assert calls_in(said) == []


@given(JSON)
def test_whatever_stands_there_may_be_called_or_not_but_breaks_nothing(said: Any) -> None:
    calls_in([{"function": {"name": "f", "arguments": said}, "id": said}, said])


@given(JSON)
def test_what_is_not_changed_stays_as_it_is(value: Any) -> None:
    assert each_text(value, lambda text: text) == value


def test_keys_texts_and_numbers_are_changed_at_every_depth() -> None:
    value = {"secret": ["secret", {"x": 4111}, True, None, 1.5]}
    change = {"secret": "…", "4111": "card"}
    assert each_text(value, lambda text: change.get(text, text)) == {"…": ["…", {"x": "card"}, True, None, 1.5]}


def test_words_that_are_nobodys_own_can_be_left_alone() -> None:
    schema = {"type": "string", "description": "string"}
    found = each_text(schema, str.upper, but=frozenset({"type", "string", "description"}))
    assert found == schema


def test_nothing_is_followed_beyond_all_measure() -> None:
    value: Any = "a"
    for _ in range(DEEPEST):
        value = [value]
    assert each_text(value, lambda text: text) == value
    with pytest.raises(ValueError, match="nested"):
        each_text([value], lambda text: text)
