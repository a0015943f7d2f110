"""A reply as the middle of one long page: for who has no JavaScript, an answer that appears while it is written.

A page cannot be changed once it is sent, so what was not final stays in it, hidden by what came after. At the end the
finished message follows, and hides the one that grew.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass

from insight_app.chat.messages import State
from insight_app.chat.reply import Activity, Reply
from insight_app.chat.stream import HEARTBEAT_SECONDS, SETTLE_SECONDS, STILL_SECONDS, wait_for_news
from insight_app.rendering.added import Added

# What was not final stays in the page, so it is sent more rarely than to a page that can take it away.
PAUSE_SECONDS = 0.4
# How often a page is told that it waits still, and for how long it has.
TICK_SECONDS = 5.0
STILL_THERE = "<!-- still there -->"
ANSWER_END = "</div></div>"
THOUGHTS_END = "</div></div></details>"


@dataclass(frozen=True, slots=True)
class Frame:
    """A message around its text: what comes before its thoughts, what is around those, and what begins its answer."""

    begin: str
    thoughts: str
    answer: str
    end: str = "</article>"


class Growing:
    """A message that grows on one page. Not thread-safe.

    `heard` draws what is said aloud where its thoughts or its answer begin, and, told None, where the answer goes on.
    """

    def __init__(self, reply: Reply, frame: Frame, heard: Callable[[State | None], str]) -> None:
        self._reply = reply
        self._frame = frame
        self._heard = heard
        self._next_said = 0.0
        self._thoughts = Added()
        self._answer = Added()
        self._open = ""  # what closes the part that is open: "" for none
        self._told: object = None

    @property
    def waits(self) -> bool:
        """Whether there is nothing to be seen but what is going on."""
        return not self._open

    @property
    def read(self) -> int:
        return self._thoughts.read + self._answer.read

    def begun(self) -> str:
        return self._frame.begin

    def news(self, status: Callable[[Activity], str], *, eager: bool) -> str:
        """What the page lacks, "" where nothing is new; `status` draws what is going on while there is no text."""
        reply, made = self._reply, ""
        answering = len(reply.answer) > 0
        if self._open != ANSWER_END and (len(reply.thinking) or answering):
            if self.waits and len(reply.thinking):
                self._open = THOUGHTS_END
                made += self._heard(State.THINKING) + self._frame.thoughts
            if not self.waits:
                made += self._thoughts.more(reply.thinking, ended=answering, eager=eager)
            if answering:
                made += self._close_part() + self._heard(State.WRITING) + self._frame.answer
                self._open = ANSWER_END
                self._next_said = time.monotonic() + STILL_SECONDS
        if answering:
            in_code = self._answer.is_in_code
            if more := self._answer.more(reply.answer, eager=eager):
                made += self._still(in_code) + more
            return made
        if self.waits and (activity := reply.activity).state.is_live:
            telling = activity.state, activity.problem, activity.place, int(activity.seconds / TICK_SECONDS)
            if telling != self._told:
                self._told = telling
                made += f'<p class="status provisional">{status(activity)}</p>'
        return made

    def _still(self, in_code: bool) -> str:
        """Says now and then that there is more; a code block that is open takes no word of ours."""
        if in_code or time.monotonic() < self._next_said:
            return ""
        self._next_said = time.monotonic() + STILL_SECONDS
        return self._heard(None)

    def closed(self) -> str:
        """What ends the message where it is."""
        return self._close_part() + self._frame.end

    def _close_part(self) -> str:
        part = self._answer if self._open == ANSWER_END else self._thoughts
        end, self._open = part.closed() + self._open, ""
        return end


def follow(
    reply: Reply,
    frame: Frame,
    *,
    status: Callable[[Activity], str],
    finished: Callable[[], str],
    closing: Callable[[], bool] = lambda: False,
    leaving: Callable[[], str] = lambda: "",
    heard: Callable[[State | None], str] = lambda began: "",
) -> Generator[str, None, bool]:
    """The parts of the page from the message's beginning on, until the reply ends, is lost, or `closing()` is true.

    Returns whether the answer goes on elsewhere. `finished` is what takes its place at its end, and `leaving` has
    something to say where whoever reads may not be here any longer; `heard` as in Growing.
    """
    page = Growing(reply, frame, heard)
    yield page.begun()
    next_look = 0.0
    eager = True
    while not reply.ended:
        version, known = reply.version, page.read
        if html := page.news(status, eager=eager):
            yield html
            # The first text is never held back.
            next_look = time.monotonic() + PAUSE_SECONDS if page.read > known else 0.0
        if closing() or reply.lost:
            yield page.closed()
            return True
        if said := leaving():
            yield page.closed() + said
            return False
        ticks = reply.state is not State.WRITING
        silence = (TICK_SECONDS if ticks else HEARTBEAT_SECONDS) if eager else SETTLE_SECONDS
        changed = wait_for_news(reply, version, silence, leaving)
        if not changed and eager and not page.waits:
            yield STILL_THERE
        eager = not changed
        if changed and (early := next_look - time.monotonic()) > 0:
            reply.rest(early)
    yield page.closed() + (leaving() or finished())
    return False
