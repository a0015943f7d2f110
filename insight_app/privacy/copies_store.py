"""Conversations that come from a file, many at a time, each whole or not at all."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, and_, insert, select, update
from sqlalchemy.exc import IntegrityError

from insight_app.chat.conversation_store import remove
from insight_app.chat.messages import COMING, FROM_A_FILE, Figures, title_of
from insight_app.privacy.imported import Imported, ImportedMessage
from insight_app.storage.database import Database
from insight_app.storage.product import LOOK_AGAIN_SECONDS
from insight_app.storage.tables import attachments, conversations, messages

# So many messages, or characters of them, go in one transaction, which keeps others from writing.
AT_ONCE, LONGEST_AT_ONCE = 500, 2_000_000
# In which other processes find the database free; they look every LOOK_AGAIN_SECONDS.
PAUSE_SECONDS = 1.5 * LOOK_AGAIN_SECONDS
# What only files of our own say of a message: one insert has the same columns for all.
_EXTRA: dict[str, Any] = {"choice": "", "problem": "", "reason": "", **asdict(Figures())}
_IS_COMING = conversations.c.titled_by.startswith(COMING)


class CopiesStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, some: Sequence[Imported], owner: str) -> list[bool]:
        """Keeps them as that person's, all short ones in one transaction; False for each that they have already.

        A long one is kept in parts, and seen by nobody before it is whole.

        They have one under its own id, as one that was exported here, or brought before. One that is in the bin comes
        back out of it, or it would be told to be here and be gone soon.
        """
        every = [(each, _parts(each.in_turn())) for each in some]
        short = iter(self._add_short([(each, parts[0]) for each, parts in every if len(parts) == 1], owner))
        return [next(short) if len(parts) == 1 else self._add_long(each, parts, owner) for each, parts in every]

    def _add_short(self, some: Sequence[tuple[Imported, Sequence[ImportedMessage]]], owner: str) -> list[bool]:
        if not some:
            return []
        named = [(each.id_for(owner), each, of) for each, of in some]
        new, back, taken = list[tuple[str, Imported, Sequence[ImportedMessage]]](), list[str](), list[bool]()
        known = {id for name, each, _ in named for id in (name, each.origin)}
        own = and_(conversations.c.owner == owner, ~_IS_COMING)
        with self._database.writing(f"import {owner}") as connection:
            query = select(conversations.c.id, conversations.c.deleted_at).where(own, conversations.c.id.in_(known))
            is_binned = {row.id: row.deleted_at is not None for row in connection.execute(query)}
            for name, found, of in named:
                had = [id for id in (name, found.origin) if id in is_binned]
                taken.append(all(is_binned[id] for id in had))
                if taken[-1] and had:
                    back += had
                elif taken[-1]:
                    new.append((name, found, of))
                is_binned |= dict.fromkeys(had or [name], False)
            if back:
                those = conversations.c.id.in_(back)
                connection.execute(update(conversations).where(own, those).values(deleted_at=None))
            if new:
                connection.execute(insert(conversations), [_conversation(found, name, owner) for name, found, _ in new])
                self._add_messages(connection, [(name, of, {}) for name, _, of in new], owner)
        return taken

    def _add_long(self, found: Imported, parts: Sequence[Sequence[ImportedMessage]], owner: str) -> bool:
        new = found.id_for(owner)
        own = and_(conversations.c.owner == owner, conversations.c.id.in_([new, found.origin]))
        half = and_(own, _IS_COMING)  # of a server that ended meanwhile
        known = select(conversations.c.id, conversations.c.deleted_at, conversations.c.titled_by).where(own)
        with self._database.reading() as connection:
            every = connection.execute(known).all()
        had = [each for each in every if not each.titled_by.startswith(COMING)]
        if any(each.deleted_at is None for each in had):
            return False
        if had:
            with self._database.writing() as connection:
                connection.execute(update(conversations).where(own, ~half).values(deleted_at=None))
            return True
        coming = f"{COMING} {secrets.token_hex(4)}"
        hidden = {"deleted_at": time.time(), "titled_by": coming}
        still = and_(conversations.c.id == new, conversations.c.titled_by == coming)
        first, *others = parts
        ids: dict[str, int] = {}
        try:
            with self._database.writing() as connection:
                if every:
                    remove(connection, half)
                connection.execute(insert(conversations), _conversation(found, new, owner) | hidden)
                self._add_messages(connection, [(new, first, ids)], owner)
            for number, part in enumerate(others, 1):
                time.sleep(PAUSE_SECONDS)
                state = hidden if number < len(others) else {"deleted_at": None, "titled_by": found.titled_by}
                with self._database.writing() as connection:
                    if not connection.execute(update(conversations).where(still).values(state)).rowcount:
                        return False  # all was deleted meanwhile
                    self._add_messages(connection, [(new, part, ids)], owner)
        except IntegrityError:  # the same file was brought twice at once
            return False
        return True

    def _add_messages(
        self,
        connection: Connection,
        some: Sequence[tuple[str, Sequence[ImportedMessage], dict[str, int]]],
        owner: str,
    ) -> None:
        """Those of each conversation, whose `ids` by their keys in the file are put beside those of earlier ones."""
        numbers = iter(self._database.product.take_ids(connection, "messages", sum(len(of) for _, of, _ in some)))
        rows, files = list[dict[str, Any]](), list[dict[str, Any]]()
        for home, of, ids in some:
            for each in of:
                id = next(numbers)
                rows.append({"id": id, **_row(each, ids, home, owner)})
                ids[each.key] = id
                files += _files(each, id, owner)
        connection.execute(insert(messages), rows)
        if files:
            connection.execute(insert(attachments), files)

    def one(self, conversation_id: str) -> Iterator[dict[str, Any]]:
        """A conversation's row with every column."""
        mine = select(conversations).where(conversations.c.id == conversation_id)
        return self._database.rows(mine, (conversations.c.id,))


def _parts(every: Sequence[ImportedMessage]) -> list[list[ImportedMessage]]:
    parts: list[list[ImportedMessage]] = [[]]
    length = 0
    for each in every:
        more = each.size
        if len(parts[-1]) >= AT_ONCE or (parts[-1] and length + more > LONGEST_AT_ONCE):
            parts.append([])
            length = 0
        parts[-1].append(each)
        length += more
    return parts


def _conversation(found: Imported, name: str, owner: str) -> dict[str, Any]:
    return {
        "id": name,
        "owner": owner,
        "title": found.title or title_of(found.messages[0].text) or found.source,
        "created_at": found.created_at,
        "updated_at": found.updated_at,
        "is_pinned": found.is_pinned,
        "is_archived": found.is_archived,
        "instructions": found.instructions,
        "options": found.options,
        "titled_by": found.titled_by,
    }


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
    extra = _EXTRA | message.extra
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
