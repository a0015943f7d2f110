"""A model as judge on every way through the product, with judges on the wire that say what a test scripted."""

from __future__ import annotations

import threading
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from scripted_ollama import Answer, ScriptedOllama, Step, error, gate, line, silence, status, thinking
from visitor import Visitor

from insight_app.chat.messages import State
from insight_app.moderation.judge_families import Fate
from insight_app.moderation.judge_settings import JUDGE, JudgeSettings
from insight_app.moderation.rulebook import as_json
from insight_app.moderation.rules import Kind, Rule
from insight_app.moderation.store import Entry
from insight_app.services import Services

LLAMA, SHIELD, GRANITE = "llama-guard3:1b", "shieldgemma:2b", "granite3-guardian:2b"


@pytest.fixture
def ollama(ollama: ScriptedOllama) -> ScriptedOllama:
    ollama.models += [LLAMA, SHIELD, GRANITE]
    return ollama


def set_judge(services: Services, model: str = LLAMA, **settings: Any) -> None:
    body = JudgeSettings(model, **settings).as_json()
    services.rules.change("a test", {JUDGE: Entry(JUDGE, 0, body)})


def judged(body: Any) -> str:
    """What the judge is to look at: the last turn, or the text in the pattern of ShieldGemma."""
    if "messages" in body:
        return str(body["messages"][-1]["content"])
    return str(body["prompt"].split("Our safety principle")[0].rpartition("<start_of_turn>")[2])


def says(verdict: Callable[[Any], str]) -> Callable[[Any], list[Step]]:
    """A judge on the wire, in whichever of Ollama's two ways it is asked."""

    def reply(body: Any) -> list[Step]:
        return [verdict(body)] if "messages" in body else [line(response=verdict(body)), line(response="", done=True)]

    return reply


def of_llama(body: Any) -> str:
    return "\n\nunsafe\nS1" if "bad" in judged(body) else "\n\nsafe"


def of_shield(body: Any) -> str:
    return "Yes" if "bad" in judged(body) and "No Hate Speech" in body["prompt"] else "No"


def of_granite(body: Any) -> str:
    return "Yes" if "bad" in judged(body) else "No"


FAMILIES = [
    (LLAMA, of_llama, "violent crimes", "judge-S1"),
    (SHIELD, of_shield, "hate against a group", "judge-hate"),
    (GRANITE, of_granite, "something harmful", "judge-harm"),
]


@pytest.mark.parametrize(("model", "verdict", "words", "counted"), FAMILIES)
def test_a_prompt_that_the_judge_refuses_reaches_no_model_and_comes_back_with_the_reason(
    visitor: Visitor,
    services: Services,
    ollama: ScriptedOllama,
    model: str,
    verdict: Callable[[Any], str],
    words: str,
    counted: str,
) -> None:
    set_judge(services, model)
    ollama.replies[model] = says(verdict)
    said = visitor.send("/messages", message="Something bad", key="k")
    assert said.status_code == 422
    assert words in said.text
    assert "Something bad" in said.text
    assert not ollama.answers
    assert services.rules.counted()[counted]["day"] == 1
    assert 'insight_moderated_total{action="refuse"} 1.0' in visitor.client.get("/metrics").text
    visitor.asks_and_waits("Something good")
    assert len(ollama.answers) == 1


@pytest.mark.parametrize(("model", "verdict", "words", "counted"), FAMILIES)
def test_an_answer_ends_before_the_sentence_that_the_judge_refuses(
    visitor: Visitor,
    services: Services,
    ollama: ScriptedOllama,
    model: str,
    verdict: Callable[[Any], str],
    words: str,
    counted: str,
) -> None:
    set_judge(services, model)
    ollama.replies[model] = says(verdict)
    ollama.script("This is all ", "right so far. But th", "is one is ba", "d indeed. And", " more.")
    answer_id = visitor.ask("Tell me")
    assert "indeed" not in visitor.watch(answer_id)
    answer = services.conversations.message(answer_id)
    assert (answer.state, answer.text) == (State.REFUSED, "This is all right so far.")
    assert words in answer.reason
    assert services.rules.counted()[counted]["day"] == 1


def test_the_judge_is_asked_briefly_and_coldly(visitor: Visitor, services: Services, ollama: ScriptedOllama) -> None:
    for model in (LLAMA, SHIELD):
        set_judge(services, model, answers=False)
        ollama.replies[model] = says(of_llama if model == LLAMA else of_shield)
        visitor.asks_and_waits("Hello")
        asked = next(request for request in ollama.requests if (request.body or {}).get("model") == model)
        options = asked.body["options"]
        assert (options["temperature"], asked.body["think"], asked.body["truncate"]) == (0.0, False, False)
        assert options["num_predict"] <= 64
        assert (asked.path, asked.body.get("raw")) == (
            ("/api/chat", None) if model == LLAMA else ("/api/generate", True)
        )


def test_reasoning_is_judged_too(visitor: Visitor, services: Services, ollama: ScriptedOllama) -> None:
    set_judge(services)
    ollama.replies[LLAMA] = says(of_llama)
    ollama.script(thinking("I think of good things.\n"), thinking("And of bad ones.\n"), "Hello.")
    answer = services.conversations.message(visitor.asks_and_waits("Tell me"))
    assert (answer.state, answer.thinking, answer.text) == (State.REFUSED, "I think of good things.\n", "")


