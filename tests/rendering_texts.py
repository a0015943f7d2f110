"""Nasty Markdown for Hypothesis, and a page that does with changes what the browser does."""

from __future__ import annotations

import nh3
from hypothesis import settings
from hypothesis import strategies as st

from insight_app.rendering.guard import ATTRIBUTES, MATHS, TEXT
from insight_app.rendering.progress import Step

# fmt: off
LINES = (
    "# head", "## closed ##", "#", "para text", "more *em* text", "*open em", "close* em", "**b", "`c", "two  ",
    "end\\", "[a]: http://x.y 't'", "[b]: <z>", "[a]:", "http://x.y", "'title", "bar'", "[a] and [b] [c][a]",
    "[^1]: note", "a[^1] b[^n]", "[^n]: see [^1]", "[^1]: http://x.y", "    [^1]: in code",
    "===", "---", "--", "***", "* * *", "- a", "- b", "-", "- ", "* x", "+ y", "- [ ] task",
    "- [x] done", "-   wide", "  - nested", "    - deep", "   three", "1. one", "2. two", "1) p", "10. ten",
    "100. c", "     five", "  cont", "    four", "\tTab", "-\ttab", "1.\ttab", "> q", "> - ql", "> > qq", "> ```",
    "lazy", "[x](http://y)", "~~s~~", "| a | b |", "|---|:-:|", "|--", "| 1 | 2 |", "a|b", "-|-", "|", "\\begin{x}",
    "$x^2$", "$$", "\\[", "\\]", "$$a$$", "```", "```py", "``` py x", "````", "~~~", "~~~ {.x}", "  ```", "   ~~~",
    "    ```", "``` `x", "- ```", "1. ```py", "<div>", "</div>", "<script>", "</script>", "<!-- c", "-->", "<?php",
    "?>", "<!X", "]]>", "<![CDATA[", "<b>x</b>", "<pre>", "</pre>", "<span>", "&amp; &#35; &copy", "\\", "\0nul",
    "\u2028sep", "\u00a0", "\ufeffbom", "\ud800", "😀", "שלום", "<http://a.b>", "www.x.com", "a@b.c",
    "![i](http://z/q.png)", "```math", "\x0c", "&lt;", "  ", "\t", "    ",
)
# fmt: on
MARKS = "ab1 \n\n\t\r*_`~#->+.)=|:[]()!<>/&;\\$'\"^@{}0"
line = st.one_of(
    st.sampled_from(LINES),
    st.just(""),
    st.builds(str.__add__, st.sampled_from(["> ", "- ", "1. ", "  ", "    ", "\t"]), st.sampled_from(LINES)),
    st.builds(str.__add__, st.sampled_from(LINES), st.sampled_from(LINES)),
    st.text(MARKS, max_size=20),
)
line_end = st.sampled_from(["\n"] * 8 + ["\n\n", "\r\n", "\r", "\n \n", ""])
markdown = st.one_of(
    st.lists(line, max_size=16).map("\n".join),
    st.lists(line, max_size=12).map("\r\n".join),
    st.lists(st.builds(str.__add__, line, line_end), max_size=14).map("".join),
)
# What everything else rests on is tried more often than the rest.
often = settings(max_examples=3 * settings().max_examples)
# Lengths of the chunks that a text arrives in, used again and again until it ends.
chunking = st.lists(st.integers(1, 30), min_size=1, max_size=8)


def chunks(text: str, lengths: list[int]) -> list[str]:
    found: list[str] = []
    start = 0
    while start < len(text):
        length = lengths[len(found) % len(lengths)]
        found.append(text[start : start + length])
        start += length
    return found


# As the guard, but for what is put into its work: links to notes and back.
WITH_NOTES = nh3.Cleaner(
    tags=TEXT | MATHS | {"sup"},
    attributes={
        **ATTRIBUTES,
        "a": {"href", "title", "target", "rel", "id", "class", "aria-label"},
        "li": {"dir", "id"},
        "sup": {"class"},
    },
    tag_attribute_values={"input": {"type": {"checkbox"}}},
    link_rel=None,
    url_schemes={"http", "https", "mailto"},
    url_relative="pass_through",
)


class Page:
    """The two elements of an answer: `done`, one entry for each append, and `tail`."""

    def __init__(self, done: list[str] | None = None) -> None:
        self.done = done or []
        self.tail = ""

    def take(self, step: Step) -> None:
        for change in step.changes:
            if change.kind == "append":
                self.done.append(change.html)
            elif change.kind == "replace":
                assert self.done[-1].startswith('<div class="code"')
                self.done[-1] = change.html + "\n"
            else:
                self.done[-1] = extended(self.done[-1], change.html)
        if step.tail is not None:
            self.tail = step.tail

    def __str__(self) -> str:
        return "".join(self.done)


def extended(element: str, html: str) -> str:
    """The open container with the html at its end: a code block's <code>, or the list itself."""
    closing = "</code></pre></div>" if element.startswith("<div") else f"</{element[1:3]}>"
    before, found, after = element.rpartition(closing)
    assert found
    assert not after.strip()
    return before + html + found + after
