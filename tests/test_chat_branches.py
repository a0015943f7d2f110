"""The tree of a conversation: other tries, other versions, continued answers, deleted pairs; nothing overwritten."""

from __future__ import annotations

import re

import pytest
from scripted_ollama import ScriptedOllama, closed, done, silence
from visitor import Visitor

from insight_app.chat.messages import Message
from insight_app.errors import NotThere
from insight_app.services import Services

ON_BOTH_DATABASES = True


def turns_of(ollama: ScriptedOllama) -> list[tuple[str, str]]:
    return [(turn["role"], turn["content"]) for turn in ollama.talks()[-1]]


def test_every_try_can_be_read_again(visitor: Visitor, ollama: ScriptedOllama) -> None:
    ollama.script("worse")
    first = visitor.asks_and_waits("Think!")
    ollama.script("better")
    visitor.open(visitor.send(f"/answers/{first}/again").location)
    visitor.watch(first + 1)
    assert "2 of 2" in visitor.open(visitor.url)
    assert "better" in visitor.page
    back = re.search(r'href="([^"]*)" aria-label="Previous"', visitor.page)
    assert back
    assert "worse" in visitor.open(back[1])
    assert "1 of 2" in visitor.page
    assert "better" not in visitor.page


def test_a_prompt_after_an_older_try_goes_on_from_there(visitor: Visitor, ollama: ScriptedOllama) -> None:
    ollama.script("worse")
    first = visitor.asks_and_waits("Think!")
    url = visitor.url
    ollama.script("better")
    visitor.send(f"/answers/{first}/again")
    visitor.watch(first + 1)
    visitor.open(f"{url}?at={first}")
    third = ollama.script("so be it")
    visitor.send(url + "/messages", message="Go on", key="k", parent=visitor.field("parent"))
    assert third.asked.wait(5)
    assert turns_of(ollama) == [("user", "Think!"), ("assistant", "worse"), ("user", "Go on")]


def test_an_edited_prompt_is_another_version_beside_the_first(visitor: Visitor, ollama: ScriptedOllama) -> None:
    ollama.script("to the first")
    answer = visitor.asks_and_waits("First version")
    url = visitor.url
    visitor.open(f"/prompts/{answer - 1}/edit")
    assert "First version</textarea>" in visitor.page
    ollama.script("to the second")
    response = visitor.send(
        url + "/messages", message="Second version", key=visitor.field("key"), parent=visitor.field("parent")
    )
    visitor.watch(answer + 2)
    visitor.open(response.location)
    assert turns_of(ollama) == [("user", "Second version")]
    assert "to the second" in visitor.page
    assert "2 of 2" in visitor.page
    assert "to the first" in visitor.open(f"{url}?at={answer}")


def test_an_answer_at_its_longest_says_so_and_can_be_continued(visitor: Visitor, ollama: ScriptedOllama) -> None:
    ollama.script("One, two,", done(done_reason="length"))
    first = visitor.asks_and_waits("Count")
    assert "longest length that is set" in visitor.page
    ollama.script(" three.")
    visitor.open(visitor.send(f"/answers/{first}/continue").location)
    visitor.watch(first + 1)
    assert "One, two, three." in visitor.open(visitor.url)
    assert turns_of(ollama) == [("user", "Count"), ("assistant", "One, two,")]
    assert "2 of 2" in visitor.page


def test_an_interrupted_answer_can_be_continued(visitor: Visitor, ollama: ScriptedOllama) -> None:
    ollama.script("So far", closed)
    first = visitor.asks_and_waits("Hi")
    assert f'action="/answers/{first}/continue"' in visitor.page
    ollama.script(" so good")
    visitor.send(f"/answers/{first}/continue")
    visitor.watch(first + 1)
    assert "So far so good" in visitor.open(visitor.url)


def test_a_deleted_pair_leaves_what_came_before_and_after(visitor: Visitor, ollama: ScriptedOllama) -> None:
    for text in ("one", "two", "three"):
        ollama.script(f"answer {text}")
        last = visitor.asks_and_waits(text)
    second_prompt = last - 3
    assert visitor.send(f"/prompts/{second_prompt}/delete").status_code == 303
    visitor.open(visitor.url)
    assert "answer two" not in visitor.page
    ollama.script("answer four")
    visitor.asks_and_waits("four")
    assert [text for _, text in turns_of(ollama)] == ["one", "answer one", "three", "answer three", "four"]


def test_a_pair_is_not_deleted_while_it_is_being_written(visitor: Visitor, ollama: ScriptedOllama) -> None:
    script = ollama.script(silence)
    answer = visitor.ask("Hi")
    assert script.asked.wait(5)
    assert visitor.send(f"/prompts/{answer - 1}/delete").status_code == 409
    visitor.send(f"/answers/{answer}/stop")
    visitor.watch(answer)


def test_of_two_who_send_at_the_same_moment_one_is_told_to_wait(
    visitor: Visitor, ollama: ScriptedOllama, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = visitor.asks_and_waits("Hi")
    store, history, script = services.conversations, services.conversations.history, ollama.script(silence)

    def meanwhile(conversation_id: str, last: int | None = None) -> list[Message]:
        """Everything that the request looks at before it writes is seen as it was."""
        found = history(conversation_id, last)
        monkeypatch.undo()
        services.answering.start(store.add_answer(found[0], ""), found[:1])
        return found

    for path, fields in (
        (visitor.url + "/messages", {"message": "Me too", "key": "k", "parent": str(first)}),
        (f"/answers/{first}/again", {}),
    ):
        monkeypatch.setattr(store, "history", meanwhile)
        assert visitor.send(path, **fields).status_code == 409
        assert script.asked.wait(5)
        (live,) = services.replies.here()
        visitor.send(f"/answers/{live.id}/stop")
        visitor.watch(live.id)
        script = ollama.script(silence)


def test_what_is_answered_just_while_it_is_deleted_is_not_there(visitor: Visitor, services: Services) -> None:
    answer = visitor.asks_and_waits("Hi")
    prompt = services.conversations.message(answer - 1)
    services.conversations.delete_pair(prompt)
    with pytest.raises(NotThere):
        services.conversations.add_answer(prompt, "")
    with pytest.raises(NotThere):
        services.conversations.ask("x", model="", conversation_id=prompt.conversation_id, parent_id=answer)


def test_the_same_form_sent_twice_while_its_answer_is_written_is_no_error(
    visitor: Visitor, ollama: ScriptedOllama
) -> None:
    visitor.asks_and_waits("Hi")
    script = ollama.script(silence)
    fields = {"message": "Once", "key": visitor.field("key"), "parent": visitor.field("parent")}
    assert visitor.send(visitor.url + "/messages", htmx=True, **fields).status_code == 200
    assert script.asked.wait(5)
    assert visitor.send(visitor.url + "/messages", htmx=True, **fields).status_code == 303
    visitor.open(visitor.url)
    assert visitor.page.count('data-role="user"') == 2


def test_places_that_are_not_there_are_said_so(visitor: Visitor, services: Services) -> None:
    answer = visitor.asks_and_waits("Hi")
    for url in (f"{visitor.url}?at=999", f"/prompts/{answer}/edit", "/prompts/999"):
        assert visitor.client.get(url).status_code == 404, url
    for url in (f"/answers/{answer - 1}/again", f"/answers/{answer - 1}/continue", f"/prompts/{answer}/delete"):
        assert visitor.send(url).status_code == 404, url
    assert visitor.send(visitor.url + "/messages", message="x", key="k", parent="999").status_code == 404
