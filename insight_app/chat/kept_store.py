"""What people keep under a name to use it again: presets and saved prompts."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from sqlalchemy import ColumnElement, Delete, Table, Update, and_, bindparam, delete, func, insert, select, update

from insight_app.chat.options import Wishes
from insight_app.chat.presets import MOST_PRESETS, Preset, built_in
from insight_app.chat.saved_prompts import MOST_SAVED, SavedPrompt
from insight_app.errors import NotThere, TooManyKept
from insight_app.storage.database import Database
from insight_app.storage.tables import presets, saved_prompts

Thing = TypeVar("Thing")


class _Kept(Generic[Thing]):
    """The rows of one table. Raises NotThere for one that is not (or no more) the owner's."""

    def __init__(
        self, database: Database, table: Table, words: tuple[str, ...], read: Callable[..., Thing], most: int
    ) -> None:
        """`read` makes a thing of its id and its `words`, which are columns; one person may have so many (`most`)."""
        self._database = database
        self._table = table
        self._read: Callable[..., Thing] = read
        self.most = most
        self._columns = select(table.c.id, *(table.c[name] for name in words))
        # Composed once: each page on which a chat begins has them.
        by_name = self._columns.order_by(func.lower(table.c.name), table.c.id)
        self._of = by_name.where(table.c.owner == bindparam("owner"))

    def of(self, owner: str) -> list[Thing]:
        """All of theirs, by name."""
        with self._database.reading() as connection:
            return [self._read(*row) for row in connection.execute(self._of, {"owner": owner})]

    def find(self, id: str, owner: str) -> Thing:
        with self._database.reading() as connection:
            row = connection.execute(self._columns.where(self._is(id, owner))).first()
        if row is None:
            raise NotThere
        return self._read(*row)

    def _add(self, owner: str, **words: str) -> str:
        """The new one's id. Raises TooManyKept."""
        id, mine = secrets.token_urlsafe(9), self._table.c.owner == owner
        with self._database.writing() as connection:
            if connection.execute(select(func.count()).where(mine)).scalar_one() >= self.most:
                raise TooManyKept(limit=str(self.most))
            connection.execute(insert(self._table).values(id=id, owner=owner, created_at=time.time(), **words))
        return id

    def _change(self, id: str, owner: str, **words: str) -> None:
        self._write(update(self._table).where(self._is(id, owner)).values(**words))

    def delete(self, id: str, owner: str) -> None:
        self._write(delete(self._table).where(self._is(id, owner)))

    def _write(self, statement: Update | Delete) -> None:
        with self._database.writing() as connection:
            if not connection.execute(statement).rowcount:
                raise NotThere
        self._database.forget()  # the old words

    def _is(self, id: str, owner: str) -> ColumnElement[bool]:
        return and_(self._table.c.id == id, self._table.c.owner == owner)


class PresetStore(_Kept[Preset]):
    def __init__(self, database: Database) -> None:
        super().__init__(database, presets, ("name", "instructions", "options"), _preset, MOST_PRESETS)

    def find(self, id: str, owner: str) -> Preset:
        """One of their own or of those that everybody has."""
        return next((each for each in built_in() if each.id == id), None) or super().find(id, owner)

    def add(self, owner: str, name: str, instructions: str, wishes: Wishes) -> str:
        return self._add(owner, name=name, instructions=instructions, options=wishes.as_json())

    def change(self, id: str, owner: str, name: str, instructions: str, wishes: Wishes) -> None:
        self._change(id, owner, name=name, instructions=instructions, options=wishes.as_json())


class SavedPromptStore(_Kept[SavedPrompt]):
    def __init__(self, database: Database) -> None:
        super().__init__(database, saved_prompts, ("name", "text"), SavedPrompt, MOST_SAVED)

    def add(self, owner: str, name: str, text: str) -> str:
        return self._add(owner, name=name, text=text)

    def change(self, id: str, owner: str, name: str, text: str) -> None:
        self._change(id, owner, name=name, text=text)


def _preset(id: str, name: str, instructions: str, options: str) -> Preset:
    return Preset(id, name, instructions, Wishes.from_json(options))
