"""Temporary chats beside the kept ones: the same store on a database in memory, and an id tells which of the two.

What names no conversation or message, a list or a search, is about the kept ones only.
"""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeVar

from insight_app.chat.attachments import Attachment
from insight_app.chat.messages import TEMPORARY, Conversation, Message, Outcome, is_temporary
from insight_app.chat.store import ConversationStore
from insight_app.chat.tree import Tree
from insight_app.errors import NotThere, TemporaryNotOffered, TemporaryOver
from insight_app.storage.database import Database

LONGEST_SECONDS = 24 * 3600.0
T = TypeVar("T")


class TemporaryStore(ConversationStore):
    """Temporary chats. Their title says nothing of what was asked: browsers keep the titles of pages."""

    def _new(self, prompt: str) -> tuple[str, str]:
        return TEMPORARY + secrets.token_urlsafe(9), "Temporary chat"


class Conversations(ConversationStore):
    """All conversations. Raises TemporaryOver for the id of a temporary one that is gone, NotThere for another.

    `in_memory` is None where temporary chats cannot be offered.
    """

    def __init__(self, database: Database, in_memory: Database | None) -> None:
        super().__init__(database)
        self._kept = ConversationStore(database)
        self._in_memory = in_memory
        self._temporary = TemporaryStore(in_memory) if in_memory else None

    def database_of(self, conversation_id: str) -> Database:
        """The one that the conversation is in. Raises TemporaryOver."""
        with self._home(conversation_id) as store:
            return store.database

    def expect_temporary(self) -> None:
        """Raises TemporaryNotOffered."""
        if self._temporary is None:
            raise TemporaryNotOffered

    def end_idle(self) -> None:
        """Ends the temporary chats whose last message came a day ago."""
        if self._temporary is not None:
            self._temporary.delete_idle(time.time() - LONGEST_SECONDS)

    def end_all_temporary(self, owner: str = "") -> list[int]:
        """A person's; returns the answers that may have been written until just now."""
        if self._temporary is None:
            return []
        found = self._temporary.newest_conversations(limit=sys.maxsize - 1, owner=owner).conversations
        return [answer for each in found for answer in self._temporary.delete(each.id)]

    def close(self) -> None:
        """Ends all temporary chats, or leaves them to the other processes that have them too."""
        self._temporary = None
        if self._in_memory is not None:
            self._in_memory.close()

    def conversation(self, conversation_id: str) -> Conversation:
        with self._home(conversation_id) as store:
            return store.conversation(conversation_id)

    def tree(self, conversation_id: str) -> Tree:
        with self._home(conversation_id) as store:
            return store.tree(conversation_id)

    def messages(self, ids: Iterable[int]) -> list[Message]:
        homes = self._homes((each, each) for each in ids)
        return [message for store, some in homes for message in store.messages(some)]

    def history(self, conversation_id: str, last: int | None = None) -> list[Message]:
        with self._home(conversation_id) as store:
            return store.history(conversation_id, last)

    def message(self, message_id: int) -> Message:
        with self._home(message_id) as store:
            return store.message(message_id)

    def tries(self, message: Message) -> list[int]:
        with self._home(message.id) as store:
            return store.tries(message)

    def sent_with(self, form_key: str, owner: str = "", *, temporary: bool = False) -> Message | None:
        """As ConversationStore has it, among the prompts that are kept or, `temporary`, among those that are not."""
        store = self._temporary if temporary else self._kept
        return store.sent_with(form_key, owner) if store else None

    def ask(
        self,
        text: str,
        *,
        model: str,
        owner: str = "",
        form_key: str | None = None,
        conversation_id: str | None = None,
        parent_id: int | None = None,
        attached: Sequence[Attachment] = (),
        begins: Mapping[str, str] | None = None,
        temporary: bool = False,
    ) -> tuple[Message, Message | None]:
        """As ConversationStore has it; `temporary`: a new conversation is one that is not kept."""
        if temporary and conversation_id is None:
            self.expect_temporary()
        with self._home(conversation_id or (TEMPORARY if temporary else "")) as store:
            return store.ask(
                text,
                model=model,
                owner=owner,
                form_key=form_key,
                conversation_id=conversation_id,
                parent_id=parent_id,
                attached=attached,
                begins=begins,
            )

    def add_answer(self, prompt: Message, model: str, so_far: Message | None = None) -> Message:
        with self._home(prompt.id) as store:
            return store.add_answer(prompt, model, so_far)

    def delete_pair(self, prompt: Message) -> list[int]:
        with self._home(prompt.id) as store:
            return store.delete_pair(prompt)

    def checkpoint(self, written: Iterable[tuple[int, int, str, str]]) -> None:
        for store, some in self._homes((each[0], each) for each in written):
            store.checkpoint(some)

    def finish(self, message_id: int, outcome: Outcome, run: int = 0) -> None:
        for store, (mine,) in self._homes([(message_id, message_id)]):
            store.finish(mine, outcome, run)

    def unfinished(self, conversation_id: str | None = None) -> list[int]:
        if conversation_id is None:
            return self._kept.unfinished() + (self._temporary.unfinished() if self._temporary else [])
        with self._home(conversation_id) as store:
            return store.unfinished(conversation_id)

    def unfinished_of(self, owner: str) -> list[int]:
        return self._kept.unfinished_of(owner) + (self._temporary.unfinished_of(owner) if self._temporary else [])

    def left_behind(self, message_id: int) -> Message | None:
        with self._home(message_id) as store:
            return store.left_behind(message_id)

    def taken(self, runs: Mapping[int, int]) -> list[int]:
        return [
            found
            for store, some in self._homes((each, each) for each in runs)
            for found in store.taken({each: runs[each] for each in some})
        ]

    def hand_over(self, answers: Iterable[int]) -> None:
        for store, some in self._homes((each, each) for each in answers):
            store.hand_over(some)

    def instructions(self, conversation_id: str) -> str:
        with self._home(conversation_id) as store:
            return store.instructions(conversation_id)

    def instruct(self, conversation_id: str, instructions: str) -> None:
        with self._home(conversation_id) as store:
            store.instruct(conversation_id, instructions)

    def rename(self, conversation_id: str, title: str) -> None:
        with self._home(conversation_id) as store:
            store.rename(conversation_id, title)

    def pin(self, conversation_id: str, *, is_pinned: bool) -> None:
        with self._home(conversation_id) as store:
            store.pin(conversation_id, is_pinned=is_pinned)

    def archive(self, conversation_id: str, *, is_archived: bool) -> None:
        with self._home(conversation_id) as store:
            store.archive(conversation_id, is_archived=is_archived)

    def put_into_bin(self, conversation_id: str) -> None:
        with self._home(conversation_id) as store:
            store.put_into_bin(conversation_id)

    def take_out_of_bin(self, conversation_id: str) -> None:
        with self._home(conversation_id) as store:
            store.take_out_of_bin(conversation_id)

    def delete(self, conversation_id: str) -> list[int]:
        with self._home(conversation_id) as store:
            return store.delete(conversation_id)

    @contextmanager
    def _home(self, of: str | int) -> Iterator[ConversationStore]:
        """The store that a conversation's or a message's id belongs to."""
        if not is_temporary(of):
            yield self._kept
            return
        try:
            if self._temporary is None:
                raise NotThere
            yield self._temporary
        except NotThere:
            raise TemporaryOver from None

    def _homes(self, things: Iterable[tuple[int, T]]) -> Iterator[tuple[ConversationStore, list[T]]]:
        """Each store with those of the things, given with their messages' ids, that belong to it, if there are any.

        Things of temporary chats that all are over belong to none.
        """
        found: dict[bool, list[T]] = {True: [], False: []}
        for message_id, thing in things:
            found[is_temporary(message_id)].append(thing)
        if found[True] and self._temporary is not None:
            yield self._temporary, found[True]
        if found[False]:
            yield self._kept, found[False]
