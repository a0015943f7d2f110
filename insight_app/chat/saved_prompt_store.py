"""The prompts that people keep."""

from __future__ import annotations

import secrets
import time

from sqlalchemy import ColumnElement, and_, delete, func, insert, select, update

from insight_app.chat.saved_prompts import MOST_SAVED, SavedPrompt
from insight_app.errors import NotThere, TooManyKept
from insight_app.storage.database import Database
from insight_app.storage.tables import saved_prompts

_SAVED = (saved_prompts.c.id, saved_prompts.c.name, saved_prompts.c.text)


class SavedPromptStore:
    """Raises NotThere for a prompt that is not (or no more) the owner's."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, owner: str) -> list[SavedPrompt]:
        """All of theirs, by name."""
        query = select(*_SAVED).where(saved_prompts.c.owner == owner)
        by_name = query.order_by(func.lower(saved_prompts.c.name), saved_prompts.c.id)
        with self._database.reading() as connection:
            return [SavedPrompt(*row) for row in connection.execute(by_name)]

    def find(self, prompt_id: str, owner: str) -> SavedPrompt:
        with self._database.reading() as connection:
            row = connection.execute(select(*_SAVED).where(_is(prompt_id, owner))).first()
        if row is None:
            raise NotThere
        return SavedPrompt(*row)

    def add(self, owner: str, name: str, text: str) -> str:
        """The new one's id. Raises TooManyKept."""
        new = {"id": secrets.token_urlsafe(9), "owner": owner, "name": name, "text": text}
        mine = select(func.count()).select_from(saved_prompts).where(saved_prompts.c.owner == owner)
        with self._database.writing() as connection:
            if connection.execute(mine).scalar_one() >= MOST_SAVED:
                raise TooManyKept(limit=str(MOST_SAVED))
            connection.execute(insert(saved_prompts).values(**new, created_at=time.time()))
        return new["id"]

    def change(self, prompt_id: str, owner: str, name: str, text: str) -> None:
        with self._database.writing() as connection:
            if not connection.execute(
                update(saved_prompts).where(_is(prompt_id, owner)).values(name=name, text=text)
            ).rowcount:
                raise NotThere
        self._database.forget()  # the old words too

    def delete(self, prompt_id: str, owner: str) -> None:
        with self._database.writing() as connection:
            if not connection.execute(delete(saved_prompts).where(_is(prompt_id, owner))).rowcount:
                raise NotThere
        self._database.forget()


def _is(prompt_id: str, owner: str) -> ColumnElement[bool]:
    return and_(saved_prompts.c.id == prompt_id, saved_prompts.c.owner == owner)
