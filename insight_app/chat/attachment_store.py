"""Files that go with prompts, in the database: unsent ones first, and then as a part of their message."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    Connection,
    LargeBinary,
    Select,
    and_,
    bindparam,
    cast,
    delete,
    func,
    insert,
    literal,
    select,
    update,
)

from insight_app.chat.attachments import Attachment
from insight_app.chat.messages import TEMPORARY, is_temporary
from insight_app.chat.reading import Read
from insight_app.errors import FilesInMemory, NotThere, TemporaryNotOffered, TemporaryOver, TooManyFiles
from insight_app.storage.database import Database
from insight_app.storage.tables import attachments, conversations, messages

UNSENT_SECONDS = 3600.0  # how long what was not sent is kept
LOOK_SECONDS = 300.0
MOST_UNSENT = 100  # of a person: nobody shall fill the disk with what they never send
# Of temporary chats, in bytes as they are held, also of those that were sent: of a person, and of all together.
MOST_IN_MEMORY_OF_ONE, MOST_IN_MEMORY = 64 * 2**20, 256 * 2**20
_HELD = func.length(cast(attachments.c.text, LargeBinary)) + func.coalesce(func.length(attachments.c.body), 0)
_ABOUT = [attachments.c[name] for name in Attachment.__dataclass_fields__ if name != "text"]
_FIND = (
    select(*_ABOUT, attachments.c.text, attachments.c.owner)
    .select_from(attachments.outerjoin(messages.join(conversations)))
    .where(attachments.c.id == bindparam("id"), conversations.c.deleted_at.is_(None))
)
_FIND_OF = (
    select(*_ABOUT)
    .where(attachments.c.message_id.in_(bindparam("messages", expanding=True)))
    .order_by(attachments.c.message_id, attachments.c.place)
)
_FIND_OF_WHOLE = _FIND_OF.add_columns(attachments.c.text)


class AttachmentStore:
    """What `in_memory` holds belongs to temporary chats, and its ids tell; None where there are none."""

    def __init__(self, database: Database, in_memory: Database | None) -> None:
        self._kept = database
        self._in_memory = in_memory
        self._look_at = 0.0

    def add(self, owner: str, name: str, size: int, read: Read, *, temporary: bool = False) -> Attachment:
        """A file of which nobody knows yet with which prompt it goes.

        Raises TemporaryNotOffered, TooManyFiles, and FilesInMemory.
        """
        if temporary and self._in_memory is None:
            raise TemporaryNotOffered
        new = Attachment(
            (TEMPORARY if temporary else "") + secrets.token_urlsafe(12),
            name,
            read.kind,
            read.media_type,
            size,
            read.text,
        )
        values = {
            "id": new.id,
            "owner": owner,
            "name": name,
            "kind": new.kind,
            "media_type": new.media_type,
            "size": size,
            "text": read.text,
            "body": read.body,
            "created_at": time.time(),
        }
        with self._home(new.id).writing() as connection:
            if connection.execute(_count_unsent(owner)).scalar_one() >= MOST_UNSENT:
                raise TooManyFiles(limit=MOST_UNSENT)
            if temporary:
                _expect_memory(connection, owner, name, len(read.text.encode()) + len(read.body or b""))
            connection.execute(insert(attachments), values)
        return new

    def find(self, owner: str, id: str) -> Attachment:
        """With its text. Raises NotThere, also for what is somebody else's, or in the bin with its conversation."""
        with self._home(id).reading() as connection:
            row = connection.execute(_FIND, {"id": id}).first()
        if row is None or row.owner != owner:
            raise TemporaryOver if is_temporary(id) else NotThere
        return _attachment(row._mapping)

    def picture(self, id: str) -> bytes:
        """b"" for what is no picture, or gone."""
        body = select(attachments.c.body).where(attachments.c.id == id)
        with self._home(id).reading() as connection:
            return connection.execute(body).scalar() or b""

    def remove_unsent(self, owner: str, id: str) -> None:
        """What was sent is a part of its message, and goes with it."""
        mine = and_(attachments.c.id == id, attachments.c.owner == owner, attachments.c.message_id.is_(None))
        database = self._home(id)
        with database.writing() as connection:
            went = connection.execute(delete(attachments).where(mine)).rowcount
        if went:
            database.forget()

    def prune(self) -> None:
        """Deletes what was not sent for an hour; looks now and then, however often it is called."""
        if time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + LOOK_SECONDS
        before = time.time() - UNSENT_SECONDS
        old = and_(attachments.c.message_id.is_(None), attachments.c.created_at < before)
        for database in (self._kept, self._in_memory):
            if database is None:
                continue
            with database.reading() as connection:
                if connection.execute(select(attachments.c.id).where(old).limit(1)).first() is None:
                    continue
            with database.writing() as connection:
                connection.execute(delete(attachments).where(old))
            database.forget()

    def end_unsent_temporary(self, owner: str) -> None:
        """A person's."""
        if self._in_memory is not None:
            with self._in_memory.writing() as connection:
                remove_unsent_of(connection, owner)

    def _home(self, id: str) -> Database:
        if not is_temporary(id):
            return self._kept
        if self._in_memory is None:
            raise TemporaryOver
        return self._in_memory


