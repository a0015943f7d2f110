"""HTML that is only ever added to shows, at every moment, what a page shows that is opened then."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st
from test_chat_stream import TEXTS

from insight_app.rendering import progress
from insight_app.rendering.added import Added
from insight_app.rendering.growing import GrowingText
from insight_app.rendering.progress import START


@dataclass
class Element:
    tag: str
    attributes: dict[str, str | None] = field(default_factory=dict)
    children: list[Element | str] = field(default_factory=list)

    def has(self, name: str) -> bool:
        return name in (self.attributes.get("class") or "").split()


class Tree(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.open = [Element("all")]
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, dict(attrs))
        self.open[-1].children.append(element)
        if tag not in ("br", "hr", "input", "img"):
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop().tag == tag

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def seen(element: Element) -> list[Element | str]:
    """What of an element is seen, as the style sheet has it; a list that is continued is one list."""
    found: list[Element | str] = []
    for at, child in enumerate(element.children):
        if isinstance(child, str):
            if child.strip() or element.tag in ("pre", "code"):
                found.append(child)
            continue
        if child.has("provisional"):
            if not any(isinstance(after, Element) for after in element.children[at + 1 :]):
                found += seen(child)
            continue
        child = Element(child.tag, child.attributes, seen(child))
        before = found[-1] if found else None
        if child.has("continues") and isinstance(before, Element) and before.tag == child.tag:
            before.children += child.children
        else:
            found.append(child)
    return joined(found)


def joined(children: list[Element | str]) -> list[Element | str]:
    """The same with no two texts beside each other."""
    made: list[Element | str] = []
    for child in children:
        if isinstance(child, str) and made and isinstance(made[-1], str):
            made[-1] += child
        else:
            made.append(child)
    return made


def merged(html: str) -> list[Element | str]:
    found: list[Element | str] = []
    for child in seen(Tree(html).open[0]):
        before = found[-1] if found else None
        if isinstance(child, Element) and child.has("continues") and isinstance(before, Element):
            before.children += child.children
        else:
            found.append(child)
    return found


class Changed:
    """What a page shows that can be changed, as htmx changes it."""

    def __init__(self) -> None:
        self.progress = START
        self.done = self.tail = ""

    def more(self, text: GrowingText, *, ended: bool = False, eager: bool = False) -> None:
        step = progress.advance(text, self.progress, ended=ended, eager=eager)
        self.progress = step.progress
        for change in step.changes:
            if change.kind == "append":
                self.done += change.html
            elif change.kind == "replace":
                self.done = self.done[: self.done.rindex('<div class="code"')] + change.html
            else:
                end = max(self.done.rfind(each) for each in ("</code>", "</ul>", "</ol>"))
                self.done = self.done[:end] + change.html + self.done[end:]
        self.tail = self.tail if step.tail is None else step.tail


@given(
    text=TEXTS,
    sizes=st.lists(st.integers(1, 40), min_size=1),
    eager=st.lists(st.booleans(), min_size=1),
    late=st.integers(0, 5),
)
def test_what_is_seen_is_what_a_page_shows_that_can_be_changed(
    text: str, sizes: list[int], eager: list[bool], late: int
) -> None:
    growing, added, changed, html, at, step = GrowingText(), Added(), Changed(), "", 0, 0
    while at < len(text):
        size, is_eager = sizes[step % len(sizes)], eager[step % len(eager)]
        growing.append(text[at : at + size])
        at, step = at + size, step + 1
        if step > late:  # a page may be opened at any time
            html += added.more(growing, eager=is_eager)
            changed.more(growing, eager=is_eager)
            assert merged(html + copy(added).closed()) == merged(changed.done + changed.tail)
    html += added.more(growing, ended=True)
    changed.more(growing, ended=True)
    assert merged(html + added.closed()) == merged(changed.done)
    assert merged(changed.done) == merged(progress.snapshot(growing, ended=True)[0])


def test_nothing_is_open_where_nothing_comes_any_more() -> None:
    growing, added = GrowingText("```py\nx = 1\ny"), Added()
    html = added.more(growing, eager=True) + added.closed()
    assert not Tree(html).open[1:]
    assert added.closed() == ""


def test_a_line_of_an_open_block_is_sent_once() -> None:
    growing, added = GrowingText("```py\n"), Added()
    html = added.more(growing, eager=True)
    for number in range(50):
        growing.append(f"line_{number}\n")
        html += added.more(growing, eager=True)
    assert all(html.count(f"line_{number}\n") == 1 for number in range(50))


def test_what_is_sent_of_a_long_paragraph_is_in_proportion_to_it() -> None:
    growing, added, size = GrowingText(), Added(), 0
    for _ in range(5_000):
        growing.append("word ")
        size += len(added.more(growing))
    assert size < 40 * len(growing)
