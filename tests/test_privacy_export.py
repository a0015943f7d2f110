"""What somebody takes along is everything there is, readable as JSON, and costs no memory however much it is."""

from __future__ import annotations

import json
import re
import time
import tracemalloc
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from people import ALICE, BOB
from scripted_ollama import ScriptedOllama, thinking
from sqlalchemy import insert
from test_chat_attachment_routes import asked, file
from visitor import Visitor

from insight_app.accounts.tokens import Scope, digest
from insight_app.chat.options import NOTHING
from insight_app.privacy import export
from insight_app.services import Services
from insight_app.storage.tables import (
    account_sessions,
    accounts,
    api_keys,
    attachments,
    conversations,
    messages,
    metadata,
    preferences,
    presets,
    saved_prompts,
    usage,
)

DOCUMENTED = Path(__file__).parent.parent / "docs" / "privacy.md"
# What is set for everybody; nobody's words are in it.
NOBODYS = {"moderation_entries", "moderation_changes", "moderation_counts"}
NOBODYS |= {"account_links", "roles", "pulls"}
# What would let somebody in, or nearly, is in no file that one takes along.
SECRET = {"password", "digest"}
TABLES = (accounts, account_sessions, api_keys, conversations, messages, attachments, preferences, presets)
TABLES += (saved_prompts, usage)

ON_BOTH_DATABASES = True


def downloaded(visitor: Visitor) -> dict[str, Any]:
    response = visitor.client.get("/settings/privacy/download")
    assert response.headers["Content-Disposition"].startswith('attachment; filename="insightsphere-')
    assert response.headers["Cache-Control"] == "no-store"
    found: dict[str, Any] = json.loads(response.text)
    return found


@pytest.fixture
def told(visitor: Visitor, ollama: ScriptedOllama, services: Services) -> Visitor:
    """Somebody with two tries of an answer, a pin, a choice, and a record."""
    services.personal.choose(keep_days=7, diagnostics_until=time.time() + 60)
    services.diagnostics.of("").look()
    ollama.script(thinking("Hm."), "The *first* answer.")
    answer = visitor.asks_and_waits("Who is “Ödipus”?\nالسلام")
    ollama.script("The second answer.")
    visitor.send(f"/answers/{answer}/again")
    visitor.watch(answer + 1)
    visitor.send(visitor.url + "/pin", pinned="1")
    return visitor


def test_every_column_of_every_table_is_in_it(bob: Visitor, shared: Flask) -> None:
    services: Services = shared.extensions["insight"]
    account = services.accounts.store.of_email(BOB)
    assert account
    key = services.accounts.keys.make(account.id, "a program", [Scope.CHAT], None)
    services.personal.choose(account.id, keep_days=7)
    asked(bob, file("mine.txt", "Mine"), message="Mine")
    services.presets.add(account.id, "Pirate", "Arr.", NOTHING)
    services.saved_prompts.add(account.id, "Hello", "Hello {{name}}")
    document = downloaded(bob)
    (conversation,) = document["conversations"]
    found = {"preferences": document["preferences"], "conversations": conversation, "usage": document["usage"][0]}
    found |= {"presets": document["presets"][0], "saved_prompts": document["saved_prompts"][0]}
    found |= {"messages": conversation["messages"][0], "accounts": document["account"]}
    found |= {"attachments": conversation["messages"][0]["attachments"][0]}
    found |= {"account_sessions": document["account"]["sessions"][0], "api_keys": document["account"]["keys"][0]}
    assert {table.name for table in metadata.sorted_tables} - NOBODYS == set(found)
    for table in TABLES:
        assert {column.name for column in table.columns} - SECRET <= set(found[table.name]), table.name
        assert not SECRET & set(found[table.name]), table.name
    text = json.dumps(document)
    assert (document["account"]["email"], ALICE in text, digest(key) in text, account.password in text) == (
        BOB,
        False,
        False,
        False,
    )
    assert document["account"]["sessions"][0]["seen_at_iso"].startswith("20")


def test_every_column_is_described(told: Visitor) -> None:
    text = DOCUMENTED.read_text(encoding="utf-8").partition("## Take it along")[2]
    described = set(re.findall("`([a-z_]+)`", text))
    for table in TABLES:
        assert {column.name for column in table.columns} - SECRET <= described, table.name
    assert f'"format": "{export.FORMAT}", "version": {export.VERSION}' in text


def test_it_is_what_was_written(told: Visitor, services: Services) -> None:
    document = downloaded(told)
    (conversation,) = document["conversations"]
    prompt, first, second = conversation["messages"]
    assert prompt["text"] == "Who is “Ödipus”?\nالسلام"
    assert (first["text"], first["thinking"], second["text"]) == ("The *first* answer.", "Hm.", "The second answer.")
    assert first["parent_id"] == second["parent_id"] == prompt["id"]
    assert conversation["is_pinned"] is True
    assert document["preferences"]["keep_days"] == 7
    assert datetime.fromisoformat(first["created_at_iso"]).timestamp() == pytest.approx(first["created_at"], abs=1e-3)
    assert [entry["answer"] for entry in document["diagnostics"]] == [first["text"], second["text"]]


def test_it_is_whole_where_there_is_nothing(visitor: Visitor) -> None:
    document = downloaded(visitor)
    assert (document["account"], document["preferences"]) == (None, None)
    assert (document["usage"], document["conversations"], document["diagnostics"]) == ([], [], [])


values = st.none() | st.text() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
rows = st.dictionaries(st.sampled_from(["id", "text", "created_at", "diagnostics_until"]), values, min_size=1)


@given(st.lists(st.tuples(rows, st.lists(rows, max_size=3)), max_size=3), st.none() | rows, st.lists(rows, max_size=3))
def test_whatever_the_rows_hold_it_is_json(
    conversations: list[tuple[dict[str, Any], list[dict[str, Any]]]],
    chosen: dict[str, Any] | None,
    diagnostics: list[dict[str, Any]],
) -> None:
    document = json.loads("".join(export.document(0.0, chosen, conversations, diagnostics)))
    assert [export.with_dates(row) for row, _ in conversations] == [
        {name: value for name, value in each.items() if name != "messages"} for each in document["conversations"]
    ]
    assert len(document["diagnostics"]) == len(diagnostics)


def test_three_thousand_messages_take_no_memory(visitor: Visitor, services: Services) -> None:
    with services.database.writing() as connection:
        connection.execute(insert(conversations).values(id="long", title="t", created_at=0.0, updated_at=0.0))
        common = {"conversation_id": "long", "role": "user", "state": "done", "created_at": 0.0, "text": "word " * 200}
        connection.execute(insert(messages), [{**common, "id": n} for n in range(1, 3_001)])

    def pieces() -> Iterator[str]:
        personal = services.personal
        found = ((each, personal.all_messages(each["id"])) for each in personal.all_conversations())
        return export.document(0.0, None, found, ())

    first = next(pieces())  # before anything is read
    tracemalloc.start()
    size = sum(len(piece) for piece in pieces())
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(first) < 200
    assert size > 3_000_000
    assert most < 1_500_000
    assert len(downloaded(visitor)["conversations"][0]["messages"]) == 3_000
