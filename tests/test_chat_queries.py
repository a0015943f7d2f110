"""What a page and a prompt ask of the database: so many times, and for so many rows, however much there is."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import event, insert
from sqlalchemy.engine import Engine
from test_storage_database import New
from visitor import Visitor

from insight_app.chat.search_store import SearchStore
from insight_app.chat.searching import parse
from insight_app.services import Services
from insight_app.storage.tables import conversations, messages

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


@contextmanager
def asked() -> Iterator[list[tuple[str, Any]]]:
    """All that is sent meanwhile, each with its parameters."""
    sent = list[tuple[str, Any]]()
    event.listen(Engine, "before_cursor_execute", note := lambda *about: sent.append(about[2:4]))
    try:
        yield sent
    finally:
        event.remove(Engine, "before_cursor_execute", note)


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


def test_a_word_that_all_messages_have_is_found_without_looking_at_them_again_and_again(new_database: New) -> None:
    """Postgres knows nothing of tables that were filled just now, and took what many have for what few have."""
    database, many = new_database("postgres"), 2000
    row = {"role": "user", "state": "done", "created_at": 1.0, "text": "A xylophage eats wood", "conversation_id": "c"}
    with database.writing() as connection:
        connection.execute(insert(conversations).values(id="c", title="", created_at=1.0, updated_at=1.0))
        connection.execute(insert(messages), [row] * many)
    with asked() as sent:
        assert SearchStore(database).messages(parse("wood")).has_more
    statement, given = sent[0]
    with database.reading() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", given).scalar_one()
    assert max(_looked_at(plan[0]["Plan"])) <= 2 * many


def _looked_at(step: dict[str, Any]) -> Iterator[float]:
    """How many rows each step of a plan had, whether it let them through or not."""
    through = step["Actual Rows"] + step.get("Rows Removed by Filter", 0) + step.get("Rows Removed by Join Filter", 0)
    yield through * step["Actual Loops"]
    for each in step.get("Plans", ()):
        yield from _looked_at(each)


def test_what_has_a_word_is_found_by_it_alone_with_sqlite(new_database: New) -> None:
    """Where a file's number in the index was put together, each hit looked through all of a person's messages."""
    database = new_database("sqlite")
    with asked() as sent:
        SearchStore(database).messages(parse("wood"))
    for index, (statement, given) in zip(("message_words", "file_words"), sent, strict=True):
        with database.reading() as connection:
            steps = [row[-1] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", given)]
        assert steps[0].startswith(f"SCAN {index} VIRTUAL TABLE")
        assert all("(rowid=?)" in step or "(id=?)" in step or "(message_id=?)" in step for step in steps[1:]), steps


def test_lists_are_read_by_an_index_and_not_sorted(services: Services, many: int) -> None:
    with counted() as sent:
        services.conversations.newest_conversations()
    with services.database.reading() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sent[0]}", ("", 0, 51, 0)).all()
    said = " ".join(str(row[-1]) for row in plan)
    assert "USING INDEX" in said
    assert "TEMP B-TREE" not in said
