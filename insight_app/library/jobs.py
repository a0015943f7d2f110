"""A model on its way to this machine: what its row says, and how the lines of Ollama change it until it ends."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, replace
from enum import Enum

from insight_app.engines.ollama_pulls import Step

# The process that fetches a model says so every second. One that did not for so long is gone.
STALE_SECONDS = 15.0
# How long it is told that a model has come.
TOLD_SECONDS = 600.0
# How much of the past tells how fast it goes, and how much is too little to tell.
PACE_SECONDS, SHORTEST_SECONDS = 20.0, 2.0
# Where so long nothing came, it stands still: Ollama tries for a minute and more before it says that it cannot.
STILL_SECONDS = 10.0
QUARTER = 25


class State(str, Enum):
    """Where a pull is; the same word stands in the page, the log and the metric."""

    PULLING = "pulling"
    CHECKING = "checking"
    WAITING = "waiting"  # for what keeps it from going on
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"
    INTERRUPTED = "interrupted"

    @property
    def runs(self) -> bool:
        """Whether somebody is at it."""
        return self in (State.PULLING, State.CHECKING, State.WAITING)


@dataclass(frozen=True, slots=True)
class Pull:
    """A row. `total` and `completed` are bytes of what Ollama has told of so far.

    `problem` is the code of why it ended, or of what it waits for to be mended.
    """

    name: str
    state: State = State.PULLING
    total: int = 0
    completed: int = 0
    problem: str = ""
    started_at: float = 0.0
    updated_at: float = 0.0

    @property
    def percent(self) -> int:
        """Rounded down; 100 only when it is done."""
        if self.state is State.DONE:
            return 100
        return min(99, 100 * self.completed // self.total) if self.total else 0

    def as_of(self, now: float) -> Pull:
        """The same, interrupted where nobody has been fetching it for a while."""
        is_stale = self.state.runs and now - self.updated_at > STALE_SECONDS
        return replace(self, state=State.INTERRUPTED) if is_stale else self

    def is_told(self, now: float) -> bool:
        return self.state is not State.DONE or now - self.updated_at <= TOLD_SECONDS


class Job:
    """One run of a pull. What it shows never goes back, whatever Ollama says; once it has ended nothing changes."""

    def __init__(self) -> None:
        self.state = State.PULLING
        self.problem = ""
        self.total = self.completed = 0
        self._parts: dict[str, tuple[int, int]] = {}  # of each part its size and how much of it is here

    def feed(self, step: Step) -> None:
        if not self.state.runs or step.kind == "preparing":  # which Ollama says before it asks anybody
            return
        if self.state is State.WAITING:
            self.state, self.problem = State.PULLING, ""
        if step.kind == "fetching":
            self._fetched(step)
        elif step.kind == "checking":
            self.state = State.CHECKING
        elif step.kind == "done":
            self.completed = self.total
            self.state = State.DONE

    def wait(self, problem: str) -> None:
        """It cannot go on now, and does so later."""
        if self.state.runs:
            self.state, self.problem = State.WAITING, problem

    def end(self, state: State, problem: str = "") -> None:
        """Ends it so, unless it has ended before."""
        if self.state.runs:
            self.state, self.problem = state, problem

    def _fetched(self, step: Step) -> None:
        before = self._parts.get(step.part, (0, 0))
        size = max(step.total, before[0])
        # Ollama counts back what it has to fetch again.
        self._parts[step.part] = (size, min(size, max(step.completed, before[1])))
        self.total = sum(size for size, _ in self._parts.values())
        self.completed = sum(here for _, here in self._parts.values())


class Pace:
    """How fast pulls go, by what was seen of them: how long each will take. One per process; not kept."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, float], deque[tuple[float, int]]] = {}

    def left(self, pull: Pull) -> float | None:
        """In seconds, None while nobody knows, infinite while nothing comes; notes where the pull is."""
        if pull.state is not State.PULLING or not pull.total:
            return None
        seen = self._of(pull)
        if not seen or pull.updated_at > seen[-1][0]:
            seen.append((pull.updated_at, pull.completed))
        while seen[-1][0] - seen[0][0] > PACE_SECONDS:
            seen.popleft()
        if seen[-1][0] - next(second for second, completed in seen if completed == pull.completed) > STILL_SECONDS:
            return math.inf
        lasted, came = seen[-1][0] - seen[0][0], seen[-1][1] - seen[0][1]
        if lasted < SHORTEST_SECONDS or came <= 0:
            return None
        return (pull.total - pull.completed) * lasted / came

    def _of(self, pull: Pull) -> deque[tuple[float, int]]:
        key = (pull.name, pull.started_at)
        if key not in self._seen:
            self._seen = {other: seen for other, seen in self._seen.items() if other[0] != pull.name}
            self._seen[key] = deque()
        return self._seen[key]
