"""Prompts and answers are held to the rules on every way through the product, and nothing passes where that fails."""

from __future__ import annotations

import threading
from contextlib import closing
from typing import Any

import pytest
from scripted_ollama import ScriptedOllama, gate, thinking
from visitor import Visitor

from insight_app.chat.messages import State
from insight_app.errors import DatabaseBusy
from insight_app.moderation.rulebook import as_json
from insight_app.moderation.rules import Action, Kind, Rule, Scope
from insight_app.moderation.screen import Screen
from insight_app.moderation.store import Entry, ModerationStore
from insight_app.services import Services
from insight_app.storage.database import Database


def set_rules(services: Services, *rules: Rule) -> None:
    kept = {entry.id: None for entry in services.rules.entries()[1]}
    after = {rule.id: Entry(rule.id, place, as_json(rule)) for place, rule in enumerate(rules)}
    services.rules.change("a test", {**kept, **after})


def rule(text: str, action: Action, scope: Scope = Scope.BOTH, reason: str = "") -> Rule:
    return Rule(f"rule-{text[:9]}-{action.value}", "Moons", Kind.PHRASE, text, scope, action, reason=reason)


def test_a_refused_prompt_reaches_no_engine_and_comes_back_with_the_reason(
    visitor: Visitor, services: Services, ollama: ScriptedOllama
) -> None:
    set_rules(services, rule("blue moon", Action.REFUSE, reason="Nobody asks for moons here."))
    before = len(ollama.requests)
    said = visitor.send("/messages", message="Give me a blue  MOON", key="k")
    assert said.status_code == 422
    assert "Nobody asks for moons here." in said.text
    assert "Give me a blue  MOON" in said.text
    assert len(ollama.requests) == before
    assert not services.conversations.newest_conversations().conversations


def test_a_masked_prompt_is_stored_and_sent_masked(
    visitor: Visitor, services: Services, ollama: ScriptedOllama
) -> None:
    set_rules(services, rule("blue moon", Action.MASK))
    ollama.script("Yes.")
    visitor.asks_and_waits("Give me a blue moon")
    assert "⟦Moons⟧" in visitor.page
    assert "blue moon" not in visitor.page
    assert "blue moon" not in str(ollama.requests)


def test_an_answer_is_masked_in_its_reasoning_and_in_its_text(
    visitor: Visitor, services: Services, ollama: ScriptedOllama
) -> None:
    set_rules(services, rule("blue moon", Action.MASK, Scope.ANSWERS))
    ollama.script(thinking("a bl"), thinking("ue moon?"), "The blue", " mo", "on shines.")
    answer = services.conversations.message(visitor.asks_and_waits("What of the night?"))
    assert (answer.thinking, answer.text) == ("a ⟦Moons⟧?", "The ⟦Moons⟧ shines.")


def test_a_refused_answer_ends_with_the_reason_and_keeps_what_was_allowed(
    visitor: Visitor, services: Services, ollama: ScriptedOllama
) -> None:
    set_rules(services, rule("blue moon", Action.REFUSE, reason="No moons."))
    ollama.script("The blue", " mo", "on shines.")
    answer = services.conversations.message(visitor.asks_and_waits("What of the night?"))
    assert (answer.state, answer.text, answer.reason) == (State.REFUSED, "The ", "No moons.")
    assert "No moons." in visitor.page
    assert 'data-state="refused"' in visitor.page


def test_programs_get_the_same(visitor: Visitor, services: Services, ollama: ScriptedOllama) -> None:
    set_rules(services, rule("blue moon", Action.MASK), rule("red moon", Action.REFUSE, reason="No."))
    ollama.script("The blue", " mo", "on shines.")
    assert visitor.client.post("/api/chat", json={"message": "night?"}).text == "The ⟦Moons⟧ shines."
    refused = visitor.client.post("/api/chat", json={"message": "a red moon"})
    assert (refused.status_code, refused.json["error"]["code"]) == (422, "prompt_refused")
    ollama.script("A red", " moon.")
    assert "The answer ends here. No." in visitor.client.post("/api/chat", json={"message": "night?"}).text


def test_another_try_of_a_prompt_is_held_to_the_rules_of_now(
    visitor: Visitor, services: Services, ollama: ScriptedOllama
) -> None:
    ollama.script("Yes.")
    answer_id = visitor.asks_and_waits("Give me a blue moon")
    set_rules(services, rule("blue moon", Action.REFUSE))
    assert visitor.send(f"/answers/{answer_id}/again").status_code == 422