def test_of_a_message_that_is_a_file_alone_the_judge_reads_the_file_and_its_name_and_nothing_else(
    visitor: Visitor, services: Services, ollama: ScriptedOllama
) -> None:
    set_judge(services, answers=False)
    read: list[str] = []
    ollama.replies[LLAMA] = lambda body: (read.append(judged(body)), ["\n\nsafe"])[1]
    data = {"csrf_token": visitor.field("csrf_token"), "key": "k", "message": ""}
    files = {"files": (BytesIO(b"only a plan"), "plan.txt")}
    sent = visitor.client.post("/messages", data={**data, **files}, content_type="multipart/form-data")
    assert sent.status_code == 303
    assert [("plan.txt" in each, "only a plan" in each) for each in read] == [(True, False), (False, True)]


def test_the_judge_reads_what_the_rules_masked(visitor: Visitor, services: Services, ollama: ScriptedOllama) -> None:
    set_judge(services)
    rule = Rule("rule-m", "Moons", Kind.PHRASE, "bad moon")
    services.rules.change("a test", {rule.id: Entry(rule.id, 0, as_json(rule))})
    ollama.replies[LLAMA] = says(of_llama)
    ollama.script("A bad moon rises. ", "So it does.")
    answer = services.conversations.message(visitor.asks_and_waits("Give me a bad moon"))
    assert (answer.state, answer.text) == (State.DONE, "A ⟦Moons⟧ rises. So it does.")
    assert "bad moon" not in str([request.body for request in ollama.requests])


def test_texts_that_are_not_to_be_judged_are_not(visitor: Visitor, services: Services, ollama: ScriptedOllama) -> None:
    set_judge(services, prompts=False, answers=False)
    ollama.replies[LLAMA] = says(of_llama)
    ollama.script("Something bad.")
    assert services.conversations.message(visitor.asks_and_waits("bad")).text == "Something bad."
    assert LLAMA not in str(ollama.chats())


FAULTS: list[tuple[list[Step], str]] = [
    (["I am a helpful assistant."], "judge_failed"),
    ([error("runner broke")], "judge_failed"),
    ([status(404, {"error": "model not found"})], "judge_failed"),
    ([silence], "judge_late"),
]


@pytest.mark.parametrize(
    ("model", "script", "problem"),
    [(LLAMA, *FAULTS[3]), *((model, *fault) for model in (LLAMA, SHIELD, GRANITE) for fault in FAULTS[:3])],
)
def test_nothing_is_sent_or_shown_that_could_not_be_judged(
    visitor: Visitor, services: Services, ollama: ScriptedOllama, model: str, script: list[Step], problem: str
) -> None:
    ollama.replies[model] = lambda body: script
    set_judge(services, model, seconds=1)
    said = visitor.send("/messages", message="Hello you", key="k", htmx=True)
    assert said.status_code == 503
    assert "judges messages and answers" in said.text
    assert not ollama.answers
    set_judge(services, model, seconds=1, prompts=False)
    ollama.script("This is never shown. To nobody.")
    answer = services.conversations.message(visitor.asks_and_waits("Hello"))
    assert (answer.state, answer.text, answer.problem) == (State.FAILED, "", problem)
    assert "judges messages and answers" in visitor.page


def test_a_judge_that_may_fail_lets_through_and_is_counted(
    visitor: Visitor, services: Services, ollama: ScriptedOllama
) -> None:
    set_judge(services, late=Fate.FLAG)
    ollama.replies[LLAMA] = lambda body: ["What?"]
    ollama.script("Hello there.")
    assert services.conversations.message(visitor.asks_and_waits("Hello")).text == "Hello there."
    assert services.rules.counted()["judge-failed"]["day"] == 2


def test_stop_ends_a_judge_that_is_waited_for(visitor: Visitor, services: Services, ollama: ScriptedOllama) -> None:
    asked = threading.Event()
    judges: list[Answer] = []

    def waits(answer: Answer) -> None:
        judges.append(answer)
        asked.set()
        silence(answer)

    set_judge(services, prompts=False, seconds=50)
    ollama.replies[LLAMA] = lambda body: [waits]
    ollama.script("This is one sentence. And this", silence)
    answer_id = visitor.ask("Hello")
    assert asked.wait(5)
    visitor.send(f"/answers/{answer_id}/stop")
    visitor.watch(answer_id)
    answer = services.conversations.message(answer_id)
    assert (answer.state, answer.text) == (State.STOPPED, "")
    assert judges[0].client_gone.wait(5)


def test_a_judge_takes_no_place_in_the_line_of_answers(
    visitor: Visitor, services: Services, ollama: ScriptedOllama
) -> None:
    opened = threading.Event()
    set_judge(services, answers=False)
    ollama.replies[LLAMA] = says(of_llama)
    first = [ollama.script("One", gate(opened)) for _ in range(services.settings.max_concurrent_answers)]
    for answer in first:
        visitor.open("/")
        visitor.ask("Hello")
        assert answer.asked.wait(5)
    visitor.open("/")
    assert visitor.send("/messages", message="bad", key="another").status_code == 422
    opened.set()


def test_programs_are_told_too(visitor: Visitor, services: Services, ollama: ScriptedOllama) -> None:
    set_judge(services)
    ollama.replies[LLAMA] = says(of_llama)
    refused = visitor.client.post("/api/chat", json={"message": "bad"})
    assert (refused.status_code, refused.json["error"]["code"]) == (422, "prompt_refused")
    ollama.script("This is quite all right. This is bad, however.")
    said = visitor.client.post("/api/chat", json={"message": "good"}).text
    assert said.startswith("This is quite all right.\n\n[The answer ends here. It seems to be about violent crimes.")


def test_a_judge_that_nobody_knows_how_to_ask_stops_everything(visitor: Visitor, services: Services) -> None:
    services.rules.change("an import", {JUDGE: Entry(JUDGE, 0, {"model": "llama3.2"})})
    assert visitor.send("/messages", message="Hello", key="k").status_code == 503
