"""A reply as a stream: what brings a page that was opened at some position up to date, event by event."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby

from insight_app.chat.messages import Message, State
from insight_app.chat.reply import Activity, Reply
from insight_app.rendering import progress, sse
from insight_app.rendering.progress import START, GrowingText, Progress
from insight_app.rendering.swaps import swap

HEARTBEAT_SECONDS = 15.0
# What comes within this time becomes one event: the eye sees no difference, the server and the browser do. Text that
# comes faster than anybody reads waits longer, the more there was last time: an event costs the browser about the
# same with one word and with a line.
MERGE_SECONDS = 0.08
MERGE_SECONDS_PER_CHARACTER = 0.003
MOST_MERGE_SECONDS = 0.25
# After this much silence a reader gets all there is, also what was not yet worth sending. Longer than the pauses
# between two reads of an answer where a thousand are written, or each would be taken for silence.
SETTLE_SECONDS = 0.5
# Until the answer itself grows, a page counts the seconds of what is going on.
TICK_SECONDS = 1.0
# How long a page stays that may not be here any longer; a little longer, since nobody asks the database all the time.
LOOK_SECONDS = 1.0
# How often it is said aloud that an answer still grows, while it does. Never what it says: fragments are no speech.
STILL_SECONDS = 20.0
# A place that no reply has.
NOWHERE = "-"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a page that is opened now shows of a reply: finished blocks, the open rest, and the place of both."""

    activity: Activity
    thinking: tuple[str, str]
    answer: tuple[str, str]
    place: str


def unknown(answer: Message) -> Snapshot:
    """What a page shows of an answer that nobody is known to write now: what is kept, at a place that is drawn anew."""
    thinking, text = (progress.snapshot(GrowingText(kept))[:2] for kept in (answer.thinking, answer.text))
    return Snapshot(Activity(answer.state, answer.choice), thinking, text, NOWHERE)


class Reader:
    """One page's place in a reply. Not thread-safe: each connection has its own."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self._thinking = START
        self._answer = START
        self._told: tuple[Activity, int] | None = None  # what is going on, as the page was last told, and for how long
        self._thinking_over = False

    @property
    def position(self) -> int:
        """What the page has for good; kept by the browser, so that a new connection can go on from there."""
        return self._before_answer + self._answer.position if self._thinking_over else self._thinking.position

    @property
    def place(self) -> str:
        return self._reply.place(self.position)

    @property
    def state(self) -> State | None:
        """The state that the page was last told."""
        return self._told[0].state if self._told else None

    @property
    def ticks(self) -> bool:
        """Whether the page counts seconds now."""
        return self.state is not State.WRITING

    @property
    def seen(self) -> int:
        """How many characters the page has been shown, for good or not."""
        return self._thinking.read + self._answer.read

    @property
    def _before_answer(self) -> int:
        """The answer's first position: the end of the reasoning, where there is any, counts as one character."""
        thought = len(self._reply.thinking)
        return thought + 1 if thought else 0

    def snapshot(self) -> Snapshot:
        """Everything so far; afterwards the reader has seen it."""
        reply = self._reply
        activity = reply.activity
        self._tell(activity)
        self._thinking_over = len(reply.answer) > 0
        *thinking, self._thinking = progress.snapshot(reply.thinking, ended=self._thinking_over)
        *answer, self._answer = progress.snapshot(reply.answer)
        return Snapshot(activity, (thinking[0], thinking[1]), (answer[0], answer[1]), self.place)

    def go_to(self, place: str) -> bool:
        """Takes the place of a page that has everything before it; False where no page of this run can have that."""
        reply = self._reply
        position = reply.position_of(place)
        if position is None:
            return False
        if position < self._before_answer or not len(reply.answer):
            found = progress.resume(reply.thinking, position)
            if found is not None:
                self._thinking = found
        else:
            self._thinking_over = True
            found = progress.resume(reply.answer, position - self._before_answer)
            if found is not None:
                self._answer = found
        return found is not None

    def news(self, present: Callable[[Activity, bool], str], *, eager: bool = False) -> str:
        """The swaps that bring the page up to date, "" where nothing is new.

        `present` draws the status line; it is told whether something else is going on than the page was told before,
        and not only for longer.
        """
        reply = self._reply
        swaps: list[str] = []
        answering = len(reply.answer) > 0
        if not self._thinking_over and (len(reply.thinking) or answering):
            self._thinking = _advance(
                swaps, f"a{reply.id}-thinking", reply.thinking, self._thinking, ended=answering, eager=eager
            )
            self._thinking_over = answering
        if answering:
            self._answer = _advance(swaps, f"a{reply.id}-answer", reply.answer, self._answer, ended=False, eager=eager)
        activity, known = reply.activity, self._told and _worth_saying(self._told[0])
        if activity.state.is_live and self._tell(activity):
            swaps.append(present(activity, _worth_saying(activity) != known))
        return "".join(swaps)

    def _tell(self, activity: Activity) -> bool:
        """Notes that the page is told this; False where it was told just that before."""
        telling = (activity, 0 if activity.state is State.WRITING else int(activity.seconds))
        before, self._told = self._told, telling
        return telling != before


