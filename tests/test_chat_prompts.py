"""The system prompt: its parts and their order, where it goes, and what never becomes a part of it."""

from __future__ import annotations

import re
import threading
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_ollama import ScriptedOllama, gate
from visitor import Visitor

from insight_app.chat.messages import State
from insight_app.chat.prompts import LONGEST_BASE, LONGEST_OWN, WRAPPER, Parts
from insight_app.moderation.rulebook import as_json
from insight_app.moderation.rules import Action, Kind, Rule
from insight_app.moderation.store import Entry
from insight_app.services import Services

DAY = date(2026, 11, 22)
OFF = Parts(with_wrapper=False, with_date=False)


def system(chat: Any) -> list[str]:
    return [turn["content"] for turn in chat["messages"] if turn["role"] == "system"]


def sends_and_waits(visitor: Visitor, url: str) -> None:
    """Presses a button of the newest answer, and waits for what it brings."""
    visitor.send(url)
    visitor.open(visitor.url)
    visitor.watch(int(re.findall(r'<article id="a(\d+)" class="answer"', visitor.page)[-1]))
    visitor.open(visitor.url)


def test_the_parts_come_in_their_order_with_the_day_and_the_conversations_own_last() -> None:
    said = Parts(base="You work for a bookshop.").composed("Rhyme.", DAY)
    places = [said.index(part) for part in ("bookshop", WRAPPER, "Today is Sunday, 22 November 2026.", "Rhyme.")]
    assert places == sorted(places)
    assert said.endswith("<instructions>\nRhyme.\n</instructions>")


@pytest.mark.parametrize("switch", ["with_base", "with_wrapper", "with_date", "with_own"])
def test_each_part_can_be_switched_off_alone(switch: str) -> None:
    shown = {"with_base": "bookshop", "with_wrapper": WRAPPER, "with_date": "Today is", "with_own": "Rhyme."}
    said = Parts(base="A bookshop.", **{switch: False}).composed("Rhyme.", DAY)
    assert {name: words in said for name, words in shown.items()} == {name: name != switch for name in shown}


def test_a_programs_own_instructions_take_the_place_of_all_but_the_operators() -> None:
    today = date(2026, 11, 28)
    parts = Parts(base="Base.")
    assert parts.before_program("Own.", today) == "Base.\n\nOwn."
    assert Parts(base="Base.", with_base=False).before_program("Own.", today) == Parts().before_program("Own.", today)
    assert Parts().before_program("Own.", today) == "Own."
    assert parts.before_program(" ", today) == parts.composed("", today)


def test_where_everything_is_off_there_is_no_system_prompt() -> None:
    assert OFF.composed("", DAY) == ""
    assert Parts("Base.", False, False, False, False).composed("Own.", DAY) == ""


def test_it_is_the_same_text_all_day_and_takes_few_tokens() -> None:
    assert Parts().composed("", DAY) == Parts().composed("", DAY)
    assert len(Parts().composed("", DAY)) < 400


@given(
    st.text(max_size=200),
    st.sampled_from(["</instructions>", "</ Instructions >", "<INSTRUCTIONS>", "< /instructions"]),
)
def test_own_instructions_cannot_close_the_marks_around_them(text: str, mark: str) -> None:
    said = OFF.composed(f"{text}x{mark}{text}", DAY).casefold()
    assert said.count("</instructions") == 1
    assert said.endswith("</instructions>")


@pytest.mark.parametrize("body", [{"base": 1}, {"with_date": "yes"}, {"later": True}])
def test_an_entry_that_this_version_does_not_know_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="prompt"):
        Parts.from_json(body)


def test_every_way_to_an_answer_begins_with_the_system_prompt_and_no_message_is_in_it(
    visitor: Visitor, services: Services, ollama: ScriptedOllama
) -> None:
    services.instructions.set(Parts(base="You work for a bookshop."), "a test")
    answer_id = visitor.asks_and_waits("My very own words")
    conversation = services.conversations.message(answer_id).conversation_id
    services.conversations.instruct(conversation, "Rhyme.")
    sends_and_waits(visitor, f"/answers/{answer_id}/again")
    visitor.asks_and_waits("More of my own words")
    body = {"message": "And my words", "conversation_id": conversation}
    assert visitor.client.post("/api/chat", json=body).status_code == 200
    assert [chat["messages"][0]["role"] for chat in ollama.chats()] == ["system"] * 4
    for chat in ollama.chats():
        (said,) = system(chat)
        assert said.startswith("You work for a bookshop.")
        assert "words" not in said.replace(WRAPPER, "")
    assert ["Rhyme." in system(chat)[0] for chat in ollama.chats()] == [False, True, True, True]


def test_an_answer_that_is_continued_or_carried_on_has_it_too(
    visitor: Visitor, services: Services, ollama: ScriptedOllama
) -> None:
    ollama.script("Half")
    answer_id = visitor.asks_and_waits("Hi")
    sends_and_waits(visitor, f"/answers/{answer_id}/continue")
    _, left = services.conversations.ask("Hello", model="")
    assert left is not None
    services.answering.left_behind.suspects.add(left.id)
    services.answering.left_behind.carry_on()
    reply = services.replies.get(left.id)
    while reply is not None and not reply.ended:
        assert reply.wait(reply.version, 5)
    assert all(WRAPPER in system(chat)[0] for chat in ollama.chats())
    assert len(ollama.chats()) == 3


def test_without_any_part_no_system_turn_is_sent(visitor: Visitor, services: Services, ollama: ScriptedOllama) -> None:
    services.instructions.set(OFF, "a test")
    visitor.asks_and_waits("Hi")
    assert ollama.chats()[-1]["messages"] == [{"role": "user", "content": "Hi"}]


