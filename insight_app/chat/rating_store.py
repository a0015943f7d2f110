"""What people think of answers that they got."""

from __future__ import annotations

from sqlalchemy import update

from insight_app.storage.database import Database
from insight_app.storage.tables import messages


class RatingStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    def rate(self, answer_id: int, rating: int | None) -> None:
        """1, -1, or None to take it back."""
        with self._database.writing() as connection:
            connection.execute(update(messages).where(messages.c.id == answer_id).values(rating=rating))
