"""What a person is told while an answer has not begun, and what becomes of one that could not begin."""

from __future__ import annotations

import dataclasses
import re
import threading
from collections.abc import Iterator

import pytest
from flask import Flask
from own_app import Start
from people import ALICE, BOB, add_people, signed_in
from scripted_ollama import ScriptedOllama, done, error, gate, silence, status
from visitor import Visitor

from insight_app.chat import pages, patience, stream
from insight_app.chat.messages import Figures, Outcome, State
from insight_app.chat.reply import Reply
from insight_app.config import Settings
from insight_app.engines import fallback
from insight_app.errors import EngineBusy, EngineUnreachable, ModelMissing, OutOfMemory
from insight_app.services import Services


@pytest.fixture
def settings(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(patience, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(fallback, "LOOK_AGAIN_SECONDS", 0.01)
    return dataclasses.replace(settings, engine_wait_seconds=60, max_concurrent_answers=1)


def statuses(said: str) -> list[str]:
    """The status lines in what a stream said."""
    found = re.findall(r'-status" hx-swap="innerHTML settle:0">(.*?)<span', said, re.DOTALL)
    return [" ".join(line.replace("data: ", "").split()) for line in found]


@pytest.fixture
def lonely(start: Start, ollama: ScriptedOllama) -> Visitor:
    """Somebody whose server has no engine."""
    ollama.close()
    app = start()
    found = Visitor(app.test_client())
    found.open("/")
    return found


def services_of(visitor: Visitor) -> Services:
    found: Services = visitor.client.application.extensions["insight"]
    return found


def waiting(visitor: Visitor) -> Reply:
    """The reply to a prompt of theirs, once it waits for an engine."""
    answer_id = visitor.ask("Anybody there?")
    reply = services_of(visitor).replies.get(answer_id)
    assert reply is not None
    while not reply.activity.problem:
        assert reply.wait(reply.version, 5)
    return reply


def test_an_answer_waits_for_an_engine_that_is_away_and_begins_by_itself(
    lonely: Visitor, ollama: ScriptedOllama
) -> None:
    reply = waiting(lonely)
    page = lonely.open(lonely.url)
    assert "No engine answers at" in page
    assert "Start Ollama, and the answer begins by itself" in page
    with ScriptedOllama(port=ollama.port) as back:
        back.script("Here I am.")
        assert "Here I am." in lonely.watch(reply.id)
    assert reply.state is State.DONE


def test_who_waits_for_an_engine_can_stop(lonely: Visitor) -> None:
    reply = waiting(lonely)
    lonely.send(f"/answers/{reply.id}/stop")
    while not reply.ended:
        assert reply.wait(reply.version, 5)
    assert services_of(lonely).conversations.message(reply.id).state is State.STOPPED


def test_an_answer_that_was_refused_because_the_engine_is_busy_is_asked_again(
    visitor: Visitor, ollama: ScriptedOllama, services: Services
) -> None:
    ollama.script(status(503, {"error": "server busy, please try again.  maximum pending requests exceeded"}))
    ollama.script("At last.")
    answer_id = visitor.ask("Hi")
    assert "At last." in visitor.watch(answer_id)
    assert len(ollama.chats()) == 2


def test_a_program_is_told_at_once(app: Flask, ollama: ScriptedOllama) -> None:
    ollama.close()
    app.extensions["insight"].engine.look()
    response = app.test_client().post("/api/chat", json={"message": "Hi"})
    assert response.status_code == 503


def test_patience_is_for_what_passes_and_ends() -> None:
    waiting = patience.Patience(60)
    assert waiting.pause(EngineUnreachable())
    assert waiting.pause(ModelMissing()) is None
    assert waiting.pause(OutOfMemory())
    assert waiting.pause(OutOfMemory()) is None
    pauses = [waiting.pause(EngineBusy()) or 0 for _ in range(9)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == patience.LONGEST_PAUSE
    assert patience.Patience(0).pause(EngineUnreachable()) is None


def in_line(services: Services, answer_id: int) -> Reply:
    """The reply, once it has its place."""
    reply = services.replies.get(answer_id)
    assert reply is not None
    while not reply.activity.place:
        assert reply.wait(reply.version, 5)
    return reply


def test_the_page_says_the_place_in_the_line(visitor: Visitor, services: Services, ollama: ScriptedOllama) -> None:
    opened = threading.Event()
    first = ollama.script(gate(opened), "one")
    visitor.ask("first")
    assert first.asked.wait(5)
    visitor.open("/")
    second = visitor.ask("second")
    in_line(services, second)
    assert "Waiting for a free place, number 1 in line" in visitor.open(visitor.url)
    events, said = visitor.client.get(f"/answers/{second}/stream").response, ""
    while "The answer waits for a free place, number 1 in line" not in said:  # for who hears the page
        said += next(events).decode()
    events.close()
    opened.set()
    visitor.watch(second)


def test_the_page_says_when_it_will_be_its_turn_and_counts_down(
    visitor: Visitor, services: Services, ollama: ScriptedOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "TICK_SECONDS", 0.01)
    _, earlier = services.conversations.ask("Before", model="")
    assert earlier is not None
    past = Figures(queued_seconds=500.0, loading_seconds=0.5, reading_seconds=1.0, writing_seconds=2.0)
    model = services.engine.standing.models[0].name
    services.conversations.finish(earlier.id, Outcome(State.DONE, "x", model=model, figures=past))
    opened = threading.Event()
    first = ollama.script(gate(opened), "one")
    visitor.ask("first")
    assert first.asked.wait(5)
    visitor.open("/")
    reply = in_line(services, visitor.ask("second"))
    while reply.activity.usual_seconds is None:  # the line has to look for how long answers took before
        assert reply.wait(reply.version, 5)
    assert re.search("number 1 in line · time left: about [34]\u00a0s", visitor.open(visitor.url))
    events = visitor.client.get(f"/answers/{reply.id}/stream").response
    said: list[str] = []
    while not said or "any moment now" not in said[-1]:
        said += statuses(next(events).decode())
    assert "number 1 in line · time left: about 1 s" in said[-2]
    events.close()
    opened.set()
    visitor.watch(reply.id)


def test_who_finds_no_place_in_the_line_is_told_and_nothing_is_stored(start: Start, ollama: ScriptedOllama) -> None:
    app = start(max_waiting_answers=2)
    visitor, services = Visitor(app.test_client()), app.extensions["insight"]
    opened = threading.Event()
    first = ollama.script(gate(opened), "one")
    visitor.open("/")
    answers = [visitor.ask("first")]
    old = visitor.url
    assert first.asked.wait(5)
    for words in ("second", "third"):
        visitor.open("/")
        key = visitor.field("key")
        answers.append(visitor.ask(words))
        in_line(services, answers[-1])
    visitor.open("/")
    refused = visitor.send("/messages", message="Keep my words", key=visitor.field("key"))
    assert refused.status_code == 503
    assert "Too many answers are waiting for this model already." in refused.text
    assert "Keep my words</textarea>" in refused.text
    assert visitor.send("/messages", htmx=True, message="Keep my words", key=visitor.field("key")).status_code == 503
    assert visitor.send("/temporary", message="Keep my words", key=visitor.field("key")).status_code == 503
    assert visitor.send("/messages", message="third", key=key).status_code == 303  # it was taken already
    program = visitor.client.post("/api/chat", json={"message": "Hi"})
    assert (program.status_code, program.json["error"]["code"]) == (503, "too_many_waiting")
    figures = visitor.client.get("/metrics").text
    assert "insight_waiting_answers 2.0" in figures
    assert "insight_running_answers 1.0" in figures
    assert "insight_too_many_waiting_total 4.0" in figures
    assert len(services.conversations.newest_conversations().conversations) == 3
    opened.set()
    for answer_id in answers:
        visitor.watch(answer_id)
    again = visitor.open(old)
    assert "Try again" in again
    assert visitor.client.post("/api/chat", json={"message": "Hi"}).status_code == 200


def test_another_try_finds_no_place_either_and_a_program_hears_when_to_come_again(
    start: Start, ollama: ScriptedOllama
) -> None:
    app = start(max_waiting_answers=1)
    visitor, services = Visitor(app.test_client()), app.extensions["insight"]
    visitor.open("/")
    old = visitor.asks_and_waits("before")
    opened = threading.Event()
    first = ollama.script(gate(opened), "one")
    visitor.open("/")
    answers = [visitor.ask("first")]
    assert first.asked.wait(5)
    visitor.open("/")
    answers.append(visitor.ask("second"))
    in_line(services, answers[-1])
    refused = visitor.send(f"/answers/{old}/again")
    assert refused.status_code == 503
    assert len(services.conversations.tries(services.conversations.message(old))) == 1
    program = visitor.client.post("/api/chat", json={"message": "Hi"})
    assert int(program.headers["Retry-After"]) >= 1  # as long as the one before took
    opened.set()
    for answer_id in answers:
        visitor.watch(answer_id)


def test_where_people_share_a_server_nobody_fills_the_line_alone(start: Start, ollama: ScriptedOllama) -> None:
    app = start(auth_mode="accounts", max_waiting_answers=4)
    services = app.extensions["insight"]
    add_people(services)
    opened = threading.Event()
    first = ollama.script(gate(opened), "one")
    alice, bob = signed_in(app, ALICE), signed_in(app, BOB)
    answers = [alice.ask("first")]
    assert first.asked.wait(5)
    for words in ("second", "third"):
        alice.open("/")
        answers.append(alice.ask(words))
        in_line(services, answers[-1])
    alice.open("/")
    refused = alice.send("/messages", message="fourth", key=alice.field("key"))
    assert refused.status_code == 429
    assert "Too many answers of yours are waiting for this model already." in refused.text
    theirs = bob.ask("mine")
    assert in_line(services, theirs).activity.place == 1
    opened.set()
    bob.watch(theirs)
    for answer_id in answers:
        alice.watch(answer_id)


def test_an_alias_and_no_choice_stand_in_the_line_of_the_model_that_answers(
    visitor: Visitor, services: Services, ollama: ScriptedOllama
) -> None:
    assert services.engine.resolved("") == services.engine.resolved("Llama3.2") == "llama3.2:latest"
    assert services.engine.resolved("unknown") == "unknown"
    ollama.models.append("other:latest")
    services.engine.look()
    opened = threading.Event()
    first = ollama.script(gate(opened), "one")
    visitor.ask("first")
    assert first.asked.wait(5)
    visitor.open("/")
    ollama.script("Other.")
    assert "Other." in visitor.watch(visitor.ask("second", model="other"))  # another model's line is its own
    visitor.open("/")
    third = visitor.ask("third", model="llama3.2")
    assert in_line(services, third).activity.place == 1
    opened.set()
    visitor.watch(third)


@pytest.fixture
def unloaded(ollama: ScriptedOllama) -> Iterator[threading.Event]:
    """Ollama has to load its model first, and does when the event is set."""
    ollama.loaded.clear()
    opened = threading.Event()
    load = ollama.script(gate(opened), lambda _: ollama.loaded.append(ollama.models[0]), done(), path="/api/generate")
    yield opened
    opened.set()
    assert load.asked.is_set()


def test_loading_is_said_with_size_and_usual_time(
    visitor: Visitor, services: Services, unloaded: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "TICK_SECONDS", 0.01)
    model = services.engine.standing.models[0].name
    _, earlier = services.conversations.ask("Before", model="")
    assert earlier is not None
    past = Figures(loading_seconds=7.4)
    services.conversations.finish(earlier.id, Outcome(State.DONE, "x", model=model, figures=past))
    answer_id = visitor.ask("Hi")
    reply = services.replies.get(answer_id)
    assert reply is not None
    while reply.state is not State.LOADING:
        assert reply.wait(reply.version, 5)
    page = " ".join(visitor.open(visitor.url).split())
    assert re.search(rf"Loading {model} \(4 GB\)( · \d+ s)? · usual time: 8 s", page)  # a second may have passed
    events = visitor.client.get(f"/answers/{answer_id}/stream").response
    while "The model is being loaded" not in next(events).decode():
        pass
    unloaded.set()
    for _ in events:
        pass
    figures = services.conversations.message(answer_id).figures
    assert figures.loading_seconds is not None
    assert figures.context_tokens == 4096


def test_the_seconds_of_a_stage_are_counted_on_the_page(visitor: Visitor, ollama: ScriptedOllama) -> None:
    ollama.script(silence)
    answer_id = visitor.ask("Hi")
    events = visitor.client.get(f"/answers/{answer_id}/stream").response
    said = ""
    while "Reading · 1 s" not in said:
        said = " ".join(statuses(next(events).decode()))
    events.close()


def test_what_an_answer_took_stands_below_it(visitor: Visitor, ollama: ScriptedOllama) -> None:
    ollama.script("Hello", done(prompt_eval_count=3000, eval_count=1000, eval_duration=20_000_000_000))
    visitor.asks_and_waits("Hi")
    page = " ".join(visitor.page.split())
    assert "<bdi>llama3.2:latest</bdi> · 50 tokens/s" in page
    assert "<dt>Messages read</dt><dd>1 of 1</dd>" in page
    assert "<dt>Tokens</dt><dd>3,000 read, 1,000 written</dd>" in page
    assert "<dt>Context used</dt><dd>4,000 of 4,096 tokens</dd>" in page
    assert "<dt>Time until the first text</dt><dd>" in page


def test_a_line_marks_where_the_memory_begins(visitor: Visitor, ollama: ScriptedOllama) -> None:
    ollama.context = 200
    for words in ("first " * 60, "second " * 60):
        ollama.script("ok")
        visitor.asks_and_waits(words)
    (prompt,) = ollama.talks()[-1]
    assert prompt["content"].startswith("second")
    line = visitor.page.index("llama3.2:latest remembers from here on")
    assert visitor.page.index("first first") < line < visitor.page.rindex("second second")
    assert "<dt>Messages read</dt><dd>1 of 3</dd>" in visitor.page
    assert "· read 1 of 3 messages</summary>" in visitor.page


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.35, "0.35 s"), (8, "8 s"), (8.3, "8.3 s"), (59.4, "59.4 s"), (60, "1 min 0 s"), (754.2, "12 min 34 s")],
)
def test_a_long_time_is_said_in_minutes(seconds: float, said: str) -> None:
    assert pages.lasting(seconds).replace("\u00a0", " ") == said


