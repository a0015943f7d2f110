"""At every door: no more answers than are allowed, of the models that are allowed, and each is counted once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from people import BOB
from scripted_ollama import ScriptedOllama, gate, silence, status, thinking
from sqlalchemy import select
from visitor import Visitor

from insight_app.accounts.tokens import Scope
from insight_app.limits.quotas import Allowance
from insight_app.limits.store import RoleRules
from insight_app.services import Services
from insight_app.storage.tables import conversations, usage

MODELS = ["alpha:latest", "beta:latest"]


@pytest.fixture
def ollama() -> Any:
    with ScriptedOllama(models=MODELS) as server:
        yield server


@pytest.fixture
def found(shared: Flask) -> Services:
    services: Services = shared.extensions["insight"]
    return services


@pytest.fixture
def program(shared: Flask, found: Services) -> Callable[..., Any]:
    """Asks in Bob's name, by a key of his."""
    account = found.accounts.store.of_email(BOB)
    assert account
    key = found.accounts.keys.make(account.id, "test", [Scope.CHAT], None)

    def asks(*, door: str = "/api/chat", **body: Any) -> Any:
        headers = {"Authorization": f"Bearer {key}"}
        said = {"message": "Hi"} if door == "/api/chat" else {"messages": [{"role": "user", "content": "Hi"}]}
        response = shared.test_client().post(door, json={**said, **body}, headers=headers)
        response.get_data()
        return response

    return asks


def allow(services: Services, *models: str, **allowance: int) -> None:
    """What members may do from now on."""
    services.limits.set_role("member", RoleRules(Allowance(**allowance), models or None))


def rows(services: Services) -> list[dict[str, Any]]:
    with services.database.reading() as connection:
        return [dict(row._mapping) for row in connection.execute(select(usage))]


def counted(services: Services) -> int:
    return sum(row["answers"] for row in rows(services))


def ended(services: Services) -> None:
    """Waits until nothing is being written and what it took is counted."""
    while services.replies.here() or any(
        thread.name.startswith(("answer-", "passing")) and thread.is_alive() for thread in threading.enumerate()
    ):
        pass


def test_an_answer_is_counted_with_all_it_took_but_no_word_of_it(bob: Visitor, found: Services) -> None:
    bob.asks_and_waits("xylophage")
    ended(found)
    (row,) = rows(found)
    account = found.accounts.store.of_email(BOB)
    assert account
    assert (row["person"], row["model"], row["answers"]) == (account.id, "alpha:latest", 1)
    assert (row["prompt_tokens"], row["answer_tokens"], row["writing_seconds"]) == (12, 34, 2.0)
    assert row["busy_seconds"] > 0


def test_every_way_to_an_answer_takes_one_of_those_that_are_allowed(
    bob: Visitor, found: Services, program: Callable[..., Any]
) -> None:
    first = bob.asks_and_waits("one")
    bob.asks_and_waits("two")
    assert bob.send(f"/answers/{first}/again").status_code == 303
    bob.watch(first + 4)
    bob.open("/temporary")
    response = bob.send("/temporary", message="four", key="k4")
    bob.open(response.location)
    assert program().status_code == 200
    ended(found)
    assert counted(found) == 5
    allow(found, answers_per_day=5)
    home = bob.url
    refused = [
        bob.send("/messages", message="six", key="k6"),
        bob.send("/temporary", message="six", key="k7"),
        bob.send(f"{home}/messages", message="six", key="k8", parent=""),
        bob.send(f"{home}/messages", htmx=True, message="six", key="k9"),
        bob.send(f"/answers/{first}/again"),
        bob.send(f"/answers/{first}/continue", htmx=True),
        program(),
    ]
    assert [response.status_code for response in refused] == [429] * 7
    assert all("You have used all 5 answers that are allowed in a day" in response.text for response in refused)
    assert all(">six</textarea>" in response.text for response in refused[:3])
    assert "<textarea" not in refused[3].text
    assert int(refused[-1].headers["Retry-After"]) <= 86_400
    assert refused[-1].json["error"]["code"] == "quota_reached"
    assert counted(found) == 5


