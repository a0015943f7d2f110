"""How much of a growing text is final: its position is the only cursor, and what was shown never changes."""

from __future__ import annotations

import re
from dataclasses import dataclass

from insight_app.rendering import fences, finish
from insight_app.rendering.fences import Fence
from insight_app.rendering.growing import GrowingText
from insight_app.rendering.pieces import Change, changes, list_of, piece, polished
from insight_app.rendering.segments import Item, Segment, Split, split

__all__ = ["START", "Change", "GrowingText", "Progress", "Step", "advance", "resume", "snapshot"]

# An open block is shown anew when it has grown by this part of what it has beyond so many characters, so that all
# its showings together cost in proportion to its length.
GROWTH = 24
SMALL = 200
LOOSE_MARKS = re.compile(r"[ \t>]*[-=*_+~`#|:][-=*_+~`#|: \t]*")


@dataclass(frozen=True, slots=True)
class Progress:
    """What a reader has: all that stands before `position` for good; `read` is how far it saw the text at all.

    `item` is the next item of the list at the end of what it has, `fence` the code block that is open there.
    """

    position: int = 0
    read: int = 0
    item: Item | None = None
    fence: Fence | None = None


START = Progress()


@dataclass(frozen=True, slots=True)
class Step:
    """Changes to what is done, in order; the new tail, or None where the old one may stay; the progress made."""

    changes: tuple[Change, ...]
    tail: str | None
    progress: Progress


def advance(text: GrowingText, seen: Progress, *, ended: bool = False, eager: bool = False) -> Step:
    """What a reader that has seen so much is to be shown next.

    A large open block is worth showing only now and then: `eager` shows it at once. `ended`: nothing more will come.
    """
    if not ended and not _is_worthwhile(len(text), seen, eager=eager):
        return Step((), None, seen)
    made: tuple[Change, ...] = ()
    start = seen.position
    if len(text) - start > finish.MOST_MARKDOWN and not seen.fence:
        return _as_written(text, seen, ended=ended)
    if seen.fence:
        made, start, closed = _follow_code(text, start, seen.fence, ended=ended)
        if not closed:
            return Step(made, None, Progress(start, len(text), None, seen.fence))
    source = text.since(start) if ended else _without_loose_marks(text.since(start))
    parts = split(source, base=start, listed=seen.item.number if seen.item else None, ended=ended)
    final, rest = parts.segments[: parts.final], parts.segments[parts.final :]
    made += tuple(changes((segment, piece(source[segment.start : segment.end])) for segment in final))
    if not rest:
        end = len(source) if ended else final[-1].end if final else 0
        return Step(made, "", Progress(start + end, len(text)))
    if rest[0].fence:
        html, end = _open_code(rest[0].fence, source, rest[0].fence.start - start)
        return Step((*made, Change("append", html)), "", Progress(start + end, len(text), None, rest[0].fence))
    return Step(made, _tail(source, parts), Progress(start + rest[0].start, len(text), _continued(rest[0])))


def resume(text: GrowingText, position: int) -> Progress | None:
    """The progress of a reader that was told this position; None where nobody can have been, and it starts anew.

    So does one of a text that is too long to be drawn, whose open part has no end that could be known again.
    """
    if len(text) > finish.MOST_MARKDOWN:
        return START if position == 0 else None
    source = text.since(0)
    parts = split(source)
    ends = {parts.segments[-1].end} if parts.final == len(parts.segments) > 0 else set()
    for segment in parts.segments:
        if position == segment.start:
            return Progress(position, position, _continued(segment))
        if segment.fence and segment.start < position <= segment.end and _is_code(source, segment.fence, position):
            return Progress(position, position, fence=segment.fence)
    return Progress(position, position) if position in {0, len(text), *ends} else None


def snapshot(text: GrowingText, *, ended: bool = False) -> tuple[str, str, Progress]:
    """What a page that is opened now shows: what is done, the tail, and the progress to go on from."""
    step = advance(text, START, ended=ended, eager=True)
    return "".join(change.html for change in step.changes), step.tail or "", step.progress


def _is_worthwhile(length: int, seen: Progress, *, eager: bool) -> bool:
    fresh = length - seen.read
    return fresh > 0 and (eager or fresh * GROWTH >= seen.read - seen.position - SMALL)


def _without_loose_marks(source: str) -> str:
    """A line that has only begun, with marks alone, is left for later: a - would flash as a heading's underline."""
    line = max(source.rfind("\n"), source.rfind("\r")) + 1
    return source[:line] if LOOSE_MARKS.fullmatch(source, line) else source


def _as_written(text: GrowingText, seen: Progress, *, ended: bool) -> Step:
    """So much at once that it is shown as it was written."""
    plain = finish.as_plain(text.since(seen.position))
    if ended:
        return Step((Change("append", plain),), "", Progress(len(text), len(text)))
    return Step((), plain, Progress(seen.position, len(text), seen.item))


def _continued(segment: Segment) -> Item | None:
    return segment.item if segment.item and not segment.item.first else None


def _is_code(source: str, fence: Fence, position: int) -> bool:
    start = fences.code_start(source, fence.start)
    closing = fences.end_of(fence, source, start, ended=False)
    end = closing[0] if closing else fences.certain(fence, source, start)
    return start <= position <= end and source[position - 1 : position + 1] != "\r\n"


def _follow_code(text: GrowingText, start: int, fence: Fence, *, ended: bool) -> tuple[tuple[Change, ...], int, bool]:
    """What came to an open code block, where that ends in the text, and whether the block is closed."""
    source = text.since(start - 1)
    closing = fences.end_of(fence, source, 1, ended=ended)
    if closing or ended:
        end = start - 1 + closing[1] if closing else len(text)
        # The line end that follows the element is on the page already.
        html = piece(text.since(fence.start)[: end - fence.start]).rstrip("\n")
        return (Change("replace", html),), end, True
    code, end = _more_code(fence, source, 1)
    return (Change("extend", code),) if code else (), start - 1 + end, False


def _open_code(fence: Fence, source: str, at: int) -> tuple[str, int]:
    """An open code block with what is certain of its code, and where that ends in the source."""
    start = fences.code_start(source, at)
    code, end = _more_code(fence, source, start)
    before, tag, after = piece(source[at:start], draft=True).partition("</code>")
    return f"{before}{code}{tag}{after}", end


def _more_code(fence: Fence, source: str, at: int) -> tuple[str, int]:
    end = fences.certain(fence, source, at)
    return fences.as_text(fence, source, at, end), end


def _tail(source: str, parts: Split) -> str:
    """The open segments, shown as if nothing more came; an open list goes on in a list of its own."""
    rest = parts.segments[parts.final :]
    if parts.final == 0 and (len(rest) == 1 or not any(segment.item for segment in rest)):
        shown = [(Segment(0, len(source), rest[0].item), polished(parts.html, source, draft=True))]
    else:
        shown = [(segment, piece(source[segment.start : segment.end], draft=True)) for segment in rest]
    made = changes(shown)
    if made and made[0].kind == "extend" and rest[0].item:
        made[0] = Change("append", list_of(rest[0].item, made[0].html, attributes=' class="continues"'))
    return "".join(change.html for change in made)
