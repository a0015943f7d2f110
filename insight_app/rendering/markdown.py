"""A whole answer as safe HTML: the same pieces that were streamed while it was written."""

from __future__ import annotations

from collections.abc import Iterable

from insight_app.rendering import definitions, finish, footnotes
from insight_app.rendering.commonmark import sound
from insight_app.rendering.pieces import changes, piece
from insight_app.rendering.segments import Segment, split


def render(text: str, *, scope: str = "text") -> str:
    """The HTML of a finished answer. Links may refer to definitions anywhere in it, and to footnotes.

    `scope` begins the ids of its footnotes: something that no other text on the page has.
    """
    text = sound(text)
    if len(text) > finish.MOST_MARKDOWN:
        return finish.as_plain(text)
    parts = _parts(text)
    if not footnotes.has_notes(_prose(parts)):
        return _drawn(parts)
    bodies, notes = footnotes.apart("" if segment.fence else source for segment, source in parts)
    rest = [
        (segment, source if segment.fence else body)
        for (segment, source), body in zip(parts, bodies, strict=True)
        if segment.fence or segment.item or body
    ]
    return footnotes.annotated(_drawn(rest), notes, lambda note: _drawn(_parts(note)), scope)


def has_definitions(text: str) -> bool:
    """Whether `render(text)` may have links that the streamed pieces lack: the morph at an answer's end brings them."""
    text = sound(text)
    if definitions.MAYBE.search(text) is None:
        return False
    prose = _prose(_parts(text))
    return footnotes.has_notes(prose) or bool(definitions.collect(prose))


def _parts(text: str) -> list[tuple[Segment, str]]:
    return [(segment, text[segment.start : segment.end]) for segment in split(text, ended=True).segments]


def _prose(parts: Iterable[tuple[Segment, str]]) -> list[str]:
    return [source for segment, source in parts if not segment.fence]


def _drawn(parts: list[tuple[Segment, str]]) -> str:
    known = definitions.collect(_prose(parts))
    pieces = [(segment, piece(source, references=definitions.needed(known, source))) for segment, source in parts]
    return "".join(change.html for change in changes(pieces))
