"""Conversations and messages of whoever asks; what is somebody else's is answered like what is not there."""

from __future__ import annotations

from insight_app.accounts.guards import me
from insight_app.chat.messages import Conversation, Message, is_temporary
from insight_app.errors import NotThere, TemporaryOver
from insight_app.web import services


def own_conversation(conversation_id: str) -> Conversation:
    """Raises NotThere."""
    found = services().conversations.conversation(conversation_id)
    expect_own(found.owner, found.id)
    return found


def own_message(message_id: int, role: str | None = None) -> Message:
    """Raises NotThere, also where the message is none of that role ("user", "assistant")."""
    found = services().conversations.message(message_id)
    expect_own(found.owner, found.id)
    if role not in (None, found.role):
        raise NotThere
    return found


def expect_own(owner: str, id: str | int) -> None:
    """Raises what an id that there is not would raise."""
    if owner != me().id:
        raise TemporaryOver if is_temporary(id) else NotThere
