"""Segments become changes: what a page that shows the text so far has to append, extend or replace."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from insight_app.rendering.commonmark import to_html
from insight_app.rendering.finish import as_plain, finish, is_bearable
from insight_app.rendering.segments import Item, Segment


@dataclass(frozen=True, slots=True)
class Change:
    """`append`: to the end of the answer. `extend`: to the end of its last element, which is an open list (items) or
    an open code block (text, into its <code>). `replace`: in place of its last element, an open code block."""

    kind: Literal["append", "extend", "replace"]
    html: str


def piece(source: str, *, references: str = "", draft: bool = False) -> str:
    """The HTML of one segment. `references` are the definitions that its links may need."""
    return polished(to_html(references + source), source, draft=draft)


def polished(html: str, source: str, *, draft: bool) -> str:
    """comrak's HTML of that source, made fit for the page."""
    return finish(html, draft=draft) if is_bearable(html, source) else as_plain(source)


def changes(parts: Iterable[tuple[Segment, str]]) -> list[Change]:
    """The fewest changes that bring these segments, each with its HTML, to the page."""
    made: list[Change] = []
    run: list[str] = []
    opener: Item | None = None
    for segment, html in parts:
        item = segment.item
        if opener and (item is None or item.first):
            made.append(_list(opener, run))
            opener = None
        if item is None:
            if html:
                made.append(Change("append", html))
            continue
        if opener is None:
            opener, run = item, []
        text, rest = _unwrapped(html, item)
        run.append(text)
        if rest:
            made += [_list(opener, run), Change("append", rest)]
            opener = None
    if opener:
        made.append(_list(opener, run))
    return made


def list_of(item: Item, items: str, *, attributes: str = "") -> str:
    """A list of these <li>, of which the first is this item."""
    start = f' start="{item.number}"' if item.ordered and item.number != 1 else ""
    return f"<{_tag(item)}{attributes}{start}>\n{items}</{_tag(item)}>\n"


def _list(item: Item, items: list[str]) -> Change:
    inner = "".join(items)
    return Change("append", list_of(item, inner)) if item.first else Change("extend", inner)


def _tag(item: Item) -> str:
    return "ol" if item.ordered else "ul"


def _unwrapped(html: str, item: Item) -> tuple[str, str]:
    """The <li> of a list with one item, and what follows the list: raw HTML belongs to no block of its own."""
    end = html.rfind(f"</{_tag(item)}>")
    if not html.startswith(f"<{_tag(item)}") or end < 0:
        return f"<li>{html}</li>\n", ""
    return html[html.find("\n") + 1 : end], html[end + 5 :].lstrip("\n")
