"""Conversations as wholes: the list of them, and what is done to one."""

from __future__ import annotations

import time

from sqlalchemy import ColumnElement, Connection, and_, bindparam, delete, select, tuple_, update

from insight_app.chat.answer_store import IS_LIVE
from insight_app.chat.messages import Conversation, Listed
from insight_app.errors import NotThere
from insight_app.storage.database import Database
from insight_app.storage.tables import conversations, messages

JUST_NOW_SECONDS = 60.0
_CONVERSATION = [conversations.c[name] for name in Conversation.__dataclass_fields__]
# Composed once: that takes longer than running it.
_FIND_CONVERSATION = select(*_CONVERSATION).where(conversations.c.id == bindparam("conversation_id"))
_FIND_INSTRUCTIONS = select(conversations.c.instructions).where(conversations.c.id == bindparam("conversation_id"))
_PLACE = (conversations.c.is_pinned, conversations.c.updated_at, conversations.c.id)
_FIND_NEWEST = (
    select(*_CONVERSATION)
    .where(conversations.c.owner == bindparam("owner"))
    .order_by(*(each.desc() for each in _PLACE))
    .limit(bindparam("most"))
)
_FIND_OLDER = _FIND_NEWEST.where(tuple_(*_PLACE) < tuple_(*(bindparam(each.name, type_=each.type) for each in _PLACE)))


class WholeStore:
    """Raises NotThere for an id that is not (or no more) there."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def conversation(self, conversation_id: str) -> Conversation:
        with self._database.reading() as connection:
            row = connection.execute(_FIND_CONVERSATION, {"conversation_id": conversation_id}).first()
        if row is None:
            raise NotThere
        return Conversation(*row)

    def newest_conversations(
        self, older_than: tuple[bool, float, str] | None = None, limit: int = 50, *, owner: str = ""
    ) -> Listed:
        """At most `limit` of a person's, pinned first; those after the one with these `is_pinned`, `updated_at`, id."""
        query = _FIND_NEWEST if older_than is None else _FIND_OLDER
        last = zip((each.name for each in _PLACE), older_than or (), strict=False)
        place = {**dict(last), "owner": owner, "most": limit + 1}
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
            connection.execute(update(conversations).where(conversations.c.id == conversation_id).values(title=title))
        self._database.forget()  # the old name too

    def pin(self, conversation_id: str, *, is_pinned: bool) -> None:
        mine = conversations.c.id == conversation_id
        with self._database.writing() as connection:
            if not connection.execute(update(conversations).where(mine).values(is_pinned=is_pinned)).rowcount:
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
