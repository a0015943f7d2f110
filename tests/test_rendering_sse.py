"""An event arrives as the text that was sent, whatever the text is."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insight_app.rendering.sse import comment, event


def received(stream: bytes) -> list[dict[str, str]]:
    """What a browser makes of a stream, by the standard's own rules."""
    events: list[dict[str, str]] = []
    fields: dict[str, str] = {}
    for line in re.split("\r\n|\r|\n", stream.decode()):
        if not line:
            if "data" in fields:
                events.append(fields)
            fields = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            fields[name] = f"{fields[name]}\n{value}" if name in fields else value
    return events


@given(st.text(), st.integers(0, 10**9), st.sampled_from([None, "finished"]))
def test_an_event_is_received_as_it_was_sent(data: str, id: int, name: str | None) -> None:
    expected = {"data": re.sub("\r\n|\r", "\n", data), "id": str(id)} | ({"event": name} if name else {})
    assert received(event(data, id=id, name=name)) == [expected]


@given(st.lists(st.text(st.sampled_from("a :\n\r\u2028\u2029\x0b\x0c\x85é"))))
def test_events_do_not_run_into_each_other(texts: list[str]) -> None:
    stream = b"".join(event(text) + comment(text) for text in texts)
    assert [each["data"] for each in received(stream)] == [re.sub("\r\n|\r", "\n", text) for text in texts]


def test_a_comment_is_no_event() -> None:
    assert comment() == b": \n\n"
    assert received(comment("alive\nand well")) == []


@pytest.mark.parametrize("bad", ["a\nb", "a\rb", "\0"])
def test_a_name_or_id_of_two_lines_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="one line"):
        event("x", name=bad)
    with pytest.raises(ValueError, match="one line"):
        event("x", id=bad)


def test_lone_surrogates_do_not_break_the_stream() -> None:
    assert event("a\ud800") == b"data: a?\n\n"
