"""Conversations that are longer than a page shows, put into the database before its server starts."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from insight_app.chat.messages import Outcome, State
from insight_app.chat.store import ConversationStore
from insight_app.storage.database import Database, sqlite_url


def write_conversation(folder: Path, pairs: int, words: int = 60, block: str = "word ") -> str:
    """`pairs` prompts with answers of so many words (or blocks) in that folder's database; gives the page's path."""
    with closing(Database(sqlite_url(folder / "insight.db"))) as database:
        database.bring_up_to_date()
        store = ConversationStore(database)
        conversation_id = parent_id = None
        for number in range(1, pairs + 1):
            prompt, answer = store.ask(
                f"Question {number}", model="", conversation_id=conversation_id, parent_id=parent_id
            )
            assert answer is not None
            text = f"Answer {number}.\n\n" + block * words
            store.finish(answer.id, Outcome(State.DONE, text, model="llama3.2:3b"))
            conversation_id, parent_id = prompt.conversation_id, answer.id
    return f"/c/{conversation_id}"
