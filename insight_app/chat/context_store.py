"""How many tokens models saw at once, as answers have noted it."""

from __future__ import annotations

from sqlalchemy import bindparam, select

from insight_app.chat.messages import FROM_A_FILE
from insight_app.storage.database import Database
from insight_app.storage.tables import messages

# By the index of a model's answers; of very many only some are looked at.
_NOTED = select(messages.c.context_tokens, messages.c.run).where(messages.c.model == bindparam("model"))
_OF_MODEL = _NOTED.limit(50).subquery()
_FIND = (
    select(_OF_MODEL.c.context_tokens)
    .where(_OF_MODEL.c.context_tokens.is_not(None), _OF_MODEL.c.run > FROM_A_FILE)
    .limit(1)
)


def last_context(database: Database, model: str) -> int | None:
    """What one of this model's answers saw; None where nobody knows."""
    with database.reading() as connection:
        return connection.execute(_FIND, {"model": model}).scalar()
