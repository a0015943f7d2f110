"""A conversation as a Markdown document that reads as it was written: what somebody said cannot become its outline."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timezone
from typing import Any

from insight_app.words import _

Row = Mapping[str, Any]
LINE = re.compile(r"\r\n|\r|\n|\v|\f|\x1c|\x1d|\x1e|\x85|\u2028|\u2029")
MARKUP = re.compile(r"([\\`*_{}\[\]<>#+\-.!|~$&])")
UNSAFE = re.compile(r"[^\w\- ]+", re.ASCII)  # in headers, and on every disk
LONGEST_NAME = 60


def document(conversation: Row, messages: Iterable[Row]) -> Iterator[str]:
    """Its pieces. Prompts and thoughts are quotations, line by line, under headings that only we write."""
    yield f"# {_plain(conversation['title'])}\n"
    if instructions := conversation.get("instructions"):
        told = _("Instructions for the model:")
        yield f"\n{told}\n\n{_quoted(instructions)}\n"
    for message in messages:
        yield from _message(message)


def file_name(title: str, id: str, ending: str) -> str:
    """A name that every system takes, and that no two conversations share; it leads into no other folder."""
    words = UNSAFE.sub(" ", title)
    words = "-".join(words.split())[:LONGEST_NAME].strip("-")
    parts = (words or "conversation", UNSAFE.sub("", id)[:32])
    return f"{'-'.join(each for each in parts if each)}.{ending}"


def _message(message: Row) -> Iterator[str]:
    is_prompt = message["role"] == "user"
    said = _("You") if is_prompt else _("Answer")
    about = [_date(message["created_at"])]
    if not is_prompt:
        about += [_plain(message["model"] or ""), "" if message["state"] == "done" else str(message["state"])]
        about.append({1: "\U0001f44d", -1: "\U0001f44e"}.get(message.get("rating") or 0, ""))
    if message.get("others"):
        about.append(_("%(number)s of %(count)s", number=message["number"], count=message["others"]))
    yield f"\n## {said}\n\n*{' · '.join(each for each in about if each)}*\n\n"
    for each in message.get("attachments", ()):
        yield _("Attached: %(name)s", name=_plain(each["name"])) + "\n\n"
    if message.get("thinking"):
        thoughts = _("Thoughts")
        yield f"> **{thoughts}**\n>\n{_quoted(message['thinking'])}\n\n"
    if message["text"] or not is_prompt:
        yield f"{_quoted(message['text'])}\n" if is_prompt else f"{_answer(message['text'])}\n"


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() if not line.strip() else f"> {line}" for line in LINE.split(text))


def _answer(text: str) -> str:
    """Markdown as it is, with what it left open closed, or the rest of the document would be in it."""
    fence = ""
    for line in LINE.split(text):
        found = re.match(r" {0,3}(`{3,}|~{3,})(.*)", line)
        if found and not fence and not (found[1][0] == "`" and "`" in found[2]):
            fence = found[1]
        elif found and fence and found[1].startswith(fence) and not found[2].strip():
            fence = ""
    return f"{text}\n{fence}" if fence else text


def _plain(text: str) -> str:
    """One line that means nothing in Markdown."""
    return MARKUP.sub(r"\\\1", " ".join(text.split()))


def _date(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    except (ValueError, OverflowError, OSError):
        return ""