def test_nothing_is_asked_where_the_instructions_cannot_be_read(
    visitor: Visitor, services: Services, ollama: ScriptedOllama
) -> None:
    services.rules.change("a newer version", {"prompt": Entry("prompt", 0, {"tone": "calm"})})
    answer = services.conversations.message(visitor.asks_and_waits("Hi"))
    assert answer.problem == "rules_unreadable"
    assert not ollama.chats()
    assert "What is set cannot be read" in visitor.open("/settings/prompt")
    visitor.send("/settings/prompt", base="Anew.", with_base="y")
    assert services.instructions.parts().base == "Anew."


def test_a_change_can_be_undone_and_holds_at_once(visitor: Visitor, services: Services, ollama: ScriptedOllama) -> None:
    services.instructions.set(Parts(base="First."), "a test")
    services.instructions.set(Parts(base="Second."), "a test")
    services.rules.undo(services.rules.changes()[0].id, "a test")
    visitor.asks_and_waits("Hi")
    assert system(ollama.chats()[-1])[0].startswith("First.")


def test_what_is_set_can_be_seen_as_it_would_be_sent_before_it_is_saved(visitor: Visitor, services: Services) -> None:
    visitor.open("/settings/prompt")
    assert WRAPPER in visitor.page
    fields = {"base": "You work for <b>me</b>.", "with_base": "y", "with_own": "y"}
    page = visitor.send("/settings/prompt/preview", **fields)
    assert "You work for &lt;b&gt;me&lt;/b&gt;." in page.text.split('id="composed"')[1]
    assert "Today is" not in page.text.split('id="composed"')[1]
    part = visitor.send("/settings/prompt/preview", htmx=True, **fields)
    assert part.text.startswith('<div id="composed"')
    assert services.instructions.parts() == Parts()
    assert visitor.send("/settings/prompt", **fields).status_code == 303
    assert services.instructions.parts() == Parts("You work for <b>me</b>.", True, False, False, True)
    assert "Nothing at all" in visitor.send("/settings/prompt/preview", htmx=True).text


def test_what_is_too_long_comes_back_with_its_error_beside_it(visitor: Visitor, services: Services) -> None:
    visitor.open("/settings/prompt")
    page = visitor.send("/settings/prompt", base="x" * (LONGEST_BASE + 1), with_base="y")
    assert page.status_code == 422
    assert "x" * (LONGEST_BASE + 1) in page.text
    assert 'aria-describedby="base-problem"' in page.text
    assert services.instructions.parts() == Parts()


def test_a_conversation_gets_instructions_among_its_options(
    visitor: Visitor, services: Services, ollama: ScriptedOllama
) -> None:
    visitor.asks_and_waits("Hi")
    visitor.send(visitor.url + "/options", instructions="Rhyme\r\nalways.")
    assert "Rhyme\nalways." in visitor.client.get(visitor.url + "/options").text
    renaming = visitor.client.get(visitor.url + "/edit").text
    assert "Rhyme" not in renaming, "there is one place for it"
    assert f"{visitor.url}/options" in renaming
    visitor.asks_and_waits("Again")
    assert "<instructions>\nRhyme\nalways.\n</instructions>" in system(ollama.chats()[-1])[0]
    visitor.send(visitor.url + "/options", instructions=" ")
    visitor.asks_and_waits("And again")
    assert "<instructions>" not in system(ollama.chats()[-1])[0]


def test_own_instructions_are_held_to_the_rules_and_to_a_length(visitor: Visitor, services: Services) -> None:
    rule = Rule("rule-m", "Moons", Kind.PHRASE, "moon", action=Action.REFUSE, reason="No moons here.")
    visitor.asks_and_waits("Hi")
    services.rules.change("a test", {"rule-m": Entry("rule-m", 0, as_json(rule))})
    for own, problem in (("Speak of the moon.", "No moons here."), ("x" * (LONGEST_OWN + 1), "At most 4,000")):
        page = visitor.send(visitor.url + "/options", instructions=own)
        assert page.status_code == 422
        assert problem in page.text
        assert own in page.text
    assert services.conversations.instructions(visitor.url.rpartition("/")[2]) == ""


def test_a_new_name_leaves_instructions_as_they_are(visitor: Visitor, services: Services) -> None:
    answer_id = visitor.asks_and_waits("Hi")
    conversation = services.conversations.message(answer_id).conversation_id
    services.conversations.instruct(conversation, "Rhyme.")
    visitor.send(visitor.url + "/edit", title="Verses")
    assert services.conversations.instructions(conversation) == "Rhyme."


def test_a_conversation_deleted_meanwhile_has_none(services: Services) -> None:
    assert services.conversations.instructions("gone") == ""


def test_saving_while_an_answer_is_written_holds_from_the_next_one(
    visitor: Visitor, services: Services, ollama: ScriptedOllama
) -> None:
    opened = threading.Event()
    ollama.script("One", gate(opened))
    answer_id = visitor.ask("Hi")
    services.instructions.set(Parts(base="Now."), "a test")
    opened.set()
    visitor.watch(answer_id)
    visitor.open(visitor.url)
    visitor.asks_and_waits("Again")
    assert system(ollama.chats()[-1])[0].startswith("Now.")


def test_a_message_that_does_not_fit_beside_the_system_prompt_is_not_sent(
    visitor: Visitor, services: Services, ollama: ScriptedOllama
) -> None:
    services.instructions.set(Parts(base="many " * 1500), "a test")
    ollama.context = 1024
    answer = services.conversations.message(visitor.asks_and_waits("words " * 500))
    assert (answer.state, answer.problem) == (State.FAILED, "context_full")
    assert not ollama.chats()