def test_nothing_is_stored_of_a_prompt_that_is_not_allowed(
    bob: Visitor, found: Services, ollama: ScriptedOllama
) -> None:
    allow(found, answers_per_day=1)
    bob.asks_and_waits("one")
    bob.open("/")
    bob.send("/messages", message="two", key="k2")
    with found.database.reading() as connection:
        assert len(connection.execute(select(conversations)).all()) == 1
    assert len(ollama.chats()) == 1


def test_tokens_of_the_day_end_with_the_answer_that_passes_them(
    bob: Visitor, found: Services, program: Callable[..., Any]
) -> None:
    allow(found, tokens_per_day=46)
    assert program().status_code == 200
    ended(found)
    told = program()
    assert (told.status_code, "all 46 tokens that are allowed in a day" in told.json["error"]["message"]) == (429, True)


def test_what_does_not_begin_is_not_counted(bob: Visitor, found: Services, program: Callable[..., Any]) -> None:
    allow(found, answers_per_day=2)
    bob.open("/")
    assert bob.send("/messages", message=" ", key="k1").status_code == 422
    assert bob.send("/c/nothing/messages", message="a", key="k2").status_code == 404
    assert program(message=3).status_code == 400
    assert program(conversation_id="nothing").status_code == 404
    assert counted(found) == 0
    for _ in range(2):  # the same form twice
        assert bob.send("/messages", message="a", key="k3").status_code == 303
    ended(found)
    assert counted(found) == 1


def test_the_same_form_twice_is_the_last_answer_once(bob: Visitor, found: Services) -> None:
    allow(found, answers_per_day=1)
    twice = [bob.send("/messages", message="a", key="k1") for _ in range(2)]
    assert [response.status_code for response in twice] == [303, 303]
    assert twice[0].location == twice[1].location
    assert bob.send("/messages", message="another text", key="k1").status_code == 429
    ended(found)
    assert counted(found) == 1


def test_a_prompt_that_a_rule_refuses_is_not_counted(bob: Visitor, alice: Visitor, found: Services) -> None:
    alice.open("/settings/moderation/rules/new")
    rule = {"name": "no", "kind": "words", "text": "xylophage", "scope": "prompts", "action": "refuse", "is_on": "y"}
    assert alice.send("/settings/moderation/rules", **rule).status_code in (200, 303)
    assert bob.send("/messages", message="a xylophage", key="k1").status_code == 422
    assert counted(found) == 0


def test_who_stops_early_has_used_what_was_read_and_written(
    bob: Visitor, found: Services, ollama: ScriptedOllama
) -> None:
    ollama.script(thinking("Hm, hm, hm. "), "One two three four five six seven eight nine ten. ", silence)
    answer = bob.ask("word " * 300)
    reply = found.replies.get(answer)
    assert reply is not None
    while not len(reply.answer):
        assert reply.wait(reply.version, 5)
    bob.send(f"/answers/{answer}/stop")
    ended(found)
    (row,) = rows(found)
    assert row["prompt_tokens"] > 250
    assert 10 <= row["answer_tokens"] <= 25


def test_an_answer_that_is_carried_on_is_counted_once_with_what_its_last_run_took(
    bob: Visitor, found: Services, ollama: ScriptedOllama
) -> None:
    account = found.accounts.store.of_email(BOB)
    assert account
    found.counting.begin(account.id, "member", "alpha:latest")  # by a server that was killed
    _, answer = found.conversations.ask("Hi", model="", owner=account.id)
    assert answer is not None
    found.conversations.checkpoint([(answer.id, 0, "", "so far. " * 1000)])
    ollama.script("and on", silence)
    found.answering.left_behind.suspects.add(answer.id)
    found.answering.left_behind.carry_on()
    while (reply := found.replies.get(answer.id)) is None or reply.position <= 8000:
        pass
    found.answering.stop(answer.id)
    ended(found)
    (row,) = rows(found)
    assert (row["person"], row["answers"]) == (account.id, 1)
    assert row["answer_tokens"] == 2