def _worth_saying(activity: Activity) -> tuple[State, str, bool]:
    """What of an activity is said aloud when it changes; its seconds and its place in the line are for the eye."""
    return activity.state, activity.problem, activity.place > 0


def follow(
    reply: Reply,
    place: str,
    *,
    status: Callable[[Activity, bool], str],
    finished: Callable[[], str],
    anew: Callable[[], str],
    still: Callable[[], str] = lambda: "",
    closing: Callable[[], bool] = lambda: False,
    leaving: Callable[[], str] = lambda: "",
) -> Iterator[bytes]:
    """The events for a page that has everything before `place`, until the reply ends, is lost, or `closing()` is true.

    Also until `leaving` has something to say, which is the last that the page hears: it does not connect again.

    `status` draws the line that says what is going on (see Reader.news), `finished` the swap of the growing message
    for the finished one, `anew` the same for a page whose place nobody knows: that one connects again by itself;
    `still` says aloud that the text goes on.
    """
    reader = Reader(reply)
    if not reply.ended and not reader.go_to(place):
        yield from last_events(anew())
        return
    next_event = 0.0
    next_said = time.monotonic() + STILL_SECONDS
    eager = False
    while not reply.ended:
        version = reply.version
        known, shown = reader.state, reader.seen
        if html := reader.news(status, eager=eager):
            if reader.state is not known:
                next_said = time.monotonic() + STILL_SECONDS
            elif known is State.WRITING and time.monotonic() >= next_said:
                next_said = time.monotonic() + STILL_SECONDS
                html += still()
            yield sse.event(html, id=reader.place)
            # The first text is never held back.
            next_event = time.monotonic() + merge_seconds(reader.seen - shown) if reader.seen else 0.0
        if reader.state is not known:
            yield sse.event(str(reader.state), name="state")
        if closing() or reply.lost:
            return  # the page connects again, and finds who goes on
        if said := leaving():
            yield from last_events(said)
            return
        silence = (TICK_SECONDS if reader.ticks else HEARTBEAT_SECONDS) if eager else SETTLE_SECONDS
        changed = wait_for_news(reply, version, silence, leaving)
        if not changed and eager and not reader.ticks:
            yield sse.comment("still there")
        eager = not changed
        if changed and (early := next_event - time.monotonic()) > 0:
            reply.rest(early)
    yield from last_events(leaving() or finished())


def wait_for_news(reply: Reply, version: int, seconds: float, leaving: Callable[[], str]) -> bool:
    """As Reply.wait, but not on for a page that is to leave."""
    end = time.monotonic() + seconds
    while not (changed := reply.wait(version, min(seconds, LOOK_SECONDS))):
        seconds = end - time.monotonic()
        if seconds <= 0 or leaving():
            break
    return changed


def merge_seconds(characters: int) -> float:
    """How long text is collected after an event that brought so many characters."""
    return min(MERGE_SECONDS + MERGE_SECONDS_PER_CHARACTER * characters, MOST_MERGE_SECONDS)


def last_events(html: str) -> Iterator[bytes]:
    """The end of every stream: the last swap, and the event at which the page closes the connection."""
    yield sse.event(html)
    yield sse.event("", name="done")


def _advance(swaps: list[str], part: str, text: GrowingText, seen: Progress, *, ended: bool, eager: bool) -> Progress:
    step = progress.advance(text, seen, ended=ended, eager=eager)
    # What goes to the same place is one swap: to the browser, each costs more than its words.
    for kind, alike in groupby(step.changes, key=lambda change: change.kind):
        place, how = _PLACES[kind]
        swaps.append(swap(place.format(done=f"#{part}"), how, "".join(change.html for change in alike)))
    if step.tail is not None:
        swaps.append(swap(f"#{part}-tail", "innerHTML", step.tail))
    return step.progress


# Where a change goes; `done` is the element that holds the finished blocks.
_PLACES = {
    "append": ("{done}", "beforeend"),
    "extend": (":is({done} > :is(ul, ol):last-child, {done} > .code:last-child code)", "beforeend"),
    "replace": ("{done} > :last-child", "outerHTML"),
}
