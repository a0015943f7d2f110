"""Conversations as wholes: the list of them, and what is done to one."""

from __future__ import annotations

import time

from sqlalchemy import ColumnElement, Connection, and_, bindparam, delete, select, tuple_, update

from insight_app.chat.answer_store import IS_LIVE
from insight_app.chat.messages import COMING, Binned, Conversation, Listed
from insight_app.errors import NotThere
from insight_app.storage.database import Database
from insight_app.storage.tables import conversations, messages

JUST_NOW_SECONDS = 60.0
_CONVERSATION = [conversations.c[name] for name in Conversation.__dataclass_fields__]
# Composed once: that takes longer than running it.
IS_THERE = conversations.c.deleted_at.is_(None)  # nobody sees what is in the bin
_FIND_CONVERSATION = select(*_CONVERSATION).where(conversations.c.id == bindparam("conversation_id"), IS_THERE)
_FIND_INSTRUCTIONS = select(conversations.c.instructions).where(conversations.c.id == bindparam("conversation_id"))
_PLACE = (conversations.c.is_pinned, conversations.c.updated_at, conversations.c.id)
_FIND_NEWEST = (
    select(*_CONVERSATION)
    .where(conversations.c.owner == bindparam("owner"), conversations.c.is_archived == bindparam("archived"), IS_THERE)
    .order_by(*(each.desc() for each in _PLACE))
    .limit(bindparam("most"))
)
_FIND_OLDER = _FIND_NEWEST.where(tuple_(*_PLACE) < tuple_(*(bindparam(each.name, type_=each.type) for each in _PLACE)))


class WholeStore:
    """Raises NotThere for an id that is not (or no more) there."""

    def __init__(self, database: Database) -> None:
        self._database = self.database = database

    def conversation(self, conversation_id: str) -> Conversation:
        with self._database.reading() as connection:
            row = connection.execute(_FIND_CONVERSATION, {"conversation_id": conversation_id}).first()
        if row is None:
            raise NotThere
        return Conversation(*row)

    def newest_conversations(
        self,
        older_than: tuple[bool, float, str] | None = None,
        limit: int = 50,
        *,
        owner: str = "",
        archived: bool = False,
    ) -> Listed:
        """At most `limit` of a person's, pinned first; those after the one with these `is_pinned`, `updated_at`, id.

        Either the archived ones or the others.
        """
        query = _FIND_NEWEST if older_than is None else _FIND_OLDER
        last = zip((each.name for each in _PLACE), older_than or (), strict=False)
        place = {**dict(last), "owner": owner, "archived": archived, "most": limit + 1}
        with self._database.reading() as connection:
            found = [Conversation(*row) for row in connection.execute(query, place)]
        return Listed(found[:limit], has_older=len(found) > limit)

    def instructions(self, conversation_id: str) -> str:
        """What the model is told in every turn of this conversation; "" for nothing, or where it is gone."""
        with self._database.reading() as connection:
            return connection.execute(_FIND_INSTRUCTIONS, {"conversation_id": conversation_id}).scalar() or ""

    def instruct(self, conversation_id: str, instructions: str) -> None:
        with self._database.writing() as connection:
            mine = update(conversations).where(conversations.c.id == conversation_id)
            connection.execute(mine.values(instructions=instructions))
        self._database.forget()  # the old ones too

    def rename(self, conversation_id: str, title: str) -> None:
        with self._database.writing() as connection:
            mine = update(conversations).where(conversations.c.id == conversation_id)
            connection.execute(mine.values(title=title, titled_by="person"))
        self._database.forget()  # the old name too

    def title_by_model(self, conversation_id: str, title: str) -> None:
        """Unless it has another title than its first words. The words of before stand in the conversation still."""
        self._set(conversation_id, and_(IS_THERE, conversations.c.titled_by == "words"), title=title, titled_by="model")

    def pin(self, conversation_id: str, *, is_pinned: bool) -> None:
        self._set(conversation_id, IS_THERE, is_pinned=is_pinned)

    def archive(self, conversation_id: str, *, is_archived: bool) -> None:
        self._set(conversation_id, IS_THERE, is_archived=is_archived)

    def put_into_bin(self, conversation_id: str) -> None:
        """From now on nobody sees it; in a while it is to be deleted."""
        self._set(conversation_id, IS_THERE, deleted_at=time.time())

    def take_out_of_bin(self, conversation_id: str) -> None:
        """As if it had never been there."""
        self._set(conversation_id, ~IS_THERE, deleted_at=None)

    def bin(self, owner: str = "", conversation_id: str | None = None) -> list[Binned]:
        """What a person has in the bin, or that one of it, newest first."""
        names = (conversations.c[name] for name in Binned.__dataclass_fields__)
        is_whole = ~conversations.c.titled_by.startswith(COMING)
        query = select(*names).where(conversations.c.owner == owner, ~IS_THERE, is_whole)
        if conversation_id is not None:
            query = query.where(conversations.c.id == conversation_id)
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(conversations.c.deleted_at.desc(), conversations.c.id))
            return [Binned(*row) for row in rows]

    def _set(self, conversation_id: str, where: ColumnElement[bool], **values: object) -> None:
        mine = update(conversations).where(conversations.c.id == conversation_id, where).values(**values)
        with self._database.writing() as connection:
            if not connection.execute(mine).rowcount:
                raise NotThere

    def delete(self, conversation_id: str) -> list[int]:
        """Returns the answers that went with it and may have been written until just now."""
        with self._database.writing() as connection:
            answers = remove(connection, conversations.c.id == conversation_id)
        self._database.forget()
        return answers

    def delete_idle(self, before: float) -> None:
        """Deletes the conversations whose last message came before that time, but none that is being answered."""
        live = select(messages.c.conversation_id).where(IS_LIVE)
        idle = and_(conversations.c.updated_at < before, conversations.c.id.not_in(live))
        with self._database.reading() as connection:
            if connection.execute(select(conversations.c.id).where(idle).limit(1)).first() is None:
                return
        with self._database.writing() as connection:
            remove(connection, idle)
        self._database.forget()


def remove(connection: Connection, which: ColumnElement[bool]) -> list[int]:
    """Deletes conversations; returns the answers that went with them and may have been written until just now."""
    theirs = messages.c.conversation_id.in_(select(conversations.c.id).where(which))
    just_now = messages.c.finished_at.is_(None) | (messages.c.finished_at > time.time() - JUST_NOW_SECONDS)
    # Whoever is just keeping what grew goes first, in the same order.
    connection.execute(select(messages.c.id).where(theirs, IS_LIVE).order_by(messages.c.id).with_for_update()).all()
    answers = list(
        connection.execute(select(messages.c.id).where(theirs, messages.c.role == "assistant", just_now)).scalars()
    )
    # A message takes those after it along, and SQLite follows that for a thousand of them and then gives up.
    connection.execute(update(messages).where(theirs).values(parent_id=None))
    connection.execute(delete(conversations).where(which))
    return answers
