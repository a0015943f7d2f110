"""What is wished for each conversation, kept or temporary, and what it begins with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sqlalchemy import bindparam, select, update

from insight_app.chat.messages import Message, is_temporary
from insight_app.chat.options import Limits, Wishes
from insight_app.engines.base import Options
from insight_app.storage.database import Database
from insight_app.storage.tables import conversations

_BY_ID = conversations.c.id == bindparam("conversation_id")
_FIND = select(conversations.c.options).where(_BY_ID)
_SET = update(conversations).where(_BY_ID)


class OptionStore:
    """`server` is what holds where nothing is wished, `limits` how far wishes go.

    `in_memory` is None where there are no temporary chats.
    """

    def __init__(self, kept: Database, in_memory: Database | None, server: Options, limits: Limits) -> None:
        self._kept = kept
        self._in_memory = in_memory
        self.server = server
        self.limits = limits

    def wishes(self, conversation_id: str) -> Wishes:
        """None at all where the conversation is gone."""
        database = self._home(conversation_id)
        if database is None:
            return Wishes()
        with database.reading() as connection:
            return Wishes.from_json(connection.execute(_FIND, {"conversation_id": conversation_id}).scalar() or "")

    def context(self, wishes: Wishes) -> int | None:
        """How many tokens the model will see by these; None where they do not say, or may not."""
        may = wishes.context and self.limits.context
        return wishes.over(self.server, self.limits).num_ctx if may else None

    def wish(self, conversation_id: str, wishes: Wishes) -> None:
        self._set(conversation_id, options=wishes.as_json())

    def follow(self, conversation_id: str, model: str) -> None:
        """The model that was just chosen is the conversation's from now on."""
        wishes = self.wishes(conversation_id)
        if wishes.model != model:
            self.wish(conversation_id, replace(wishes, model=model))

    def _set(self, conversation_id: str, **values: str) -> None:
        database = self._home(conversation_id)
        if database is not None:
            with database.writing() as connection:
                connection.execute(_SET, {"conversation_id": conversation_id, **values})

    def _home(self, conversation_id: str) -> Database | None:
        return self._in_memory if is_temporary(conversation_id) else self._kept


class AskedFor:
    """How each answer is asked for: the server's options, with what is wished for its conversation in their place."""

    def __init__(self, store: OptionStore, tries: Callable[[Message], list[int]]) -> None:
        self._store = store
        self._tries = tries

    def __call__(self, answer: Message) -> Options:
        wishes = self._store.wishes(answer.conversation_id)
        number = 0
        if wishes.seed is not None:
            number = sum(each < answer.id for each in self._tries(answer))
        return wishes.over(self._store.server, self._store.limits, number)