def test_an_answer_that_fails_takes_no_tokens(bob: Visitor, found: Services, ollama: ScriptedOllama) -> None:
    ollama.script(status(500, {"error": "broken"}))
    bob.asks_and_waits("Hi")
    ended(found)
    assert [(row["answers"], row["prompt_tokens"]) for row in rows(found)] == [(1, 0)]


def test_where_nobody_signs_in_there_is_a_count_and_no_limit(visitor: Visitor, services: Services) -> None:
    services.limits.set_role("admin", RoleRules(Allowance(answers_per_day=1), ("none",)))
    for _ in range(2):
        visitor.open("/")
        visitor.asks_and_waits("Hi")
    ended(services)
    assert [(row["person"], row["answers"], row["answer_tokens"]) for row in rows(services)] == [("", 2, 68)]


def test_an_invented_model_is_counted_under_no_name(bob: Visitor, found: Services) -> None:
    bob.open("/")
    bob.ask("Hi", model="xylophage")
    ended(found)
    assert [row["model"] for row in rows(found)] == [""]


def test_the_picker_has_only_the_models_of_the_role(bob: Visitor, alice: Visitor, found: Services) -> None:
    allow(found, "beta")
    page = bob.open("/")
    assert '<option value="beta:latest">' in page
    assert "alpha" not in page
    assert "alpha" not in bob.client.get("/models/picker").text
    assert "alpha" not in bob.client.get("/models").text
    assert '<option value="alpha:latest">' in alice.open("/")


def test_a_conversation_with_a_model_that_is_not_allowed_any_more_goes_on_with_one_that_is(
    bob: Visitor, found: Services, ollama: ScriptedOllama
) -> None:
    bob.asks_and_waits("one", model="alpha:latest")
    home = bob.url
    allow(found, "beta:latest")
    page = bob.open(home)
    assert "alpha:latest" not in page.partition('<select id="model"')[2].partition("</select>")[0]
    assert '<option value="beta:latest">' in page


def test_no_door_lets_another_model_be_asked(
    bob: Visitor, found: Services, program: Callable[..., Any], ollama: ScriptedOllama
) -> None:
    first = bob.asks_and_waits("one")
    home = bob.url
    allow(found, "beta:latest")
    refused = [
        bob.send("/messages", message="two", key="k2", model="alpha"),
        bob.send(f"{home}/messages", message="two", key="k3", model="ALPHA:latest"),
        bob.send(f"/answers/{first}/again", model="alpha:latest"),
        program(model="alpha:latest"),
        program(model="nothing"),
    ]
    assert [response.status_code for response in refused] == [403] * 5
    assert "You may not use the model “alpha”." in refused[0].text
    assert ">two</textarea>" in refused[0].text
    assert refused[3].json["error"]["code"] == "model_not_allowed"
    assert len(ollama.chats()) == 1
    assert counted(found) == 1


def test_who_has_no_wish_gets_the_first_model_that_is_allowed(
    bob: Visitor, found: Services, program: Callable[..., Any], ollama: ScriptedOllama
) -> None:
    first = bob.asks_and_waits("one")  # of alpha, as the best there is
    allow(found, "beta")
    assert program().status_code == 200
    assert bob.send(f"/answers/{first}/again").status_code == 303
    ended(found)
    assert [chat["model"] for chat in ollama.chats()] == ["alpha:latest", "beta:latest", "beta:latest"]


def test_who_may_ask_nothing_that_is_there_is_told_so(
    bob: Visitor, found: Services, program: Callable[..., Any]
) -> None:
    allow(found, "gamma")
    told = program()
    assert (told.status_code, told.json["error"]["code"]) == (503, "no_model_allowed")
    refused = bob.send("/messages", message="Mine", key="k1")
    assert (refused.status_code, ">Mine</textarea>" in refused.text) == (503, True)


