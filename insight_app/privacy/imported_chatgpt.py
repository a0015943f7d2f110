"""A conversation of ChatGPT's export: a mapping of nodes, of which some hold messages and many hold none for us."""

from __future__ import annotations

import time
from typing import Any

from insight_app.privacy.imported import (
    Imported,
    ImportedMessage,
    alternating,
    in_order,
    name_of,
    nearest,
    text_of,
    time_of,
    title_of,
)

SOURCE = "ChatGPT"
TEXTS = ("text", "multimodal_text")


def read(found: dict[str, Any], opening: str) -> Imported:
    """`opening` is what a conversation begins with that has an answer first."""
    now = time.time()
    created = time_of(found.get("create_time"), now)
    nodes = {key: node for key, node in found["mapping"].items() if isinstance(node, dict)}
    kept: dict[str, ImportedMessage] = {}
    left_out = 0
    for key, node in nodes.items():
        message, missing = _message(key, node.get("message"), created)
        left_out += missing
        if message is not None:
            kept[key] = message
    parents = {key: parent for key, node in nodes.items() if isinstance(parent := node.get("parent"), str)}
    for key, parent in nearest(parents, kept).items():
        kept[key].parent = parent
    return Imported(
        source=SOURCE,
        origin=name_of(found.get("conversation_id") or found.get("id")),
        title=title_of(found.get("title")),
        created_at=created,
        updated_at=max([time_of(found.get("update_time"), created), *(each.created_at for each in kept.values())]),
        messages=alternating(in_order(kept.values(), by_time=True), opening),
        is_archived=found.get("is_archived") is True,
        left_out=left_out,
    )


def _message(key: str, found: object, created: float) -> tuple[ImportedMessage | None, int]:
    """What somebody saw as a message of theirs or as an answer, and how much of it was no text."""
    if not isinstance(found, dict):
        return None, 0
    author, content, about = (_dict(found.get(name)) for name in ("author", "content", "metadata"))
    role = author.get("role")
    if role not in ("user", "assistant") or about.get("is_visually_hidden_from_conversation") is True:
        return None, 0
    # What an answer says to a tool is for nobody to read.
    if found.get("recipient") not in (None, "all") or content.get("content_type", "text") not in TEXTS:
        return None, 0
    parts = content.get("parts")
    parts = parts if isinstance(parts, list) else [content.get("text")]
    texts = [each if isinstance(each, str) else text_of(_dict(each).get("text")) for each in parts]
    missing = sum(isinstance(each, dict) and not text_of(each.get("text")) for each in parts)
    text = "\n\n".join(each for each in texts if each.strip())
    if not text and not missing:
        return None, 0
    at = time_of(found.get("create_time"), created)
    is_answer = role == "assistant"
    message = ImportedMessage(
        key=key,
        parent=None,
        role=role,
        text=text,
        model=name_of(about.get("model_slug")) if is_answer else "",
        created_at=at,
        finished_at=at if is_answer else None,
    )
    return message, missing


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
