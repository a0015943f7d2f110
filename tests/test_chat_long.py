"""A conversation longer than a page, over HTTP: its parts, the way from one to the next, and branches across them."""

from __future__ import annotations

import re
from html import unescape

import pytest
from scripted_ollama import ScriptedOllama
from sqlalchemy import update
from test_chat_queries import counted
from visitor import Visitor

from insight_app.chat.messages import Outcome, State
from insight_app.services import Services
from insight_app.storage.tables import messages

PAIRS = 40
WHOLE = list(range(1, 2 * PAIRS + 1))


@pytest.fixture
def long(visitor: Visitor, services: Services) -> str:
    """The path of a long conversation, whose page is open."""
    store, conversation_id, parent_id = services.conversations, None, None
    for number in range(1, PAIRS + 1):
        prompt, answer = store.ask(f"Q{number}.", model="", conversation_id=conversation_id, parent_id=parent_id)
        assert answer is not None
        store.finish(answer.id, Outcome(State.DONE, f"A{number}."))
        conversation_id, parent_id = prompt.conversation_id, answer.id
    url = f"/c/{conversation_id}"
    visitor.open(url)
    return url


def shown(visitor: Visitor) -> list[int]:
    """The ids of the messages on the page."""
    return [int(found) for found in re.findall(r'<article id="a(\d+)"', visitor.page)]


def link(visitor: Visitor, name: str) -> str | None:
    found = re.search(rf'href="([^"]*)"[^>]*>{name}</a>', visitor.page)
    return unescape(found[1]) if found else None


def test_the_parts_lead_to_the_beginning_and_back(visitor: Visitor, long: str) -> None:
    assert shown(visitor) == WHOLE[-30:]
    assert link(visitor, "Later messages") is None
    found = shown(visitor)
    while url := link(visitor, "Earlier messages"):
        visitor.open(url)
        found[:0] = shown(visitor)
    assert found == WHOLE
    pages = []
    while url := link(visitor, "Later messages"):
        visitor.open(url)
        pages.append(url)
    assert pages[-1] == long


def test_a_page_that_is_open_gets_the_part_alone(visitor: Visitor, long: str) -> None:
    url = link(visitor, "Earlier messages")
    assert url
    visitor.page = visitor.client.get(url, headers={"HX-Request": "true"}).text
    assert shown(visitor) == WHOLE[-60:-30]
    assert link(visitor, "Earlier messages") == f"{long}?before={WHOLE[-60]}"
    assert "<html" not in visitor.page
    assert 'id="composer"' not in visitor.page


def test_a_prompt_sent_from_an_earlier_part_comes_at_the_end(
    visitor: Visitor, long: str, ollama: ScriptedOllama
) -> None:
    visitor.open(f"{long}?before=41")
    assert visitor.field("parent") == str(WHOLE[-1])
    assert f'hx-post="{long}/messages"' not in visitor.page  # its answer has no place in this page
    visitor.url = long
    visitor.watch(visitor.ask("Go on", parent=visitor.field("parent")))
    assert len(ollama.talks()[-1]) == 2 * PAIRS + 1


def test_another_try_far_up_is_on_its_page_with_its_prompt(visitor: Visitor, long: str, services: Services) -> None:
    store = services.conversations
    other = store.add_answer(store.message(11), "")
    store.finish(other.id, Outcome(State.DONE, "Another sixth answer."))
    visitor.open(f"{long}?at=12")
    assert shown(visitor) == WHOLE[10:]
    assert "1 of 2" in visitor.page
    assert f"{long}?at={other.id}" in visitor.page
    assert link(visitor, "Earlier messages") == f"{long}?at=12&before=11"
    visitor.open(f"{long}?at={other.id}")
    assert shown(visitor) == [*WHOLE[:11], other.id]
    assert "2 of 2" in visitor.page


def test_parts_go_on_along_the_branch_they_belong_to(visitor: Visitor, long: str, services: Services) -> None:
    store = services.conversations
    other = store.add_answer(store.message(79), "")
    store.finish(other.id, Outcome(State.DONE, "Another last answer."))
    visitor.open(f"{long}?at=80")
    assert shown(visitor)[-1] == 80
    visitor.open(link(visitor, "Earlier messages") or "")
    visitor.open(link(visitor, "Later messages") or "")
    assert shown(visitor)[-1] == 80
    visitor.open(long)
    assert shown(visitor)[-2:] == [79, other.id]
    # Somebody begins another branch elsewhere: what came before a message stays what it was.
    earlier = link(visitor, "Earlier messages") or ""
    store.ask("Aside", model="", conversation_id=long.removeprefix("/c/"), parent_id=2)
    visitor.open(earlier)
    assert shown(visitor) == WHOLE[-60:-30]


def test_a_place_that_is_not_there_is_said_so_and_nonsense_is_the_end(visitor: Visitor, long: str) -> None:
    for query in ("before=999", "before=0", "at=999&before=41", "at=999"):
        assert visitor.client.get(f"{long}?{query}").status_code == 404, query
    for query in ("before=", "before=-1", "before=x", "before=1e3", f"before={10**30}"):
        visitor.open(f"{long}?{query}")
        assert shown(visitor) == WHOLE[-30:], query
    visitor.open(f"{long}?before=1")
    assert shown(visitor) == []
    assert link(visitor, "Earlier messages") is None
    assert link(visitor, "Later messages") == f"{long}?before=31"


def test_the_page_asks_the_database_as_often_as_for_a_short_one(visitor: Visitor, long: str) -> None:
    with counted() as asked:
        visitor.open(long)
    # The conversation, its tree, the messages, the list; and what the model sees, since no answer here says it.
    assert len(asked) == 5, asked


def test_the_line_where_the_memory_begins_comes_with_the_part_that_it_is_in(
    visitor: Visitor, long: str, services: Services
) -> None:
    read = {"model": "small", "messages_before": 79, "messages_read": 40, "memory_from": 41}
    with services.database.writing() as connection:
        connection.execute(update(messages).where(messages.c.id == 80).values(read))
    assert "remembers from here on" not in visitor.open(long)
    url = link(visitor, "Earlier messages") or ""
    page = visitor.client.get(url, headers={"HX-Request": "true"}).text
    assert page.index('id="a40"') < page.index("small remembers from here on") < page.index('id="a41"')
