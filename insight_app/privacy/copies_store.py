"""Conversations that come from a file, each whole or not at all."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, and_, insert, select, update
from sqlalchemy.exc import IntegrityError

from insight_app.chat.conversation_store import remove
from insight_app.chat.messages import COMING, FROM_A_FILE, title_of
from insight_app.privacy.imported import Imported, ImportedMessage
from insight_app.storage.database import Database
from insight_app.storage.product import LOOK_AGAIN_SECONDS
from insight_app.storage.tables import attachments, conversations, messages

# So many messages, or characters of them, go in one transaction, which keeps others from writing.
AT_ONCE, LONGEST_AT_ONCE = 500, 2_000_000
# In which other processes find the database free; they look every LOOK_AGAIN_SECONDS.
PAUSE_SECONDS = 1.5 * LOOK_AGAIN_SECONDS
_ADD = insert(messages).returning(messages.c.id)


class CopiesStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, found: Imported, owner: str, instructions: str) -> str | None:
        """Keeps it as one of that person's; returns its id, or None where they have it already.

        A long one is kept in parts, and seen by nobody before it is whole.

        That is: under its own id, as one that was exported here, or brought before. One that they have in the bin comes
        back out of it, or it would be told to be here and be gone soon.
        """
        new = found.id_for(owner)
        own = and_(conversations.c.owner == owner, conversations.c.id.in_([new, found.origin]))
        half = and_(own, conversations.c.titled_by.startswith(COMING))  # of a server that ended meanwhile
        known = select(conversations.c.id, conversations.c.deleted_at, conversations.c.titled_by).where(own)
        with self._database.reading() as connection:
            every = connection.execute(known).all()
        had = [each for each in every if not each.titled_by.startswith(COMING)]
        if any(each.deleted_at is None for each in had):
            return None
        if had:
            with self._database.writing() as connection:
                connection.execute(update(conversations).where(own, ~half).values(deleted_at=None))
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
        first, *others = _parts(found.in_turn())
        hidden = {"deleted_at": time.time(), "titled_by": f"{COMING} {secrets.token_hex(4)}"} if others else {}
        still = and_(conversations.c.id == new, conversations.c.titled_by == (row | hidden)["titled_by"])
        ids: dict[str, int] = {}
        try:
            with self._database.writing() as connection:
                if every:
                    remove(connection, half)
                connection.execute(insert(conversations), row | hidden)
                _add(connection, first, ids, new, owner)
            for number, part in enumerate(others, 1):
                time.sleep(PAUSE_SECONDS)
                state = hidden if number < len(others) else {"deleted_at": None, "titled_by": found.titled_by}
                with self._database.writing() as connection:
                    if not connection.execute(update(conversations).where(still).values(state)).rowcount:
                        return None  # all was deleted meanwhile
                    _add(connection, part, ids, new, owner)
        except IntegrityError:  # the same file was brought twice at once
            return None
        return new

    def one(self, conversation_id: str) -> Iterator[dict[str, Any]]:
        """A conversation's row with every column."""
        mine = select(conversations).where(conversations.c.id == conversation_id)
        return self._database.rows(mine, (conversations.c.id,))


def _parts(every: Sequence[ImportedMessage]) -> list[list[ImportedMessage]]:
    parts: list[list[ImportedMessage]] = [[]]
    length = 0
    for each in every:
        more = len(each.text) + len(each.thinking) + sum(len(file.text) + len(file.body) for file in each.files)
        if len(parts[-1]) >= AT_ONCE or (parts[-1] and length + more > LONGEST_AT_ONCE):
            parts.append([])
            length = 0
        parts[-1].append(each)
        length += more
    return parts


def _add(connection: Connection, some: Sequence[ImportedMessage], ids: dict[str, int], home: str, owner: str) -> None:
    for each in some:
        ids[each.key] = connection.execute(_ADD, _row(each, ids, home, owner)).scalar_one()
        if each.files:
            connection.execute(insert(attachments), _files(each, ids[each.key], owner))


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
