"""The line in front of the engine: people take turns at each model, and everybody knows their place."""

from __future__ import annotations

import math
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from insight_app.chat.queue import Outlook, Queue, Ticket
from insight_app.engines.base import Stop
from insight_app.errors import DatabaseError, TooManyOfYours, TooManyWaiting

# How often who waits is told anew where answers take longer than usual, and from which change on that is worth it.
TELL_AGAIN_SECONDS = 5.0
WORTH_TELLING_SECONDS = 2.0
# Hears a place in the line, from 1, and in how many seconds the turn will come (None: nobody knows). Must not wait.
Told = Callable[[int, float | None], object]
# How long a turn of a model usually took before the line itself has seen one.
Usual = Callable[[str], float | None]


class Line(Protocol):
    """Who may have answers written now, whichever process they asked."""

    def turn(self, person: str, model: str, stop: Stop, told: Told = ...) -> AbstractContextManager[bool]:
        """Waits for a turn and holds it for the block; False where `stop` was asked first.

        `told` is called whenever the place changes, or the moment of the turn by some seconds; never where there is no
        wait. A block that raises tells nothing of how long turns last.
        """
        ...

    def expect_room(self, person: str, model: str) -> None:
        """Raises TooManyWaiting where one more answer would have to wait and there is no room for it; RedisAway where
        other processes would know nothing of it.

        Those who ask at the same moment may all find the last place.
        """
        ...

    def waiting(self) -> int:
        """How many wait, at all processes together."""
        ...

    def running(self) -> int:
        """How many have their turn, at all processes together."""
        ...

    def models(self) -> set[str]:
        """Which of them write or are to write, at all processes together."""
        ...

    def leave(self) -> None:
        """This process ends: its places are given to others."""
        ...


class Waiting:
    """An answer of this process in the line; `called` when it is its turn, or when it need not wait any longer."""

    def __init__(self, person: str, model: str, told: Told) -> None:
        self.id = secrets.token_urlsafe(6)
        self.person = person
        self.model = model
        self.called = threading.Event()
        self.since: float | None = None  # as a ticket has it
        self._told = told
        self._place = 0
        self._ready_at: float | None = None

    def ticket(self, process: str) -> Ticket:
        return Ticket(self.id, self.person, self.model, process, since=self.since)

    def tell(self, outlook: Outlook) -> None:
        """Says where it stands, if that is news."""
        ready_at = None if outlook.seconds is None else time.monotonic() + outlook.seconds
        if outlook.place == self._place and not _differ(ready_at, self._ready_at):
            return
        self._place, self._ready_at = outlook.place, ready_at
        self._told(outlook.place, outlook.seconds)


class LineInMemory:
    """The line of one process: at most `places` turns for each model, and `most_waiting` who wait for it.

    `shared`: several people use it, and none of them may have more than half of the places to wait.
    """

    def __init__(
        self, places: int, *, most_waiting: int = 100, shared: bool = False, usual: Usual = lambda model: None
    ) -> None:
        self._places = places
        self._most_waiting = most_waiting
        self._most_of_one = max(1, most_waiting // 2) if shared else most_waiting
        self._usual = usual
        self._process = ""
        self._queue = Queue()
        # What this process knows best: its own answers, what ended, and how long turns took before.
        self._mine: dict[str, Waiting] = {}
        self._ended: list[tuple[Waiting, float | None]] = []
        self._before: dict[str, float] = {}
        self._told_at = 0.0
        self._lock = threading.Lock()

    @contextmanager
    def turn(self, person: str, model: str, stop: Stop, told: Told = lambda place, seconds: None) -> Iterator[bool]:
        me = Waiting(person, model, told)
        seconds: float | None = None
        try:  # from here on, or a fault of ours would hold the place for ever
            self._wait(me, stop)
            is_mine = not stop.asked
            if not is_mine:
                self._end(me)
            began = time.monotonic()
            yield is_mine
            seconds = time.monotonic() - began
        finally:
            self._end(me, seconds)

    def expect_room(self, person: str, model: str) -> None:
        with self._lock:
            if self._queue.waiting(model) >= self._most_waiting:
                kind = TooManyWaiting
            elif self._queue.waiting(model, person) >= self._most_of_one:
                kind = TooManyOfYours
            else:
                return
            first = next(iter(self._queue.outlook(model, self._places, time.time()).values()))
        raise kind() if first.seconds is None else kind(retry_after=max(1, math.ceil(first.seconds)))

    def waiting(self) -> int:
        with self._lock:
            return self._queue.waiting()

    def running(self) -> int:
        with self._lock:
            return self._queue.running()

    def models(self) -> set[str]:
        with self._lock:
            return self._queue.models()

    def leave(self) -> None:
        pass

    def _wait(self, me: Waiting, stop: Stop) -> None:
        """Until it is its turn, or stop is asked."""
        with self._lock:
            self._mine[me.id] = me
        self._settle()
        if not me.called.is_set():
            self._look_before(me.model)
        forget = stop.then(me.called.set)
        while not me.called.wait(TELL_AGAIN_SECONDS):
            self._tell_again()
        forget()

    def _end(self, me: Waiting, seconds: float | None = None) -> None:
        """It waits no more, or its turn is over, after so many seconds if that is worth knowing."""
        with self._lock:
            if self._mine.pop(me.id, None) is None:
                return
            self._ended.append((me, seconds))
        self._settle()

    def _look_before(self, model: str) -> None:
        """Has the line know how long turns took before it saw one."""
        if self._queue.turns.get(model):
            return
        try:
            seconds = self._usual(model)
        except DatabaseError:  # whoever waits does without it
            return
        if seconds is not None:
            with self._lock:
                self._before[model] = seconds
            self._settle()

    def _settle(self) -> None:
        """Brings the queue up to date with what is known here, and lets everybody know."""
        with self._lock:
            self._bring_up_to_date(self._queue)
            self._ended.clear()
            self._before.clear()
            self._call()

    def _bring_up_to_date(self, queue: Queue) -> None:
        """Puts what this process knows best into a queue, and gives the turns that are free in it."""
        for me, seconds in self._ended:
            if seconds is not None:
                queue.measured(me.model, seconds)
        for model, seconds in self._before.items():
            if not queue.turns.get(model):
                queue.measured(model, seconds)
        there = {ticket.id: ticket for ticket in queue.tickets if ticket.process == self._process}
        for ticket in there.values():
            if ticket.id not in self._mine:
                queue.leave(ticket)
        for me in self._mine.values():
            if me.id not in there:
                queue.join(me.ticket(self._process))
            elif me.since is not None:
                there[me.id].since = me.since
        queue.advance(self._places, time.time())

    def _tell_again(self) -> None:
        with self._lock:
            if time.monotonic() - self._told_at > TELL_AGAIN_SECONDS / 2:
                self._call()

    def _call(self) -> None:
        """Calls who has the turn, tells the others where they stand."""
        self._told_at = time.monotonic()
        tickets = {ticket.id: ticket for ticket in self._queue.tickets}
        outlooks: dict[str, dict[str, Outlook]] = {}
        for me in self._mine.values():
            ticket = tickets.get(me.id)
            if me.since is not None or ticket is None:
                continue
            if ticket.since is not None:
                me.since = ticket.since
                me.called.set()
                continue
            if me.model not in outlooks:
                outlooks[me.model] = self._queue.outlook(me.model, self._places, time.time())
            me.tell(outlooks[me.model][me.id])


def _differ(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is not other
    return abs(one - other) > WORTH_TELLING_SECONDS