def test_what_was_said_before_a_rule_came_is_held_to_it_when_it_is_sent_again(
    visitor: Visitor, services: Services, ollama: ScriptedOllama
) -> None:
    set_rules(services)
    ollama.script("A blue moon and a red one.")
    visitor.asks_and_waits("What is a blue moon, what a secret?")
    conversation = visitor.url.split("/")[-1]
    services.conversations.instruct(conversation, "Like blue moons.")
    secret = Rule("rule-secret", "secret", Kind.WORDS, "secret", Scope.BOTH, Action.REFUSE)
    set_rules(services, rule("blue moon", Action.MASK), secret)
    for _ in range(2):
        ollama.script("Yes.")
        visitor.asks_and_waits("And now?")
    sent = str(ollama.requests[-1])
    assert "blue moon" not in sent
    assert "What is a ⟦Moons⟧, what a ⟦secret⟧?" in sent
    assert "A ⟦Moons⟧ and a red one." in sent
    assert "Like ⟦Moons⟧s." in sent
    assert "What is a blue moon" in services.conversations.history(conversation)[0].text


@pytest.mark.parametrize("fault", [DatabaseBusy(), ValueError("a rule of a newer version")])
def test_nothing_is_sent_while_the_rules_cannot_be_read(
    visitor: Visitor, services: Services, ollama: ScriptedOllama, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    def broken() -> Any:
        raise fault

    monkeypatch.setattr(services.rules, "version", broken)
    monkeypatch.setattr(services.rules, "entries", broken)
    before = len(ollama.requests)
    said = visitor.send("/messages", message="hello", key="k")
    assert said.status_code == 503
    assert "rules" in said.text
    assert "hello" in said.text
    assert len(ollama.requests) == before


@pytest.mark.parametrize("scope", Scope)
def test_nothing_is_sent_where_a_rule_cannot_be_used(
    visitor: Visitor, services: Services, ollama: ScriptedOllama, scope: Scope
) -> None:
    set_rules(services, Rule("rule-x", "Broken", Kind.PATTERN, "(", scope))
    before = len(ollama.requests)
    said = visitor.send("/messages", message="hello", key="k")
    assert said.status_code == 503
    assert "hello" in said.text
    assert len(ollama.requests) == before


def test_nothing_more_is_shown_where_a_rule_breaks_while_an_answer_is_written(
    visitor: Visitor, services: Services, ollama: ScriptedOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = Screen.feed

    def breaks(screen: Screen, chunk: str) -> str:
        if "secret" in chunk:
            raise RuntimeError(chunk)
        return feed(screen, chunk)

    monkeypatch.setattr(Screen, "feed", breaks)
    seen = threading.Event()
    ollama.script("Allowed. ", gate(seen), "A secret.")
    answer_id = visitor.ask("hello")
    reply = services.replies.get(answer_id)
    while reply is not None and not reply.position:
        assert reply.wait(reply.version, 5)
    seen.set()
    visitor.watch(answer_id)
    visitor.open(visitor.url)
    answer = services.conversations.message(answer_id)
    assert (answer.state, answer.text, answer.problem) == (State.INTERRUPTED, "Allowed. ", "screening_failed")
    assert "secret" not in visitor.page


def test_what_the_rules_did_is_counted(visitor: Visitor, services: Services, ollama: ScriptedOllama) -> None:
    flag = rule("moon", Action.FLAG)
    set_rules(services, flag)
    ollama.script("A moon and a moon.")
    visitor.asks_and_waits("moon?")
    assert services.rules.counted() == {flag.id: {"day": 3, "week": 3, "month": 3}}
    assert "A moon and a moon." in visitor.page
    assert 'insight_moderated_total{action="flag"} 3.0' in visitor.client.get("/metrics").text


def test_a_rule_that_another_process_sets_holds_for_what_is_being_written(
    visitor: Visitor, services: Services, ollama: ScriptedOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked, rest = threading.Event(), threading.Event()
    refresh = services.moderation.refresh

    def look() -> None:
        refresh()
        looked.set()

    monkeypatch.setattr(services.moderation, "refresh", look)
    ollama.script("A moon and the sky. ", gate(rest), "Another moon.")
    answer_id = visitor.ask("hello")
    reply = services.replies.get(answer_id)
    while reply is not None and not reply.position:
        assert reply.wait(reply.version, 5)
    with closing(Database(services.database.url)) as other:
        entry = Entry("rule-m", 0, as_json(rule("moon", Action.MASK)))
        ModerationStore(other).change("somebody", {"rule-m": entry})
    for _ in range(2):  # the first look may have begun before the change
        looked.clear()
        assert looked.wait(5)
    rest.set()
    visitor.watch(answer_id)
    assert services.conversations.message(answer_id).text == "A moon and the sky. Another ⟦Moons⟧."


def test_a_rule_that_another_process_sets_holds_for_the_next_prompt(visitor: Visitor, services: Services) -> None:
    with closing(Database(services.database.url)) as database:
        other = ModerationStore(database)
        other.change("somebody", {"rule-m": Entry("rule-m", 0, as_json(rule("moon", Action.REFUSE)))})
        assert visitor.send("/messages", message="A moon?", key="k").status_code == 422
        other.change("somebody", {"rule-m": None})
        assert visitor.send("/messages", message="A moon?", key="k").status_code == 303


def test_a_refusal_at_the_end_of_the_reasoning_shows_nothing_of_the_text(
    visitor: Visitor, services: Services, ollama: ScriptedOllama
) -> None:
    set_rules(services, Rule("rule-w", "Moons", Kind.WORDS, "moon", Scope.ANSWERS, Action.REFUSE, reason="No moons."))
    ollama.script(thinking("It is about a moon"), "Hello ", "there.")
    answer = services.conversations.message(visitor.asks_and_waits("What is it?"))
    assert (answer.state, answer.thinking, answer.text) == (State.REFUSED, "It is about a ", "")


def test_what_is_being_written_goes_on_while_the_rules_cannot_be_read(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_rules(services, rule("moon", Action.MASK))
    screen = services.moderation.answer()

    def broken() -> int:
        raise DatabaseBusy

    monkeypatch.setattr(services.rules, "version", broken)
    services.moderation.refresh()
    assert screen.feed("A moon. And", thought=False) == [("A ⟦Moons⟧. And", False)]


def test_a_count_that_cannot_be_kept_costs_nobody_their_answer(
    visitor: Visitor, services: Services, ollama: ScriptedOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(times: object) -> None:
        raise DatabaseBusy

    set_rules(services, rule("moon", Action.FLAG))
    monkeypatch.setattr(services.rules, "count", full)
    ollama.script("A moon.")
    answer = services.conversations.message(visitor.asks_and_waits("moon?"))
    assert (answer.state, answer.text) == (State.DONE, "A moon.")


def test_what_rules_did_is_counted_also_where_others_came_while_an_answer_was_written(services: Services) -> None:
    moon, sun = rule("moon", Action.FLAG), rule("sun", Action.FLAG)
    set_rules(services, moon)
    screen = services.moderation.answer()
    screen.feed("A moon. ", thought=True)
    set_rules(services, sun)
    services.moderation.refresh()
    screen.feed("A sun and a moon. ", thought=False)
    screen.end()
    screen.close()
    assert {id: times["day"] for id, times in services.rules.counted().items()} == {moon.id: 1, sun.id: 1}


def test_a_label_that_says_what_its_rule_looks_for_stays_as_it_is_in_another_try(
    visitor: Visitor, services: Services, ollama: ScriptedOllama
) -> None:
    set_rules(services, Rule("rule-1", "Blue moon", Kind.PHRASE, "blue moon", Scope.PROMPTS, Action.MASK))
    ollama.script("Yes.")
    answer_id = visitor.asks_and_waits("Give me a blue moon")
    ollama.script("Again.")
    assert visitor.send(f"/answers/{answer_id}/again").status_code == 303
    visitor.watch(answer_id + 1)
    assert ollama.talks()[-1] == [{"role": "user", "content": "Give me a ⟦Blue moon⟧"}]
    masks = Rule("rule-1", "Blue moon", Kind.PHRASE, "blue moon", Scope.PROMPTS, Action.MASK)
    set_rules(services, masks, Rule("rule-2", "Moons", Kind.PHRASE, "moon", Scope.PROMPTS, Action.REFUSE))
    assert visitor.send(f"/answers/{answer_id}/again").status_code == 303


def test_the_name_of_a_rule_that_refuses_gets_nobody_past_it(
    visitor: Visitor, services: Services, ollama: ScriptedOllama
) -> None:
    set_rules(services, Rule("rule-1", "moon", Kind.WORDS, "moon", Scope.PROMPTS, Action.REFUSE))
    before = len(ollama.requests)
    assert visitor.send("/messages", message="Give me a ⟦moon⟧", key="k").status_code == 422
    assert len(ollama.requests) == before
