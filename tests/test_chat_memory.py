"""How much of a conversation the model reads, what its tokens count, and what is said of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insight_app.chat import memory
from insight_app.chat.messages import Figures, Message, State
from insight_app.engines.base import Options
from insight_app.errors import ContextFull


def prompt(number: int, text: str) -> Message:
    return Message(number, "c", number - 1 or None, "user", State.DONE, text)


def answer(number: int, text: str = "", *, model: str = "m", **figures: int) -> Message:
    return Message(number, "c", number - 1, "assistant", State.DONE, text, model=model, figures=Figures(**figures))


def talk(*texts: str) -> list[Message]:
    """Prompts and answers in turn, the last a prompt."""
    return [answer(n, text) if n % 2 == 0 else prompt(n, text) for n, text in enumerate(texts, 1)]


def test_what_fits_is_read_whole_and_empty_answers_are_left_out() -> None:
    history = talk("one", "", "two")
    read = memory.choose(history, answer(4), room=100)
    assert [(turn.role, turn.text) for turn in read.turns] == [("user", "one"), ("user", "two")]
    assert (read.messages_read, read.messages_before, read.memory_from) == (2, 2, None)


def test_nothing_is_left_out_where_nobody_knows_the_room() -> None:
    history = talk("x" * 100_000, "y" * 100_000, "z")
    assert memory.choose(history, answer(4), room=None).messages_read == 3


def test_the_oldest_are_left_out_and_a_prompt_comes_first() -> None:
    history = talk("a" * 300, "b" * 300, "c" * 300, "d" * 300, "e" * 30)
    read = memory.choose(history, answer(6), room=300)
    assert [turn.text[0] for turn in read.turns] == ["e"]
    assert (read.messages_read, read.messages_before, read.memory_from) == (1, 5, 5)
    read = memory.choose(history, answer(6), room=400)
    assert [turn.text[0] for turn in read.turns] == ["c", "d", "e"]
    assert read.memory_from == 3


def test_memory_begins_where_it_began_before_as_long_as_that_fits() -> None:
    history = talk("a" * 300, "b" * 300, "c" * 30, "d" * 30, "e" * 30)
    history[3] = answer(4, "d" * 30, messages_read=1, memory_from=3)
    assert memory.choose(history, answer(6), room=200).memory_from == 3
    assert memory.choose(history, answer(6), room=10_000).memory_from is None


def test_an_answer_that_has_begun_goes_along_and_is_no_message_before_it() -> None:
    read = memory.choose(talk("one"), answer(2, "so far"), room=100)
    assert [(turn.role, turn.text) for turn in read.turns] == [("user", "one"), ("assistant", "so far")]
    assert (read.messages_read, read.messages_before) == (1, 1)


def test_the_last_prompt_is_always_read() -> None:
    read = memory.choose(talk("a", "b", "c" * 3000), answer(4), room=100)
    assert [turn.text[0] for turn in read.turns] == ["c"]
    assert read.smaller_room is None


def test_a_prompt_that_cannot_fit_is_refused() -> None:
    memory.check(prompt(1, "x" * 4 * 4096), 4096)
    memory.check(prompt(1, "x" * 1_000_000), None)
    with pytest.raises(ContextFull):
        memory.check(prompt(1, "x" * 5 * 4096), 4096)


def test_tokens_are_counted_by_the_answers() -> None:
    history = [
        prompt(1, "a" * 10),
        answer(2, "b" * 100, prompt_tokens=40),
        prompt(3, "c" * 100),
        answer(4, "d" * 30, prompt_tokens=90),
        prompt(5, "e" * 30),
    ]
    tokens = memory.tokens_of(history)
    assert tokens[0] == 40
    assert (tokens[1], tokens[2]) == (25, 25)
    assert tokens[3:] == [memory.estimate("d" * 30), memory.estimate("e" * 30)]


@pytest.mark.parametrize(
    "second",
    [
        answer(4, "d", prompt_tokens=90, model="another"),
        answer(4, "d", prompt_tokens=90, memory_from=3),
        answer(4, "d", prompt_tokens=41),  # only what it had not read before
        answer(4, "d", prompt_tokens=2050, context_tokens=4096),  # cut by the engine
    ],
)
def test_counts_that_cannot_be_compared_are_not_used(second: Message) -> None:
    history = [prompt(1, "a" * 10), answer(2, "b" * 100, prompt_tokens=40), prompt(3, "c" * 100), second]
    assert memory.tokens_of(history)[1:3] == [memory.estimate("b" * 100), memory.estimate("c" * 100)]


def test_what_was_deleted_is_not_counted_for_what_is_left() -> None:
    history = [
        prompt(1, "a" * 100),
        answer(2, "b" * 100, prompt_tokens=40, messages_before=1),
        prompt(5, "c" * 100),  # before it a prompt of 30,000 tokens stood, and an answer
        answer(6, "d" * 100, prompt_tokens=30_100, messages_before=5),
    ]
    assert sum(memory.tokens_of(history)) < 200
    after = [*history, prompt(7, "e" * 100), answer(8, "", prompt_tokens=190, messages_before=5)]
    assert sum(memory.tokens_of(after)[:5]) == pytest.approx(190, abs=3)


@pytest.mark.parametrize(("context", "left"), [(4096, 2050), (32768, 16386), (65536, 32770)])
def test_a_prompt_of_just_the_length_that_ollama_leaves_was_cut(context: int, left: int) -> None:
    assert Figures(prompt_tokens=left, context_tokens=context).was_cut
    assert not Figures(prompt_tokens=left + 5, context_tokens=context).was_cut
    assert not Figures(prompt_tokens=left).was_cut


def test_room_is_kept_for_the_answer_but_not_most_of_the_context() -> None:
    assert memory.room(4096, Options(max_tokens=500)) == 3596
    assert memory.room(4096, Options(max_tokens=2048)) == 3072
    assert memory.room(4096, Options()) == 3072
    assert memory.room(None, Options()) is None


def test_the_system_prompt_goes_first_and_takes_its_part_of_the_room() -> None:
    history = talk("a" * 300, "b" * 300, "c" * 300)
    read = memory.choose(history, answer(4), 400, "s" * 90)
    assert [turn.role for turn in read.turns] == ["system", "user", "assistant", "user"]
    assert read.tokens == 3 * memory.estimate("a" * 300) + memory.estimate("s" * 90)
    assert memory.choose(history, answer(4), 330, "s" * 90).memory_from == 3
    assert memory.choose(history, answer(4), 330).memory_from is None


def test_a_prompt_that_cannot_fit_beside_the_system_prompt_is_refused() -> None:
    with pytest.raises(ContextFull):
        memory.check(prompt(1, "x" * 3 * 4096), 4096, "s" * 2 * 4096)


def test_what_the_system_prompt_takes_is_not_counted_for_the_messages() -> None:
    system = "s" * 900
    history = [prompt(1, "a" * 100), answer(2, "b" * 100, prompt_tokens=240), prompt(3, "c")]
    assert memory.tokens_of(history, system)[0] == 40
    assert memory.tokens_of(history)[0] == 240


def test_a_system_prompt_that_grew_between_two_answers_is_not_counted_for_what_stands_between() -> None:
    history = [
        prompt(1, "a" * 100),
        answer(2, "b" * 100, prompt_tokens=40),
        prompt(3, "c" * 100),
        answer(4, "d", prompt_tokens=2740),
    ]
    assert memory.tokens_of(history)[1:3] == [memory.estimate("b" * 100), memory.estimate("c" * 100)]


@given(texts=st.lists(st.text(max_size=400), min_size=1, max_size=12), room=st.integers(1, 2000))
def test_what_is_read_are_the_newest_messages_and_they_fit_where_anything_does(texts: list[str], room: int) -> None:
    history = talk(*texts, *([] if len(texts) % 2 else ["and?"]))
    read = memory.choose(history, answer(99), room)
    written = [message.text for message in history if message.text]
    assert [turn.text for turn in read.turns] == written[len(written) - read.messages_read :]
    assert (read.memory_from is None) == (read.messages_read == read.messages_before)
    prompts = [turn for turn in read.turns if turn.role == "user"]
    assert read.tokens <= room or len(prompts) <= 1
