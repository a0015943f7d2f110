"""Conversations that come from a file, each whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from insight_app.chat.messages import title_of
from insight_app.privacy.imported import Imported, ImportedMessage
from insight_app.storage.database import Database
from insight_app.storage.tables import attachments, conversations, messages


class CopiesStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, found: Imported, owner: str, instructions: str) -> str | None:
        """Keeps it as one of that person's; returns its id, or None where they have it already.

        That is: under its own id, as one that was exported here, or brought before.
        """
        new = found.id_for(owner)
        own = select(conversations.c.id).where(
            conversations.c.owner == owner, conversations.c.id.in_([new, found.origin])
        )
        with self._database.reading() as connection:
            if connection.execute(own).first() is not None:
                return None
        row = {
            "id": new,
            "owner": owner,
            "title": found.title or title_of(found.messages[0].text) or found.source,
            "created_at": found.created_at,
            "updated_at": found.updated_at,
            "is_pinned": found.is_pinned,
            "is_archived": found.is_archived,
            "instructions": instructions,
            "options": found.options,
            "titled_by": found.titled_by,
        }
        try:
            with self._database.writing() as connection:
                connection.execute(insert(conversations), row)
                ids: dict[str, int] = {}
                add = insert(messages).returning(messages.c.id)
                for each in found.messages:
                    ids[each.key] = connection.execute(add, _row(each, ids, new, owner)).scalar_one()
        except IntegrityError:  # the same file was brought twice at once
            return None
        return new

    def attached(self, conversation_id: str) -> dict[int, list[dict[str, Any]]]:
        """What was sent with its messages, by message: its name, kind, media_type and size."""
        columns = (attachments.c.name, attachments.c.kind, attachments.c.media_type, attachments.c.size)
        mine = (
            select(attachments.c.message_id, *columns)
            .join(messages, messages.c.id == attachments.c.message_id)
            .where(messages.c.conversation_id == conversation_id)
            .order_by(attachments.c.message_id, attachments.c.place)
        )
        found: dict[int, list[dict[str, Any]]] = {}
        with self._database.reading() as connection:
            for row in connection.execute(mine):
                values = dict(row._mapping)
                found.setdefault(values.pop("message_id"), []).append(values)
        return found

    def one(self, conversation_id: str) -> Iterator[dict[str, Any]]:
        """A conversation's row with every column."""
        mine = select(conversations).where(conversations.c.id == conversation_id)
        return self._database.rows(mine, (conversations.c.id,))


def _row(message: ImportedMessage, ids: dict[str, int], home: str, owner: str) -> dict[str, Any]:
    extra = dict(message.extra)
    memory_from = extra.pop("memory_from", None)
    return {
        "conversation_id": home,
        "owner": owner,
        "parent_id": None if message.parent is None else ids[message.parent],
        "role": message.role,
        "state": message.state,
        "text": message.text,
        "thinking": message.thinking,
        "model": message.model,
        "created_at": message.created_at,
        "finished_at": message.finished_at,
        "rating": message.rating,
        "memory_from": ids.get(memory_from) if memory_from is not None else None,
        **extra,
    }
