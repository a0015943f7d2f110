"""A chat of Open WebUI's export: a history of messages by id, with thoughts among the text of an answer."""

from __future__ import annotations

import base64
import re
import time
from contextlib import suppress
from html import unescape
from typing import Any

from insight_app.privacy.imported import (
    Imported,
    ImportedFile,
    ImportedMessage,
    alternating,
    dicts_of,
    in_order,
    name_of,
    nearest,
    taken_as,
    text_of,
    time_of,
    title_of,
)

SOURCE = "Open WebUI"
_PICTURE = "picture"  # what has no name
THOUGHTS = re.compile(r'<details type="reasoning"[^>]*>(?:\s*<summary>[^<]*</summary>)?(.*?)</details>\s*', re.DOTALL)
# Of unclosed ones each would be looked for to the end, once: spaces that could be before it or in it, once for each.
MOST_THOUGHTS = 100
QUOTED = re.compile(r"^(?:> ?|&gt; ?)", re.MULTILINE)


def read(found: dict[str, Any], opening: str) -> Imported:
    """`opening` is what a conversation begins with that has an answer first."""
    now = time.time()
    chat = found["chat"]
    created = _time(found.get("created_at") or chat.get("timestamp"), now)
    history = chat.get("history")
    nodes = history.get("messages") if isinstance(history, dict) else None
    if not isinstance(nodes, dict) or not nodes:  # older ones have a plain list
        nodes = _chained(dicts_of(chat.get("messages")))
    nodes = {key: node for key, node in nodes.items() if isinstance(node, dict)}
    kept: dict[str, ImportedMessage] = {}
    for key, node in nodes.items():
        if (message := _message(key, node, created)) is not None:
            kept[key] = message
    parents = {key: parent for key, node in nodes.items() if isinstance(parent := node.get("parentId"), str)}
    for key, parent in nearest(parents, kept).items():
        kept[key].parent = parent
    params = chat.get("params")
    system = text_of(params.get("system")) if isinstance(params, dict) else ""
    messages = alternating(in_order(kept.values(), by_time=True), opening)
    return Imported(
        source=SOURCE,
        origin=name_of(found.get("id")),
        title=title_of(found.get("title")) or title_of(chat.get("title")),
        created_at=created,
        updated_at=max([_time(found.get("updated_at"), created), *(each.created_at for each in kept.values())]),
        messages=messages,
        is_pinned=found.get("pinned") is True,
        is_archived=found.get("archived") is True,
        instructions=system,
        left_at=taken_as(_dict(history).get("currentId"), parents, messages),
    )


def _chained(messages: list[dict[str, Any]]) -> dict[str, Any]:
    return {str(place): {**each, "parentId": str(place - 1)} for place, each in enumerate(messages)}


def _message(key: str, found: dict[str, Any], created: float) -> ImportedMessage | None:
    role = found.get("role")
    content = found.get("content")
    if isinstance(content, list):
        content = "\n\n".join(text_of(each.get("text")) for each in dicts_of(content))
    if role not in ("user", "assistant") or not isinstance(content, str):
        return None
    is_answer = role == "assistant"
    thoughts: list[str] = []
    if is_answer and 0 < content.count('<details type="reasoning"') <= MOST_THOUGHTS:
        thoughts = [QUOTED.sub("", unescape(each)).strip() for each in THOUGHTS.findall(content)]
        content = THOUGHTS.sub("", content)
    files = [_file(each) for each in dicts_of(found.get("files"))]
    if not content.strip() and not thoughts and not files:
        return None
    at = _time(found.get("timestamp"), created)
    judged = found.get("annotation")
    rating = judged.get("rating") if isinstance(judged, dict) else None
    return ImportedMessage(
        key=key,
        parent=None,
        role=role,
        text=content,
        thinking="\n\n".join(thoughts),
        model=name_of(found.get("model")) if is_answer else "",
        created_at=at,
        finished_at=at if is_answer else None,
        rating=rating if isinstance(rating, int) and not isinstance(rating, bool) and rating in (1, -1) else None,
        files=files,
    )


def _file(found: dict[str, Any]) -> ImportedFile:
    """A picture is in the export as it came, of other files it has the text; newer ones only name what is elsewhere."""
    address, body = text_of(found.get("url")), b""
    if address.startswith("data:image/"):
        with suppress(ValueError):
            body = base64.b64decode(address.partition(",")[2], validate=True)
    inner = _dict(found.get("file"))
    content, about = _dict(inner.get("data")), _dict(inner.get("meta"))
    text = text_of(content.get("content"))
    is_pdf = about.get("content_type") == "application/pdf"
    size = found.get("size", about.get("size"))
    return ImportedFile(
        name=text_of(found.get("name")) or text_of(about.get("name")) or text_of(inner.get("filename")) or _PICTURE,
        kind=("pdf" if is_pdf else "text") if text else "",
        text=text,
        body=body,
        size=size if isinstance(size, int) and 0 < size < 2**53 else len(body or text.encode("utf-8", "replace")),
    )


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _time(value: object, otherwise: float) -> float:
    """Some versions count in milliseconds, some in nanoseconds."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        for unit in (10**9, 10**3):
            if value > unit * 10**8 * 5:
                return time_of(value / unit, otherwise) if value < 10**30 else otherwise
    return time_of(value, otherwise)
