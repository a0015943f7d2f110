"""A conversation of our own export, as it was: docs/privacy.md describes the format."""

from __future__ import annotations

import base64
import json
import time
from contextlib import suppress
from typing import Any

from insight_app.chat.messages import Figures, State
from insight_app.errors import every_error
from insight_app.privacy.imported import (
    Imported,
    ImportedFile,
    ImportedMessage,
    alternating,
    dicts_of,
    in_order,
    name_of,
    text_of,
    time_of,
    title_of,
)

SOURCE = "InsightSphere"
TITLED_BY = ("words", "model", "person")
LARGEST = 2**53
WHOLE = {"prompt_tokens", "answer_tokens", "context_tokens", "messages_before", "messages_read"}


def read(found: dict[str, Any], opening: str) -> Imported:
    """`opening` is what a conversation begins with that has an answer first."""
    now = time.time()
    created = time_of(found.get("created_at"), now)
    messages = dicts_of(found.get("messages"))
    given = [_message(each, place, created) for place, each in enumerate(messages) if _is_told(each)]
    titled_by = found.get("titled_by")
    return Imported(
        source=SOURCE,
        origin=name_of(found.get("id")),
        title=title_of(found.get("title")),
        created_at=created,
        updated_at=time_of(found.get("updated_at"), created),
        messages=alternating(in_order(given, by_time=False), opening),
        is_pinned=found.get("is_pinned") is True,
        is_archived=found.get("is_archived") is True,
        instructions=text_of(found.get("instructions")),
        options=_options(found.get("options")),
        titled_by=titled_by if titled_by in TITLED_BY else "person",
    )


def _is_told(found: dict[str, Any]) -> bool:
    return found.get("role") in ("user", "assistant") and isinstance(found.get("text"), str)


def _message(found: dict[str, Any], place: int, created: float) -> ImportedMessage:
    parent = found.get("parent_id")
    at = time_of(found.get("created_at"), created)
    is_answer = found["role"] == "assistant"
    rating = found.get("rating")
    return ImportedMessage(
        key=_key(found.get("id", f"place {place}")),
        parent=None if parent is None else _key(parent),
        role=found["role"],
        text=found["text"],
        thinking=text_of(found.get("thinking")),
        model=name_of(found.get("model")),
        state=_state(found.get("state")) if is_answer else State.DONE.value,
        created_at=at,
        finished_at=time_of(found.get("finished_at"), at) if is_answer else None,
        rating=rating if rating in (1, -1) and not isinstance(rating, bool | float) and is_answer else None,
        extra={
            "choice": name_of(found.get("choice")),
            "problem": _problem(found.get("problem")),
            "reason": text_of(found.get("reason")),
            "memory_from": None if found.get("memory_from") is None else _key(found["memory_from"]),
            **{name: _figure(name, found.get(name)) for name in Figures.__dataclass_fields__ if name != "memory_from"},
        },
        files=[_file(each, at) for each in dicts_of(found.get("attachments"))],
    )


def _file(found: dict[str, Any], at: float) -> ImportedFile:
    kind, body = text_of(found.get("kind")), b""
    if kind == "image":
        with suppress(ValueError):
            body = base64.b64decode(text_of(found.get("body")), validate=True)
    return ImportedFile(
        name=text_of(found.get("name")),
        kind=kind if kind in ("text", "pdf") else "",  # of a picture its bytes decide
        text=text_of(found.get("text")),
        body=body,
        size=int(_figure("size", found.get("size")) or 0),
        created_at=time_of(found.get("created_at"), at),
    )


def _key(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)[:100]


def _state(value: object) -> str:
    """One that was being written, somewhere else, ends here."""
    states = [state.value for state in State if not state.is_live]
    return str(value) if value in states else State.INTERRUPTED.value


def _problem(value: object) -> str:
    """The code of an error that there is."""
    code = text_of(value)
    return code if code in every_error() else ""


def _figure(name: str, value: object) -> float | int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LARGEST:
        return None
    return int(value) if name in WHOLE else float(value)


def _options(value: object) -> str:
    """A JSON object as text, or "" for anything else."""
    text = text_of(value)
    try:
        return text if text and isinstance(json.loads(text), dict) else ""
    except (ValueError, RecursionError):
        return ""
