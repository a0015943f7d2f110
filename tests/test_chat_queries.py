"""What a page and a prompt ask of the database: so many times, and for so many rows, however much there is."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from flask.testing import FlaskClient
from sqlalchemy import event, insert
from sqlalchemy.engine import Engine
from visitor import Visitor

from insight_app.services import Services
from insight_app.storage.tables import conversations

HOW_MANY = 10_000
# Of a page; what reads every title is the search for titles.
MOST_STATEMENTS = {"/": 3, "": 4, "/archived": 2, "/search": 1}


@contextmanager
def counted() -> Iterator[list[str]]:
    """The statements that this thread sends meanwhile, but for the beginnings and ends of transactions."""
    sent: list[str] = []
    here = threading.get_ident()

    def send(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        if threading.get_ident() == here and statement.startswith(("SELECT", "WITH", "INSERT", "UPDATE", "DELETE")):
            sent.append(statement)

    event.listen(Engine, "before_cursor_execute", send)
    try:
        yield sent
    finally:
        event.remove(Engine, "before_cursor_execute", send)


@pytest.fixture
def many(services: Services) -> int:
    """Ten thousand conversations, each a minute older than the one before it."""
    now = time.time()
    rows = [
        {
            "id": f"c{number:05}",
            "title": f"Title {number}",
            "created_at": now - 60 * number,
            "updated_at": now - 60 * number,
        }
        for number in range(1, HOW_MANY + 1)
    ]
    with services.database.writing() as connection:
        connection.execute(insert(conversations), rows)
    return HOW_MANY


def test_a_page_asks_as_little_with_ten_thousand_conversations_as_with_one(
    client: FlaskClient, visitor: Visitor, services: Services, many: int
) -> None:
    visitor.asks_and_waits("Hello")
    for path, most in MOST_STATEMENTS.items():
        client.get(path or visitor.url).close()  # what is asked but once
        with counted() as sent:
            page = client.get(path or visitor.url).text
        assert len(sent) <= most, (path, sent)
        assert page.count('class="title"') <= 50
        assert all("LIMIT" in each for each in sent if each.startswith("SELECT conversations.id") and "ORDER" in each)


def test_lists_are_read_by_an_index_and_not_sorted(services: Services, many: int) -> None:
    with counted() as sent:
        services.conversations.newest_conversations()
    with services.database.reading() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sent[0]}", ("", 0, 51, 0)).all()
    said = " ".join(str(row[-1]) for row in plan)
    assert "USING INDEX" in said
    assert "TEMP B-TREE" not in said
