"""What is found of a person's conversations, by their titles and by the words of their messages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import ColumnElement, Select, select

from insight_app.chat.conversation_store import IS_THERE
from insight_app.chat.messages import Conversation
from insight_app.chat.searching import Excerpt, Search, excerpt
from insight_app.storage.database import Database
from insight_app.storage.tables import conversations, messages

_CONVERSATION = [conversations.c[name] for name in Conversation.__dataclass_fields__]
_SHOWN = ("id", "conversation_id", "role", "created_at", "text")


@dataclass(frozen=True, slots=True)
class Hit:
    """A message that has what was searched for, and where it has it."""

    id: int
    conversation_id: str
    role: str
    created_at: float
    title: str
    is_archived: bool
    excerpt: Excerpt


@dataclass(frozen=True, slots=True)
class Found:
    """Some hits, newest first; `has_more`: whether there are older ones."""

    hits: Sequence[Hit] = ()
    has_more: bool = False


class SearchStore:
    """Finds what is kept and not in the bin, of one person."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def titles(self, search: Search, owner: str = "", most: int = 5) -> list[Conversation]:
        """Conversations so named, newest first.

        They are looked through here: titles are short, and a database folds no letters that its index does not have.
        """
        if not search.terms:
            return []
        mine = select(*_CONVERSATION).where(conversations.c.owner == owner, IS_THERE)
        found, matches = list[Conversation](), search.matcher()
        with self._database.reading() as connection:
            for row in connection.execute(mine.order_by(conversations.c.updated_at.desc())):
                if matches(row.title):
                    found.append(Conversation(*row))
                if len(found) == most:
                    break
        return found

    def messages(self, search: Search, owner: str = "", before: int | None = None, most: int = 20) -> Found:
        """Messages that have all of it, newest first, and older than that one."""
        if not search.terms:
            return Found()
        query = self._query(search, before).where(messages.c.owner == owner, conversations.c.owner == owner, IS_THERE)
        for term in search.as_it_stands:
            # Most of these scripts know no case, and to look past it takes twice as long.
            has = messages.c.text.icontains if term.text.upper() != term.text.lower() else messages.c.text.contains
            query = query.where(has(term.text, autoescape=True))
        with self._database.reading() as connection:
            rows = connection.execute(query.limit(most + 1)).all()
        return Found([_hit(row._mapping, search) for row in rows[:most]], has_more=len(rows) > most)

    def _query(self, search: Search, before: int | None) -> Select[Any]:
        shown = (*(messages.c[name] for name in _SHOWN), conversations.c.title, conversations.c.is_archived)
        query, order = select(*shown).join(conversations), cast(ColumnElement[Any], messages.c.id)
        if search.words:
            index = self._database.product.words
            order = index.message_id
            has = index.has([(term.text, term.is_prefix) for term in search.words])
            query = query.join(index.table, index.message_id == messages.c.id).where(has)
        if before is not None:
            query = query.where(order < before)
        return query.order_by(order.desc())


def _hit(row: Any, search: Search) -> Hit:
    values = dict(row)
    found = excerpt(values.pop("text"), search)
    return Hit(**values, excerpt=found)
