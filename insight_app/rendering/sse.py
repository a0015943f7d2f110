"""Server-sent events as bytes: an event carries any text, unchanged."""

from __future__ import annotations

import re

# The only line ends of an event stream. str.splitlines would also split at U+2028 and others, and so change the text.
LINE_END = re.compile(r"\r\n|\r|\n")


def event(data: str, *, id: int | str | None = None, name: str | None = None) -> bytes:
    """One event. `id` is what the browser sends back as Last-Event-ID, `name` the event's type.

    Raises ValueError where id or name hold a line end (or the id a NUL, which makes browsers ignore it).
    """
    lines = []
    if name is not None:
        lines.append(f"event: {_field(name)}")
    if id is not None:
        lines.append(f"id: {_field(str(id))}")
    data = data.replace("\r\n", "\n").replace("\r", "\n")
    lines.append("data: " + data.replace("\n", "\ndata: "))
    return ("\n".join(lines) + "\n\n").encode("utf-8", "replace")


def comment(text: str = "") -> bytes:
    """What a browser ignores and a proxy counts as a sign of life."""
    return ("".join(f": {line}\n" for line in LINE_END.split(text)) + "\n").encode("utf-8", "replace")


def _field(value: str) -> str:
    if LINE_END.search(value) or "\0" in value:
        raise ValueError(f"an event's id and name are one line of text, not {value!r}")
    return value