def of_messages(
    connection: Connection, ids: Iterable[int], *, with_text: bool = False
) -> dict[int, tuple[Attachment, ...]]:
    """What goes with each of these messages, if anything does; without texts, unless somebody has to read them."""
    found: dict[int, list[Attachment]] = {}
    query = _FIND_OF_WHOLE if with_text else _FIND_OF
    for row in connection.execute(query, {"messages": list(ids)}):
        found.setdefault(row.message_id, []).append(_attachment(row._mapping))
    return {each: tuple(some) for each, some in found.items()}


def attach(
    connection: Connection, message_id: int, owner: str, attached: Sequence[Attachment]
) -> tuple[Attachment, ...]:
    """Makes these, with their names and texts of here, a part of a message; of what another one has it gets copies.

    Raises NotThere where one of them is gone, and FilesInMemory.
    """
    done = []
    for place, each in enumerate(attached):
        values = {"message_id": message_id, "place": place, "name": each.name, "text": each.text}
        mine = and_(attachments.c.id == each.id, attachments.c.owner == owner)
        unsent = update(attachments).where(mine, attachments.c.message_id.is_(None))
        new = each.id
        if not connection.execute(unsent.values(values)).rowcount:
            new = (TEMPORARY if is_temporary(each.id) else "") + secrets.token_urlsafe(12)
            if is_temporary(each.id):
                held = connection.execute(select(_HELD).where(mine)).scalar() or 0
                _expect_memory(connection, owner, each.name, held)
            fresh = {"id": new, "created_at": time.time(), **values}
            columns = [literal(fresh[c.name], c.type).label(c.name) if c.name in fresh else c for c in attachments.c]
            copies = insert(attachments).from_select(list(attachments.c.keys()), select(*columns).where(mine))
            if not connection.execute(copies).rowcount:
                raise NotThere
        done.append(Attachment(new, each.name, each.kind, each.media_type, each.size, each.text, message_id))
    return tuple(done)


def remove_unsent_of(connection: Connection, owner: str) -> None:
    mine = and_(attachments.c.owner == owner, attachments.c.message_id.is_(None))
    connection.execute(delete(attachments).where(mine))


def _expect_memory(connection: Connection, owner: str, name: str, more: int) -> None:
    """Raises FilesInMemory where so many bytes more are too many; the connection is to the database in memory."""
    mine = func.sum(_HELD).filter(attachments.c.owner == owner)
    of_one, of_all = connection.execute(select(mine, func.sum(_HELD))).one()
    if (of_one or 0) + more > MOST_IN_MEMORY_OF_ONE or (of_all or 0) + more > MOST_IN_MEMORY:
        raise FilesInMemory(name=name)


def _count_unsent(owner: str) -> Select[Any]:
    mine = and_(attachments.c.owner == owner, attachments.c.message_id.is_(None))
    return select(func.count()).select_from(attachments).where(mine)


def _attachment(row: Mapping[Any, Any]) -> Attachment:
    return Attachment(**{name: value for name, value in row.items() if name != "owner"})
