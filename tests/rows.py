"""Rows of every table, odd ones among them, and all of what a database holds, to be compared."""

from __future__ import annotations

from typing import Any

from sqlalchemy import insert, select

from insight_app.storage.database import Database
from insight_app.storage.tables import metadata

ODD = ("", "two\nlines\r\n", "\u2028\u2029\x01\x7f\ufeff", "ö 漢字 🌙 עברית", "'\"\\%;--", "a" * 5_000)


def fill(database: Database, messages: int = 30) -> None:
    """A conversation with that many messages, and some rows of everything else."""
    words = [ODD[number % len(ODD)] for number in range(messages)]
    common = {"created_at": 1764345600.123456, "role": "member"}
    rows: dict[str, list[dict[str, Any]]] = {
        "conversations": [
            {
                "id": "c-1",
                "title": ODD[3],
                "created_at": 0.1,
                "updated_at": 1e-7,
                "is_pinned": True,
                "owner": "ann",
                "is_archived": True,
            },
            {
                "id": "c-2",
                "title": ODD[1],
                "titled_by": "model",
                "options": ODD[3],
                "created_at": 1e17,
                "updated_at": 2.0,
                "instructions": ODD[4],
            },
        ],
        "messages": [
            {
                "conversation_id": "c-1",
                "parent_id": number or None,
                "role": "user",
                "state": "done",
                "text": text,
                "thinking": text[:50],
                "created_at": number / 3,
                "rating": -1 if number == 3 else None,
                "answer_tokens": 2**40 if number == 1 else None,
                "form_key": f"key {number}",
                "loading_seconds": 0.1 if number % 2 else None,
            }
            for number, text in enumerate(words)
        ],
        "accounts": [
            {"id": name, "email": f"{name}@example.org", "is_disabled": name == "bob", "subject": None, **common}
            for name in ("ann", "bob")
        ],
        "account_sessions": [{"digest": "d", "account_id": "ann", "created_at": 1.0, "seen_at": 2.0, "agent": "ö"}],
        "account_links": [
            {"digest": "l", "kind": "invitation", "account_id": None, "expires_at": 3.0, **common},
            {"digest": "m", "kind": "password", "account_id": "bob", "expires_at": 3.0, **common},
        ],
        "api_keys": [
            {"id": "k", "digest": "x", "account_id": "ann", "label": "l", "scopes": "chat", "created_at": 0.5}
        ],
        "roles": [{"role": "member", "models": '["ö"]', "answers_per_day": 0}],
        "usage": [{"person": "", "hour": 490_000, "model": "m", "answers": 3, "busy_seconds": 0.30000000000000004}],
        "preferences": [{"person": "ann", "keep_days": 7}, {"person": "", "diagnostics_until": 1.5}],
        "moderation_entries": [{"id": "rule", "place": 1, "body": '{"a": 1}'}],
        "moderation_changes": [
            {"at": 1.0, "who": "ann", "before": "{}", "after": '{"rule": [1, {"a": 1}]}'} for _ in range(2)
        ],
        "attachments": [
            {
                "id": "a-1",
                "message_id": None,
                "owner": "ann",
                "name": ODD[3],
                "kind": "image",
                "media_type": "image/png",
                "size": 4,
                "body": b"\x00\xff\n\x80",
                "created_at": 0.25,
            },
            {
                "id": "a-2",
                "message_id": 2,
                "name": ODD[1],
                "kind": "text",
                "media_type": "text/plain",
                "size": 2**33,
                "text": ODD[4],
                "place": 1,
                "created_at": 0.25,
            },
        ],
        "presets": [
            {"id": "p", "owner": "ann", "name": ODD[2], "instructions": ODD[4], "options": "{}", "created_at": 0.1}
        ],
        "saved_prompts": [{"id": "s", "owner": "", "name": ODD[3], "text": ODD[1], "created_at": 0.2}],
        "pulls": [
            {"name": "m", "state": "pulling", "total": 2**40, "completed": 7, "started_at": 0.3, "updated_at": 0.4}
        ],
        "moderation_counts": [{"entry_id": "rule", "hour": 490_000, "times": 5}],
    }
    assert set(rows) == set(metadata.tables), "a table is new: rows of it belong here"
    with database.writing() as connection:
        for table in metadata.sorted_tables:
            for row in rows[table.name]:
                connection.execute(insert(table).values(row))


def everything(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table."""
    with database.reading() as connection:
        return {
            table.name: [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key.columns))]
            for table in metadata.sorted_tables
        }
