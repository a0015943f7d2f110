"""Which kind of conversation a text of an upload is, and what comes of it."""

from __future__ import annotations

from typing import Any

from insight_app.privacy import imported_chatgpt, imported_open_webui, imported_own
from insight_app.privacy.imported import Imported
from insight_app.privacy.upload import Upload
from insight_app.words import N_

BROKEN = N_("It is damaged.")
UNKNOWN = N_("It is no conversation of a kind that is known here.")
NO_MESSAGES = N_("It has no messages.")
# Before an answer stands a prompt: this one where a conversation began with an answer.
OPENING = N_("(This conversation began with an answer.)")


def conversation(found: dict[str, Any] | None, opening: str = OPENING) -> Imported | str:
    """What came of it, or why nothing of it can be taken, whatever it is."""
    if found is None:
        return BROKEN
    if isinstance(found.get("mapping"), dict):
        made = imported_chatgpt.read(found, opening)
    elif isinstance(found.get("chat"), dict):
        made = imported_open_webui.read(found, opening)
    elif isinstance(found.get("messages"), list):
        made = imported_own.read(found, opening)
    else:
        return UNKNOWN
    return made if made.messages else NO_MESSAGES


def some(upload: Upload, opening: str = OPENING) -> list[Imported | str]:
    """What came of the next few of an upload; [] at its end."""
    return [conversation(found, opening) for found in upload.some()]
