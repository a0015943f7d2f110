"""What is found of a person's conversations: by their titles, the words of their messages, and the files sent there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, Select, and_, func, or_, select

from insight_app.chat.attachments import MOST_FILES
from insight_app.chat.conversation_store import IS_THERE
from insight_app.chat.messages import Conversation
from insight_app.chat.searching import LOOKED_THROUGH, Excerpt, Search, excerpt
from insight_app.storage.database import Database
from insight_app.storage.product import WordIndex
from insight_app.storage.tables import attachments, conversations, messages

_CONVERSATION = [conversations.c[name] for name in Conversation.__dataclass_fields__]
_SHOWN = ("id", "conversation_id", "role", "created_at", "text")
# What stands further down is found by its words, and not as it stands: all files would have to be read to their ends.
_BEGINNING = func.substr(attachments.c.text, 1, LOOKED_THROUGH, type_=attachments.c.text.type)


@dataclass(frozen=True, slots=True)
class FileHit:
    """A file that has it: in its name, in its text, or in both; `text` is None where it is not there."""

    name: Excerpt
    text: Excerpt | None


@dataclass(frozen=True, slots=True)
class Hit:
    """A message that has what was searched for, or files that do, and where; `excerpt` is None where only those do."""

    id: int
    conversation_id: str
    role: str
    created_at: float
    title: str
    is_archived: bool
    excerpt: Excerpt | None
    files: Sequence[FileHit] = ()


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
        mine = select(conversations.c.id, conversations.c.title).where(conversations.c.owner == owner, IS_THERE)
        newest_first, matches = conversations.c.updated_at.desc(), search.matcher()
        with self._database.reading() as connection:
            titles = connection.execute(mine.order_by(newest_first))
            ids = list(islice((id for some in titles.partitions(1000) for id, title in some if matches(title)), most))
            titles.close()
            query = select(*_CONVERSATION).where(conversations.c.id.in_(ids), IS_THERE).order_by(newest_first)
            return [Conversation(*row) for row in connection.execute(query)] if ids else []

    def messages(self, search: Search, owner: str = "", before: int | None = None, most: int = 20) -> Found:
        """Messages that have all of it, or with which went a file that does, newest first, and older than that one."""
        if not search.terms:
            return Found()
        with self._database.reading() as connection:
            texts = connection.execute(_in_texts(self._database.product.words, search, owner, before, most + 1)).all()
            files = connection.execute(
                _in_files(self._database.product.file_words, search, owner, before, (most + 1) * MOST_FILES)
            ).all()
            hits = {row.id: _hit(row._mapping, search) for row in texts}
            ids = sorted({*hits, *(row.message_id for row in files)}, reverse=True)
            shown, has_more = ids[:most], len(ids) > most
            hits |= _without_text(connection, [id for id in shown if id not in hits])
            of_files = _excerpts(connection, [row.id for row in files if row.message_id in shown], search)
        return Found([replace(hits[id], files=of_files.get(id, ())) for id in shown if id in hits], has_more)


def _in_texts(index: WordIndex, search: Search, owner: str, before: int | None, most: int) -> Select[Any]:
    shown = (*(messages.c[name] for name in _SHOWN), conversations.c.title, conversations.c.is_archived)
    start = messages.join(conversations)
    return _newest(select(*shown), start, index, messages.c.id, (messages.c.text,), search, owner, before, most)


def _in_files(index: WordIndex, search: Search, owner: str, before: int | None, most: int) -> Select[Any]:
    of, start = attachments.c.message_id, attachments.join(messages).join(conversations)
    texts = (attachments.c.name, _BEGINNING)
    return _newest(select(of, attachments.c.id), start, index, of, texts, search, owner, before, most)


def _newest(
    query: Select[Any],
    start: FromClause,
    index: WordIndex,
    message: ColumnElement[Any],
    texts: Sequence[ColumnElement[Any]],
    search: Search,
    owner: str,
    before: int | None,
    most: int,
) -> Select[Any]:
    """That query with what is searched for, in any of the texts."""
    conditions: list[ColumnElement[bool]] = [messages.c.owner == owner, conversations.c.owner == owner, IS_THERE]
    for term in search.as_it_stands:
        # Most of these scripts know no case, and to look past it takes twice as long.
        knows_case = term.text.upper() != term.text.lower()
        has = (each.icontains if knows_case else each.contains for each in texts)
        conditions.append(or_(*(each(term.text, autoescape=True) for each in has)))
    if before is not None:
        conditions.append(message < before)
    query, order = query.select_from(start).where(and_(*conditions)), message
    if search.words:
        query, order = index(query, [(term.text, term.is_prefix) for term in search.words])
    return query.order_by(order.desc()).limit(most)


def _hit(row: Mapping[Any, Any], search: Search) -> Hit:
    values = dict(row)
    found = excerpt(values.pop("text"), search, is_markdown=values["role"] == "assistant")
    return Hit(**values, excerpt=found)


def _without_text(connection: Connection, ids: Sequence[int]) -> dict[int, Hit]:
    """Those messages, of which only files have it."""
    columns = (*(messages.c[name] for name in _SHOWN[:-1]), conversations.c.title, conversations.c.is_archived)
    query = select(*columns).join(conversations).where(messages.c.id.in_(ids), IS_THERE)
    return {row.id: Hit(**row._mapping, excerpt=None) for row in connection.execute(query)} if ids else {}


def _excerpts(connection: Connection, ids: Sequence[str], search: Search) -> dict[int, list[FileHit]]:
    """What is to be shown of these files, by their messages."""
    columns = (attachments.c.message_id, attachments.c.name, _BEGINNING.label("text"))
    query = select(*columns).where(attachments.c.id.in_(ids)).order_by(attachments.c.place)
    found: dict[int, list[FileHit]] = {}
    for row in connection.execute(query) if ids else ():
        text = excerpt(row.text, search)
        is_there = any(is_hit for _, is_hit in text.pieces)
        found.setdefault(row.message_id, []).append(FileHit(excerpt(row.name, search), text if is_there else None))
    return found
