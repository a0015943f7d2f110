"""The system prompt of each conversation, made of what is set for everybody and what is set for it alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import structlog

from insight_app.chat.prompts import Parts
from insight_app.chat.store import ConversationStore
from insight_app.errors import DatabaseError, RulesUnreadable
from insight_app.moderation.moderating import Hold
from insight_app.moderation.store import Entry, ModerationStore

PROMPT = "prompt"  # the entry that holds the parts


class Instructions:
    """Read anew whenever something was changed, by whichever process."""

    def __init__(
        self, entries: ModerationStore, conversations: ConversationStore, today: Callable[[], date] = date.today
    ) -> None:
        self._entries = entries
        self._conversations = conversations
        self._today = today
        self._known: tuple[int, Parts] | None = None

    def parts(self) -> Parts:
        """What is set for everybody. Raises RulesUnreadable: without it nothing is to be asked."""
        try:
            if self._known is None or self._known[0] != self._entries.version():
                version, entries = self._entries.entries()
                body = next((entry.body for entry in entries if entry.id == PROMPT), {})
                self._known = version, Parts.from_json(body)
            return self._known[1]
        except (DatabaseError, ValueError) as error:
            structlog.get_logger("instructions").error("instructions unreadable", exc_info=error)
            raise RulesUnreadable from error

    def set(self, parts: Parts, who: str) -> None:
        self._entries.change(who, {PROMPT: Entry(PROMPT, 0, parts.as_json())})

    def system_prompt(self, conversation_id: str, hold: Hold) -> str:
        """For an answer of now; "" for none. Raises RulesUnreadable. `hold` holds a text of before to the rules."""
        return self.composed(self.parts(), hold(self._conversations.instructions(conversation_id), False))

    def composed(self, parts: Parts, own: str) -> str:
        """As it would be sent today."""
        return parts.composed(own, self._today())

    def before_program(self, system: str) -> str:
        """For a program's conversation that begins with such a `system` text of its own. Raises RulesUnreadable."""
        return self.parts().before_program(system, self._today())
