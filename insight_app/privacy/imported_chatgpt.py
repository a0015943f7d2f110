"""A conversation of ChatGPT's export: a mapping of nodes, of which some hold messages and many hold none for us."""

from __future__ import annotations

import re
import time
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

SOURCE = "ChatGPT"
TEXTS, THOUGHTS = ("text", "multimodal_text"), "thoughts"
PICTURE = "picture"  # what has no name
NAME = re.compile("file[-_][A-Za-z0-9]+")


def read(found: dict[str, Any], opening: str) -> Imported:
    """`opening` is what a conversation begins with that has an answer first."""
    now = time.time()
    created = time_of(found.get("create_time"), now)
    nodes = {key: node for key, node in found["mapping"].items() if isinstance(node, dict)}
    kept: dict[str, ImportedMessage] = {}
    left_out = 0
    for key, node in nodes.items():
        if (message := _message(key, node.get("message"), created)) is not None:
            kept[key] = message
        else:
            left_out += _made_by_a_tool(node.get("message"))
    parents = {key: parent for key, node in nodes.items() if isinstance(parent := node.get("parent"), str)}
    for key, parent in nearest(parents, kept).items():
        kept[key].parent = parent
    messages = alternating(in_order(kept.values(), by_time=True), opening)
    return Imported(
        source=SOURCE,
        origin=name_of(found.get("conversation_id") or found.get("id")),
        title=title_of(found.get("title")),
        created_at=created,
        updated_at=max([time_of(found.get("update_time"), created), *(each.created_at for each in kept.values())]),
        messages=messages,
        is_archived=found.get("is_archived") is True,
        left_out=left_out,
        left_at=taken_as(found.get("current_node"), parents, messages),
    )


def _message(key: str, found: object, created: float) -> ImportedMessage | None:
    """What somebody saw as a message of theirs, as an answer, or as the thoughts before one."""
    if not isinstance(found, dict):
        return None
    author, content, about = (_dict(found.get(name)) for name in ("author", "content", "metadata"))
    role = author.get("role")
    if role not in ("user", "assistant") or about.get("is_visually_hidden_from_conversation") is True:
        return None
    # What an answer says to a tool is for nobody to read.
    kind = content.get("content_type", "text")
    if found.get("recipient") not in (None, "all") or kind not in (*TEXTS, THOUGHTS):
        return None
    parts = content.get("parts")
    parts = parts if isinstance(parts, list) else [content.get("text")]
    texts = [each if isinstance(each, str) else text_of(_dict(each).get("text")) for each in parts]
    text = "\n\n".join(each for each in texts if each.strip())
    thoughts = [
        text_of(each.get("content")) or text_of(each.get("summary")) for each in dicts_of(content.get(THOUGHTS))
    ]
    thinking = "\n\n".join(each for each in thoughts if each.strip()) if kind == THOUGHTS else ""
    files = _files(parts, about)
    if not (text or thinking or files):
        return None
    at = time_of(found.get("create_time"), created)
    is_answer = role == "assistant"
    return ImportedMessage(
        key=key,
        parent=None,
        role=role,
        text=text,
        thinking=thinking if is_answer else "",
        model=name_of(about.get("model_slug")) if is_answer else "",
        created_at=at,
        finished_at=at if is_answer else None,
        files=files,
    )


def _files(parts: list[object], about: dict[str, Any]) -> list[ImportedFile]:
    """What was sent along; a picture is named twice, and only once with its name."""
    files: dict[str, ImportedFile] = {}
    for place, each in enumerate(dicts_of(about.get("attachments"))):
        inside = _inside(each.get("id"))
        size = each.get("size")
        size = size if isinstance(size, int) and 0 < size < 2**53 else 0
        files[inside or f"attached {place}"] = ImportedFile(text_of(each.get("name")), inside=inside, size=size)
    for place, part in enumerate(parts):
        if isinstance(part, dict) and not text_of(part.get("text")):
            inside = _inside(part.get("asset_pointer"))
            files.setdefault(inside or f"part {place}", ImportedFile(PICTURE, inside=inside))
    return list(files.values())


def _inside(pointer: object) -> str:
    """How its name begins in the ZIP file."""
    found = NAME.search(text_of(pointer))
    return found[0] if found else ""


def _made_by_a_tool(found: object) -> int:
    """How many pictures; here, answers have none."""
    message = _dict(found)
    parts = _dict(message.get("content")).get("parts")
    is_tool = _dict(message.get("author")).get("role") == "tool"
    return sum(bool(_inside(each.get("asset_pointer"))) for each in dicts_of(parts)) if is_tool else 0


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
