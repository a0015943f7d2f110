"""An answer while it is being written: one writer appends, any number of readers follow at their own pace.

A position counts the characters of the reasoning first and then of the answer, so that one number says what a
reader has seen of both; reasoning that comes after the answer began (engines do not do that) is left out.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from insight_app.chat.messages import Figures, Outcome, State
from insight_app.engines.base import Done, Stop
from insight_app.engines.tools import ToolCall
from insight_app.rendering.progress import GrowingText
from insight_app.telemetry.traces import Span


@dataclass(frozen=True, slots=True)
class Activity:
    """What is going on with an answer, all but its text.

    `since` is when its state began (time.monotonic), `place` its place in the line in front of the engine (0: in
    none), `usual_seconds` how long the state will probably last, all in all: how long the model usually loads here, or
    when the line thinks that it is its turn (None: nobody knows). `problem` is the code of what it waits for to be
    mended, or of how it ended; "" for nothing; `reason` is what a rule that ended it says.
    """

    state: State = State.QUEUED
    model: str = ""
    since: float = field(default_factory=time.monotonic)
    place: int = 0
    usual_seconds: float | None = None
    problem: str = ""
    reason: str = ""

    @property
    def seconds(self) -> float:
        """How long it has been in this state."""
        return time.monotonic() - self.since

    @property
    def seconds_left(self) -> int | None:
        """How long it will probably stay in this state, never less than 0; None: nobody knows."""
        return None if self.usual_seconds is None else max(0, math.ceil(self.usual_seconds - self.seconds))


class Reply:
    """One growing answer. Thread-safe; `version` grows with every change."""

    def __init__(self, answer_id: int, conversation_id: str, model: str = "", run: int = 0, owner: str = "") -> None:
        self.id = answer_id
        self.owner = owner  # the person whose conversation it is
        self.run = run  # how often a server ended while it was written
        self.conversation_id = conversation_id
        self.activity = Activity(model=model)
        self.thinking = GrowingText()
        self.answer = GrowingText()
        self.tool_calls: tuple[ToolCall, ...] = ()
        self.version = 0
        self.lost = False  # nobody goes on with it here: whoever follows it asks for it again
        self.stop = Stop()
        self.began = time.monotonic()
        self.first_text_seconds: float | None = None
        self.spent: dict[State, float] = {}  # the seconds of each state that is over
        self.receipt = Figures()  # what of the conversation is read
        self.prompt_tokens = 0  # about how many tokens that is
        self.span = Span()
        self.trace = ""  # by which its readers know its span, also in other processes
        self.begun = 0  # the position from which on it was written by this run
        self._news = threading.Event()  # set when `version` grows; a new one each time
        self._changing = threading.Lock()
        self._over = threading.Event()

    @property
    def state(self) -> State:
        return self.activity.state

    @property
    def position(self) -> int:
        return len(self.thinking) + len(self.answer)

    def place(self, position: int) -> str:
        """A position as a browser keeps it, good for this run: what a killed server had not kept is written anew."""
        return f"{position}.{self.run}" if self.run else str(position)

    def position_of(self, place: str) -> int | None:
        """The position in a place; None where it is of another run, or no place at all."""
        position, _, run = (place or self.place(0)).partition(".")
        if (run or "0") != str(self.run) or not (position.isascii() and position.isdigit() and len(position) < 12):
            return None
        return int(position)

    @property
    def ended(self) -> bool:
        return not self.state.is_live

    def begin_with(self, thinking: str, text: str) -> None:
        """What was there before: an answer that is continued grows from it."""
        with self._changing:
            self.thinking.append(thinking)
            self.answer.append(text)
            self.begun = self.position
            self._tell()

    def be_traced(self, span: Span) -> None:
        """It is written within this span."""
        with self._changing:
            self.span, self.trace = span, span.traceparent
            self._tell()

    def append(self, text: str, *, thought: bool = False) -> None:
        if not text or (thought and len(self.answer)):
            return
        with self._changing:
            if self.first_text_seconds is None:
                self.first_text_seconds = time.monotonic() - self.began
            (self.thinking if thought else self.answer).append(text)
            state = State.THINKING if thought else State.WRITING
            if state is not self.state:
                self._become(Activity(state, self.activity.model))
            self._tell()

    def call(self, call: ToolCall) -> None:
        """The model calls one of the program's tools."""
        with self._changing:
            if self.first_text_seconds is None:
                self.first_text_seconds = time.monotonic() - self.began
            self.tool_calls += (call,)
            self._tell()

    def enter(self, activity: Activity) -> None:
        """Something else is going on; a state that stays the same goes on counting its seconds."""
        with self._changing:
            self._become(activity)
            self._tell()

    def queue_at(self, place: int, seconds: float | None = None) -> None:
        """It waits for its turn with this place in the line, probably for so many seconds more."""
        now = self.activity
        self.enter(Activity(now.state, now.model, now.since, place, None if seconds is None else now.seconds + seconds))

    def end(self, outcome: Outcome) -> None:
        """Nothing comes any more; what there is is in the database already."""
        self.enter(Activity(outcome.state, outcome.model, problem=outcome.problem, reason=outcome.reason))

    def outcome(self, state: State, done: Done | None = None, *, problem: str = "", reason: str = "") -> Outcome:
        """What there is now, as an end."""
        spent = dict(self.spent)
        if self.state.is_live:
            spent[self.state] = spent.get(self.state, 0.0) + self.activity.seconds
        known: dict[str, Any] = {f"{stage}_seconds": seconds for stage, seconds in spent.items()}
        known["first_text_seconds"] = self.first_text_seconds
        if done:
            known |= {name: getattr(done, name) for name in ("answer_seconds", "prompt_tokens", "answer_tokens")}
        figures = replace(self.receipt, **known)
        return Outcome(
            state, self.answer.since(0), self.thinking.since(0), self.activity.model, problem, reason, figures
        )

    def wait(self, version: int, seconds: float) -> bool:
        """Waits until there is more than `version`; False where nothing changed within `seconds`."""
        news = self._news  # before the look at `version`, or what comes in between would be missed
        return self.version != version or news.wait(seconds)

    def rest(self, seconds: float) -> None:
        """Waits so long whatever comes, but not beyond the end."""
        self._over.wait(seconds)

    def lose(self) -> None:
        """Its writer is gone, or it was given to another one."""
        with self._changing:
            self.lost = True
            self._tell()

    def wake(self) -> None:
        """Has all who wait look again, although nothing came."""
        with self._changing:
            self._tell()

    def _become(self, activity: Activity) -> None:
        old = self.activity
        if activity.state is old.state:
            activity = replace(activity, since=old.since)
        else:
            self.spent[old.state] = self.spent.get(old.state, 0.0) + old.seconds
        self.activity = activity

    def _tell(self) -> None:
        # Events, which gevent has in C, and no threading.Condition: that costs three times as much to wait for.
        self.version += 1
        if self.ended or self.lost:
            self._over.set()
        news, self._news = self._news, threading.Event()
        news.set()


