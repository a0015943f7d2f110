"""More conversations than the list shows: the older ones, over HTTP."""

from __future__ import annotations

import re
from html import unescape

import pytest
from visitor import Visitor

from insight_app.chat import list_pages
from insight_app.services import Services

MANY = 120

ON_BOTH_DATABASES = True


@pytest.fixture
def many(services: Services) -> list[str]:
    """The ids of many conversations, newest first."""
    made = [services.conversations.ask(f"Talk {number}", model="")[0] for number in range(MANY)]
    return [prompt.conversation_id for prompt in reversed(made)]


def listed(visitor: Visitor) -> list[str]:
    return re.findall(r'<li id="c-([^"]*)"', visitor.page)


def older(visitor: Visitor) -> str | None:
    found = re.findall(r'href="([^"]*)"[^>]*>Older conversations</a>', visitor.page)
    return unescape(found[-1]) if found else None


def test_the_list_goes_on_to_the_oldest_conversation(visitor: Visitor, many: list[str]) -> None:
    visitor.open(f"/c/{many[70]}")
    found = listed(visitor)
    where = {"HX-Request": "true", "HX-Current-URL": f"http://localhost/c/{many[70]}?at=141"}
    while url := older(visitor):
        visitor.page = visitor.client.get(url, headers=where).text
        assert "<html" not in visitor.page
        assert (f'{many[70]}" dir="auto" aria-current="page"' in visitor.page) == (many[70] in listed(visitor))
        found += listed(visitor)
    assert found == many


def test_without_javascript_older_conversations_are_a_page(visitor: Visitor, many: list[str]) -> None:
    visitor.open("/")
    beside = listed(visitor)
    visitor.open(older(visitor) or "")
    assert "<h1>Older conversations</h1>" in visitor.page
    assert listed(visitor) == many[:100]
    assert beside == many[:50]
    visitor.open(older(visitor) or "")
    assert listed(visitor) == [*many[:50], *many[100:]]


def test_conversations_of_one_moment_are_all_listed(visitor: Visitor, many: list[str], services: Services) -> None:
    from sqlalchemy import update

    from insight_app.storage.tables import conversations

    with services.database.writing() as connection:
        connection.execute(update(conversations).values(updated_at=1.5))
    visitor.open("/")
    found = listed(visitor)
    while url := older(visitor):
        visitor.page = visitor.client.get(url, headers={"HX-Request": "true"}).text
        found += listed(visitor)
    assert sorted(found) == sorted(many)


@pytest.mark.parametrize("query", ["", "?before=x&id=1", "?before="])
def test_a_place_in_the_list_that_is_none_is_said_so(visitor: Visitor, query: str) -> None:
    assert visitor.client.get("/conversations" + query).status_code == 404


@pytest.mark.parametrize("before", ["nan", "inf", "-inf", "1e400", "0"])
def test_any_number_is_a_place_in_the_list(visitor: Visitor, before: str) -> None:
    assert visitor.client.get(f"/conversations?before={before}").status_code == 200


def test_a_conversation_is_marked_in_the_list_of_its_own_page_only(visitor: Visitor) -> None:
    visitor.asks_and_waits("First")
    first = visitor.url
    visitor.open("/")
    visitor.asks_and_waits("Second")
    for url in (first, visitor.url, first):
        assert re.findall(r'href="([^"]*)" dir="auto" aria-current', visitor.open(url)) == [url]
    assert "aria-current" not in visitor.open("/")


def test_nothing_of_a_deleted_conversation_stays_drawn(visitor: Visitor) -> None:
    visitor.asks_and_waits("xylophone")
    assert list_pages._line.cache_info().currsize > 0
    visitor.send(visitor.url + "/delete")
    assert list_pages._line.cache_info().currsize == 0
