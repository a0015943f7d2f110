"""Messages, prompts and replies: the values and rules of a conversation."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insight_app.chat import prompts
from insight_app.chat.messages import Message, State, title_of
from insight_app.chat.reply import Reply
from insight_app.errors import EmptyPrompt, PromptTooLarge


def message(number: int, parent: int | None, text: str = "", role: str = "user") -> Message:
    return Message(number, "c", parent, role, State.DONE, text)


def test_a_title_is_the_first_words() -> None:
    assert title_of("  Two\n words ") == "Two words"
    assert title_of("word " * 40) == "word " * 11 + "word…"
    assert title_of("x" * 100) == "x" * 60 + "…"


@given(st.text(alphabet=st.characters(codec=None)))
def test_a_cleaned_text_can_be_stored_and_sent(text: str) -> None:
    cleaned = prompts.clean(text)
    assert "\0" not in cleaned
    assert "\r" not in cleaned
    assert cleaned.encode("utf-8").decode("utf-8") == cleaned
    assert prompts.clean(cleaned) == cleaned


def test_a_pair_of_surrogates_is_the_character_it_means() -> None:
    assert prompts.clean("\ud83d\ude00\ud83d") == "\U0001f600\ufffd"


def test_a_prompt_has_something_in_it_and_an_end() -> None:
    assert prompts.check("  indented\n\n", 20) == "  indented"
    with pytest.raises(EmptyPrompt):
        prompts.check(" \n\t\u00a0", 20)
    with pytest.raises(PromptTooLarge, match="21 characters; at most 20"):
        prompts.check("x" * 21, 20)


def test_a_reply_tells_its_readers_of_every_change() -> None:
    reply = Reply(1, "c")
    seen: list[str] = []

    def read() -> None:
        version = -1
        while not reply.ended:
            reply.wait(version, 5)
            version = reply.version
            seen.append(reply.answer.since(0))

    reader = threading.Thread(target=read)
    reader.start()
    reply.append("a")
    reply.append("b")
    reply.end(reply.outcome(State.DONE))
    reader.join(5)
    assert seen[-1] == "ab"


def test_a_reply_is_thinking_then_writing() -> None:
    reply = Reply(1, "c")
    reply.append("hm", thought=True)
    assert reply.state is State.THINKING
    reply.append("so")
    assert reply.state is State.WRITING
    reply.append("late", thought=True)
    outcome = reply.outcome(State.DONE)
    assert (outcome.thinking, outcome.text, reply.position) == ("hm", "so", 4)


def test_waiting_ends_without_a_change_too() -> None:
    reply = Reply(1, "c")
    assert not reply.wait(reply.version, 0.001)
    assert reply.wait(reply.version - 1, 5)