class Replies(Protocol):
    """The answers that are being written now, by whichever process."""

    def open(self, answer_id: int, conversation_id: str, model: str, run: int = 0, owner: str = "") -> Reply:
        """A reply that this process writes."""
        ...

    def get(self, answer_id: int) -> Reply | None:
        """The reply, whoever writes it. None: nobody is known to; only the database says whether it has ended."""
        ...

    def close(self, reply: Reply) -> None:
        """The answer is in the database; readers that hold the reply finish reading it."""
        ...

    def give_up(self, answers: Iterable[int]) -> None:
        """This process does not go on with these: others may, from what is in the database."""
        ...

    def stop(self, answer_id: int) -> None:
        """Asks whichever process writes it to end it; soon, where that cannot be reached now."""
        ...

    def forget(self, answers: Iterable[int]) -> None:
        """These were deleted: whoever writes one ends, and what processes tell each other of them is deleted too."""
        ...

    def here(self) -> list[Reply]:
        """Those that this process writes."""
        ...

    def count(self) -> int:
        """How many are being written, by all processes together."""
        ...

    def orphans(self, suspects: Collection[int]) -> list[int]:
        """The answers that this process is to go on with, since their writers have ended.

        `suspects` are answers that were unfinished for a while, and not written here. Each orphan is given to one
        process, once.
        """
        ...

    def connected(self) -> bool:
        """Whether this process knows what other processes write."""
        ...

    def wake(self) -> None:
        """Has everybody who waits in this process look again."""
        ...

    def leave(self) -> None:
        """This process ends; others may go on with what it writes."""
        ...
