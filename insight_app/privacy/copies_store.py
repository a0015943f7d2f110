"""Conversations that come from a file, each whole or not at all."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

from sqlalchemy import and_, insert, select, update
from sqlalchemy.exc import IntegrityError

from insight_app.chat.messages import FROM_A_FILE, title_of
from insight_app.privacy.imported import Imported, ImportedMessage
from insight_app.storage.database import Database
from insight_app.storage.tables import attachments, conversations, messages


class CopiesStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, found: Imported, owner: str, instructions: str) -> str | None:
        """Keeps it as one of that person's; returns its id, or None where they have it already.

        That is: under its own id, as one that was exported here, or brought before. One that they have in the bin comes
        back out of it, or it would be told to be here and be gone soon.
        """
        new = found.id_for(owner)
        own = and_(conversations.c.owner == owner, conversations.c.id.in_([new, found.origin]))
        with self._database.reading() as connection:
            had = list(connection.execute(select(conversations.c.id, conversations.c.deleted_at).where(own)))
        if any(each.deleted_at is None for each in had):
            return None
        if had:
            with self._database.writing() as connection:
                connection.execute(update(conversations).where(own).values(deleted_at=None))
            return str(had[0].id)
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
                for each in found.in_turn():
                    ids[each.key] = connection.execute(add, _row(each, ids, new, owner)).scalar_one()
                    if each.files:
                        connection.execute(insert(attachments), _files(each, ids[each.key], owner))
        except IntegrityError:  # the same file was brought twice at once
            return None
        return new

    def one(self, conversation_id: str) -> Iterator[dict[str, Any]]:
        """A conversation's row with every column."""
        mine = select(conversations).where(conversations.c.id == conversation_id)
        return self._database.rows(mine, (conversations.c.id,))


def _files(message: ImportedMessage, id: int, owner: str) -> list[dict[str, Any]]:
    return [
        {
            "id": secrets.token_urlsafe(12),
            "owner": owner,
            "message_id": id,
            "place": place,
            "name": each.name,
            "kind": each.kind,
            "media_type": each.media_type,
            "size": each.size,
            "text": each.text,
            "body": each.body or None,
            "created_at": message.created_at if each.created_at is None else each.created_at,
        }
        for place, each in enumerate(message.files)
    ]


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
        "run": FROM_A_FILE,
        "memory_from": ids.get(memory_from) if memory_from is not None else None,
        **extra,
    }