def test_parallel_prompts_do_not_pass_the_limit(
    found: Services, program: Callable[..., Any], ollama: ScriptedOllama
) -> None:
    allow(found, answers_per_day=3)
    opened = threading.Event()
    for _ in range(3):
        ollama.script("a", gate(opened))
    statuses: list[int] = []
    threads = [threading.Thread(target=lambda: statuses.append(program().status_code)) for _ in range(6)]
    for thread in threads:
        thread.start()
    while len(statuses) < 3:
        pass
    opened.set()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200, 200, 200, 429, 429, 429]


V1 = "/v1/chat/completions"


def test_the_door_that_knows_openai_is_held_to_the_same(
    shared: Flask, found: Services, program: Callable[..., Any], ollama: ScriptedOllama
) -> None:
    allow(found, "beta:latest", answers_per_day=2)
    first = program(door=V1, model="beta:latest")
    assert (first.status_code, first.headers["RateLimit-Limit"]) == (200, "20")
    ended(found)
    (row,) = rows(found)
    assert (row["model"], row["answers"], row["prompt_tokens"], row["answer_tokens"]) == ("beta:latest", 1, 12, 34)
    other = program(door=V1, model="alpha:latest")
    assert (other.status_code, other.json["error"]["code"]) == (403, "model_not_allowed")
    assert program(door=V1, model="beta", messages="none").status_code == 400
    assert program(door=V1, model="beta", stream=True).status_code == 200
    told = program(door=V1, model="beta")
    assert (told.status_code, told.json["error"]["code"]) == (429, "quota_reached")
    assert "Retry-After" in told.headers
    ended(found)
    assert counted(found) == 2
    assert [chat["model"] for chat in ollama.chats()] == ["beta:latest", "beta:latest"]


def test_programs_are_offered_the_models_of_their_role(shared: Flask, found: Services) -> None:
    allow(found, "beta")
    account = found.accounts.store.of_email(BOB)
    assert account
    key = found.accounts.keys.make(account.id, "test", [Scope.MODELS], None)
    client, headers = shared.test_client(), {"Authorization": f"Bearer {key}"}
    listed = client.get("/v1/models", headers=headers).json
    assert listed is not None
    assert [each["id"] for each in listed["data"]] == ["beta:latest"]
    assert client.get("/v1/models/beta", headers=headers).status_code == 200
    assert client.get("/v1/models/alpha", headers=headers).status_code == 404


def test_a_form_that_was_taken_once_begins_no_chat_that_is_not_kept_beside_the_limit(
    bob: Visitor, found: Services, ollama: ScriptedOllama
) -> None:
    """Its key is known among the kept prompts only, and would open one temporary chat after the other."""
    allow(found, answers_per_day=1)
    bob.open("/")
    key = bob.field("key")
    assert bob.send("/messages", message="Hi", key=key).status_code == 303
    assert bob.send("/temporary", message="Hi", key=key).status_code == 429
    ended(found)
    assert counted(found) == len(ollama.chats()) == 1


def test_a_form_of_a_chat_that_is_not_kept_is_found_again_where_none_is_left(bob: Visitor, found: Services) -> None:
    allow(found, answers_per_day=1)
    bob.open("/temporary")
    once, again = (bob.send("/temporary", message="Hi", key="the key") for _ in range(2))
    assert once.status_code == again.status_code == 303
    assert once.location == again.location
    assert bob.send("/messages", message="Hi", key="the key").status_code == 429
    ended(found)
    assert counted(found) == 1


def test_examples_name_a_model_that_who_reads_them_may_ask(bob: Visitor, found: Services) -> None:
    allow(found, "beta")
    page = bob.open("/settings/api")
    assert "beta:latest" in page
    assert "alpha" not in page
