"""Footnotes of a finished answer: [^1] becomes a link to the note that stands at its end, and the note links back.

While an answer grows both are shown as they are written, since a note is mostly known last; the morph at the answer's
end brings them to their places, as it does with link references.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from html import escape, unescape

from insight_app.words import _

LABEL = r"\[\^([^\[\]\s]{1,100})\]"
NOTE = re.compile(rf"(?:\A|(?<=[\r\n])){LABEL}:[ \t]*")
REFERENCE = re.compile(LABEL)
INDENT = re.compile(r"\A(?: {4}|\t)")
LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|\Z)")
TAG = re.compile(r'<(/?)([a-z0-9]+)(?:[^<>"]|"[^"]*")*>')
# What is code, a formula or a link already stays what it is.
UNTOUCHED = frozenset({"code", "pre", "a", "math", "button"})
# A hostile text of references alone would become fifty times as long.
MOST_NOTES = 500
MOST_REFERENCES = 2_000
Draw = Callable[[str], str]


def apart(sources: Iterable[str]) -> tuple[list[str], dict[str, str]]:
    """Segments without their notes, and the notes' Markdown by label: the first of a label counts, others stay text."""
    bodies: list[str] = []
    notes: dict[str, str] = {}
    open_note: str | None = None
    for source in sources:
        body, open_note = _apart(source, notes, open_note)
        bodies.append(body)
    return bodies, notes


def has_notes(sources: Iterable[str]) -> bool:
    return any(NOTE.search(source) for source in sources)


def annotated(html: str, notes: dict[str, str], draw: Draw, scope: str) -> str:
    """The safe HTML with links to its notes, and the notes after it. `scope` keeps the ids of a page's answers apart.

    What is added are numbers and the scope alone, so it needs no guard. Notes that nothing refers to come last.
    """
    numbers: dict[str, int] = {}
    uses: dict[int, int] = {}

    def refer(found: re.Match[str]) -> str:
        label = unescape(found[1]).casefold()
        if label not in notes or sum(uses.values()) >= MOST_REFERENCES:
            return found[0]
        number = numbers.setdefault(label, len(numbers) + 1)
        uses[number] = uses.get(number, 0) + 1
        name = _("Note %(number)s", number=number)  # not in the text below, where Babel would not find it
        return (
            f'<sup class="note-ref"><a href="#{scope}-note-{number}" id="{_place(scope, number, uses[number])}"'
            f' aria-label="{escape(name)}">{number}</a></sup>'
        )

    text = _in_text(html, refer)
    drawn: dict[str, str] = {}
    while len(drawn) < len(notes):
        label = next(each for each in (*numbers, *notes) if each not in drawn)
        numbers.setdefault(label, len(numbers) + 1)
        drawn[label] = _in_text(draw(notes[label]), refer)
    items = [_item(scope, numbers[label], uses.get(numbers[label], 0), html) for label, html in drawn.items()]
    name = escape(_("Notes"))
    return f'{text}<div class="notes" role="group" aria-label="{name}">\n<ol>\n{"".join(items)}</ol>\n</div>\n'


def _apart(source: str, notes: dict[str, str], label: str | None) -> tuple[str, str | None]:
    """The rest of a segment after one that ended in the note `label`, and the note that this one ends in."""
    kept: list[str] = []
    was_blank = True
    for line in LINE.findall(source):
        begun = NOTE.match(line)
        fresh = unescape(begun[1]).casefold() if begun else ""
        if begun and fresh not in notes and len(notes) < MOST_NOTES:
            label = fresh
            notes[label] = line[begun.end() :]
        elif label is not None and (not line.strip() or not was_blank or line.startswith(("    ", "\t"))):
            notes[label] += INDENT.sub("", line)
        else:
            label = None
            kept.append(line)
        was_blank = not line.strip()
    return "".join(kept), label


def _in_text(html: str, refer: Callable[[re.Match[str]], str]) -> str:
    """The HTML with what `refer` makes of each reference in its text."""
    out: list[str] = []
    end = depth = 0
    for tag in TAG.finditer(html):
        text = html[end : tag.start()]
        out.append(text if depth else REFERENCE.sub(refer, text))
        out.append(tag[0])
        end = tag.end()
        if tag[2] in UNTOUCHED:
            depth = max(0, depth - 1) if tag[1] else depth + 1
    out.append(html[end:] if depth else REFERENCE.sub(refer, html[end:]))
    return "".join(out)


def _place(scope: str, number: int, use: int) -> str:
    return f"{scope}-ref-{number}" + (f"-{use}" if use > 1 else "")


def _item(scope: str, number: int, uses: int, html: str) -> str:
    back = "".join(
        f' <a class="back" href="#{_place(scope, number, use)}" aria-label="{escape(_way_back(number, use))}">↩</a>'
        for use in range(1, uses + 1)
    )
    inner = html.rstrip("\n")
    if inner.endswith("</p>"):
        return f'<li id="{scope}-note-{number}">{inner[:-4]}{back}</p></li>\n'
    return f'<li id="{scope}-note-{number}">{inner}{back}</li>\n'


def _way_back(number: int, use: int) -> str:
    if use == 1:
        return _("Back to note %(number)s in the text", number=number)
    return _("Back to note %(number)s in the text, place %(use)s", number=number, use=use)