def test_the_line_stays_where_the_message_behind_it_is_deleted(visitor: Visitor, ollama: ScriptedOllama) -> None:
    ollama.context = 400
    for words in ("first " * 120, "second " * 10, "third " * 10):
        ollama.script("ok")
        last = visitor.asks_and_waits(words)
    line = "llama3.2:latest remembers from here on"
    assert visitor.page.index(line) < visitor.page.index("second second")
    visitor.send(f"/prompts/{last - 3}/delete")
    visitor.open(visitor.url)
    assert visitor.page.index("first first") < visitor.page.index(line) < visitor.page.rindex("third third")


def test_a_page_that_missed_the_end_gets_the_line_too(visitor: Visitor, ollama: ScriptedOllama) -> None:
    ollama.context = 200
    visitor.asks_and_waits("first " * 60)
    answer_id = visitor.asks_and_waits("second " * 60)
    assert "remembers from here on" in visitor.watch(answer_id)  # whose end was some time ago


def test_an_answer_that_read_nothing_yet_leaves_the_line_where_it_is(visitor: Visitor, ollama: ScriptedOllama) -> None:
    ollama.context = 200
    visitor.asks_and_waits("first " * 60)
    visitor.asks_and_waits("second " * 60)
    ollama.script(silence)
    answer_id = visitor.ask("third")
    drawn_anew = visitor.client.get(f"/answers/{answer_id}/stream?from=nowhere").text
    assert f'hx-target="#a{answer_id}" hx-swap="outerHTML' in drawn_anew
    assert 'hx-target=".memory"' not in drawn_anew
    assert "remembers from here on" in visitor.open(visitor.url)


