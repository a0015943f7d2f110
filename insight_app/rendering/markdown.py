"""A whole answer as safe HTML: the same pieces that were streamed while it was written."""

from __future__ import annotations

from insight_app.rendering import definitions, finish
from insight_app.rendering.commonmark import sound
from insight_app.rendering.pieces import changes, piece
from insight_app.rendering.segments import split


def render(text: str) -> str:
    """The HTML of a finished answer. Links may refer to definitions anywhere in it."""
    text = sound(text)
    if len(text) > finish.MOST_MARKDOWN:
        return finish.as_plain(text)
    segments = split(text, ended=True).segments
    known = definitions.collect(text, segments)
    pieces = []
    for segment in segments:
        source = text[segment.start : segment.end]
        pieces.append((segment, piece(source, references=definitions.needed(known, source))))
    return "".join(change.html for change in changes(pieces))


def has_definitions(text: str) -> bool:
    """Whether `render(text)` may have links that the streamed pieces lack: the morph at an answer's end brings them."""
    text = sound(text)
    return definitions.MAYBE.search(text) is not None and bool(
        definitions.collect(text, split(text, ended=True).segments)
    )
