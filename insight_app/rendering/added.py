"""A growing text as HTML that is only ever added to: for pages that nothing can change once they are sent.

What is not final yet is sent again and again, as elements of the class `provisional`. Each hides the one before it
(static/css/streamed.css), and the next final block hides the last one.
"""

from __future__ import annotations

from insight_app.rendering import progress
from insight_app.rendering.growing import GrowingText
from insight_app.rendering.pieces import list_of
from insight_app.rendering.progress import START, Step


class Added:
    """How much of one text is on one page. Not thread-safe."""

    def __init__(self) -> None:
        self._seen = START
        self._has_tail = False
        self._code_end = ""  # what closes the code block that is open; "" for none

    @property
    def read(self) -> int:
        """How many characters the page has been shown, for good or not."""
        return self._seen.read

    @property
    def is_in_code(self) -> bool:
        """Whether what comes next comes into a code block."""
        return bool(self._code_end)

    def more(self, text: GrowingText, *, ended: bool = False, eager: bool = False) -> str:
        """What the page lacks, "" where nothing is worth showing; as progress.advance."""
        step = progress.advance(text, self._seen, ended=ended, eager=eager)
        html = self._blocks(step) + self._tail(step)
        self._seen = step.progress
        return html

    def closed(self) -> str:
        """What ends the elements that are open, where nothing of the text comes any more."""
        end, self._code_end = self._code_end, ""
        return end

    def _blocks(self, step: Step) -> str:
        made: list[str] = []
        for change in step.changes:
            if change.kind == "append":
                made.append(change.html)
            elif change.kind == "replace":  # the same code, in colour
                made += (self.closed(), change.html)
            elif self._code_end:
                made.append(change.html)
            elif self._seen.item:  # an element that is closed takes no more items
                made.append(list_of(self._seen.item, change.html, attributes=' class="continues"'))
        if step.progress.fence and not self._code_end:
            code, end, after = made.pop().rpartition("</code>")
            made.append(f'<div class="provisional">{code}')
            self._code_end = f"{end}{after}</div>"
        return "".join(made)

    def _tail(self, step: Step) -> str:
        is_new = bool(step.tail)
        # Where a block comes after it, that hides the old one.
        is_gone = step.tail == "" and self._has_tail and not step.changes
        if step.tail is not None:
            self._has_tail = is_new
        return f'<div class="tail provisional">{step.tail}</div>' if is_new or is_gone else ""