def test_a_prompt_that_cannot_fit_is_not_sent(visitor: Visitor, ollama: ScriptedOllama) -> None:
    visitor.asks_and_waits("x" * 5 * 4096)
    assert ollama.chats() == []
    assert "is longer than the model “llama3.2:latest” can read at once (4,096 tokens)" in visitor.page
    assert "Messages read" not in visitor.page
    assert "remembers from here on" not in visitor.page


def test_what_the_engine_finds_too_long_is_sent_again_with_less(visitor: Visitor, ollama: ScriptedOllama) -> None:
    visitor.asks_and_waits("first")
    ollama.script(status(400, {"error": "the prompt is longer than the context length currently available"}))
    visitor.asks_and_waits("second")
    assert [len(talk) for talk in ollama.talks()] == [1, 3, 1]
    assert "remembers from here on" in visitor.page


def test_an_answer_that_has_begun_is_not_sent_again_with_less(visitor: Visitor, ollama: ScriptedOllama) -> None:
    visitor.asks_and_waits("first")
    ollama.script("Once. ", error("the input exceeds the context length"))
    ollama.script("Twice.")
    visitor.asks_and_waits("second")
    assert "Once." in visitor.page
    assert "Twice." not in visitor.page


def test_a_prompt_that_the_engine_cut_is_told(visitor: Visitor, ollama: ScriptedOllama) -> None:
    ollama.script("Hello", done(prompt_eval_count=2050))
    visitor.asks_and_waits("Hi")
    assert "saw only a part of what it was sent" in visitor.page


def test_an_answer_that_filled_the_context_says_so(visitor: Visitor, ollama: ScriptedOllama) -> None:
    ollama.script("Hello", done(done_reason="length", prompt_eval_count=4000, eval_count=96))
    visitor.asks_and_waits("Hi")
    assert "fill all that the model can read at once (4,096 tokens)" in visitor.page
