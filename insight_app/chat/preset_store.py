"""The presets that people keep."""

from __future__ import annotations

import secrets
import time

from sqlalchemy import ColumnElement, and_, delete, func, insert, select, update

from insight_app.chat.options import Wishes
from insight_app.chat.presets import MOST_PRESETS, Preset, built_in
from insight_app.errors import NotThere, TooManyKept
from insight_app.storage.database import Database
from insight_app.storage.tables import presets

_PRESET = (presets.c.id, presets.c.name, presets.c.instructions, presets.c.options)


class PresetStore:
    """Raises NotThere for a preset that is not (or no more) the owner's."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, owner: str) -> list[Preset]:
        """Their own, by name."""
        query = select(*_PRESET).where(presets.c.owner == owner).order_by(func.lower(presets.c.name), presets.c.id)
        with self._database.reading() as connection:
            return [_preset(*row) for row in connection.execute(query)]

    def find(self, preset_id: str, owner: str) -> Preset:
        """One of their own or of those that everybody has."""
        if found := next((each for each in built_in() if each.id == preset_id), None):
            return found
        with self._database.reading() as connection:
            row = connection.execute(select(*_PRESET).where(_is(preset_id, owner))).first()
        if row is None:
            raise NotThere
        return _preset(*row)

    def add(self, owner: str, name: str, instructions: str, wishes: Wishes) -> str:
        """The new one's id. Raises TooManyKept."""
        new = {"id": secrets.token_urlsafe(9), "owner": owner, "name": name, "instructions": instructions}
        mine = select(func.count()).select_from(presets).where(presets.c.owner == owner)
        with self._database.writing() as connection:
            if connection.execute(mine).scalar_one() >= MOST_PRESETS:
                raise TooManyKept(limit=str(MOST_PRESETS))
            connection.execute(insert(presets).values(**new, options=wishes.as_json(), created_at=time.time()))
        return new["id"]

    def change(self, preset_id: str, owner: str, name: str, instructions: str, wishes: Wishes) -> None:
        new = {"name": name, "instructions": instructions, "options": wishes.as_json()}
        with self._database.writing() as connection:
            if not connection.execute(update(presets).where(_is(preset_id, owner)).values(**new)).rowcount:
                raise NotThere
        self._database.forget()  # the old words too

    def delete(self, preset_id: str, owner: str) -> None:
        with self._database.writing() as connection:
            if not connection.execute(delete(presets).where(_is(preset_id, owner))).rowcount:
                raise NotThere
        self._database.forget()


def _is(preset_id: str, owner: str) -> ColumnElement[bool]:
    return and_(presets.c.id == preset_id, presets.c.owner == owner)


def _preset(id: str, name: str, instructions: str, options: str) -> Preset:
    return Preset(id, name, instructions, Wishes.from_json(options))
