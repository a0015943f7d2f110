"""Where a text may be cut: its top-level blocks, the items of its top-level lists, its fenced code.

Each segment, rendered alone, gives its part of the whole, and does not change when text is added. comrak says
where blocks are; a block is certain once its first line is complete, or its first characters cannot turn into
something else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from insight_app.rendering import fences
from insight_app.rendering.commonmark import LINE_END, to_positioned_html
from insight_app.rendering.fences import Fence

BLOCK = re.compile(
    r"<(?:/(?:ul|ol|blockquote)>"
    r'|(ul|ol|blockquote|li|p|h[1-6]|pre|table|hr) data-sourcepos="(\d+):\d+-(\d+):\d+"(?: start="(\d+)")?)'
)
BLANK = " \t\r\n"
# A paragraph that begins like this may turn out to be a link's definition, and be gone, until something follows it.
MAYBE_DEFINITION = re.compile(r" {0,3}\[")
# A line that begins like this, complete or not, is what it is: a heading, an item, or a paragraph that has words. So
# what stands before a paragraph is final when the paragraph begins, not when it has ended: most are one long line.
DECIDED = re.compile(r"(?:#{1,6} +|[-+*] +|[0-9]{1,9}[.)] +)?(?:\*\*?|[\"'(\u201c\u00ab])?[^\W\d_]")


class Item(NamedTuple):
    """An item of a top-level list: its number, and whether it is the list's first in this source."""

    ordered: bool
    number: int
    first: bool


@dataclass(frozen=True, slots=True)
class Segment:
    start: int
    end: int
    item: Item | None = None
    fence: Fence | None = None


class Split(NamedTuple):
    """The segments of a source, how many of them are final, and the HTML of the whole source."""

    segments: list[Segment]
    final: int
    html: str


class _Block(NamedTuple):
    kind: str
    line: int
    last: int
    item: Item | None


def split(source: str, *, base: int = 0, listed: int | None = None, ended: bool = False) -> Split:
    """Cuts a source that begins where a segment begins.

    `base` is its position in the whole text; `listed` the number of its first item, where it begins inside an open
    list. Without `ended` more may come, and an incomplete line may still become anything.
    """
    html = to_positioned_html(source)
    blocks = _blocks(html, listed)
    lines = [0, *(end.end() for end in LINE_END.finditer(source))]
    complete = len(lines) - 1 - (source.endswith("\r") and not ended)
    segments: list[Segment] = []
    final = begin = 0
    current: _Block | None = None
    for index, block in enumerate(blocks):
        at = lines[block.line - 1]
        if current and _is_table_of(current, block):
            continue
        if current or source[begin:at].strip(BLANK):
            segments.append(Segment(begin, at, current.item if current else None))
            begin = at
            followed = index + 1 < len(blocks) and _is_certain(blocks[index + 1], complete)
            decided = block.line <= complete or DECIDED.match(source, at)
            if decided and (followed or not MAYBE_DEFINITION.match(source, at)):
                final = len(segments)
        current = block
        fence = fences.opened(source, at, base + at) if block.kind == "pre" and block.line <= complete else None
        if fence:
            closing = fences.end_of(fence, source, lines[block.line], ended=ended)
            end = closing[1] if closing else len(source)
            segments.append(Segment(begin, end, fence=fence))
            begin, current = end, None
            final = len(segments) if closing else len(segments) - 1
    if current or source[begin:].strip(BLANK):
        segments.append(Segment(begin, len(source), current.item if current else None))
    return Split(segments, len(segments) if ended else final, html)


def _is_table_of(paragraph: _Block, block: _Block) -> bool:
    """A table's first row may have been a line of the paragraph before it; alone it could be anything else."""
    return block.kind == "table" and paragraph.kind == "p" and paragraph.last == block.line - 1


def _is_certain(block: _Block, complete: int) -> bool:
    """Whether it ends the block before it: a table does not until its second line is complete."""
    return block.line + (block.kind == "table") <= complete


def _blocks(html: str, listed: int | None) -> list[_Block]:
    """The top-level blocks in order, with each item of a top-level list in place of the list."""
    found: list[_Block] = []
    depth, ordered, number, first = 0, False, 1, True
    for tag in BLOCK.finditer(html):
        kind, line, last, start = tag.groups()
        if kind is None:
            depth -= 1
        elif kind == "li":
            if depth == 1:
                found.append(_Block(kind, int(line), int(last), Item(ordered, number, first)))
                number, first = number + 1, False
        else:
            is_list = kind in ("ul", "ol")
            if depth == 0 and is_list:
                ordered, number, first = kind == "ol", int(start or 1), True
                if listed is not None and not found:
                    number, first = listed, False
            elif depth == 0:
                found.append(_Block(kind, int(line), int(last), None))
            depth += is_list or kind == "blockquote"
    return found
