"""The line in front of the engine: first come, first served, a few at a time, and everybody knows their place."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from insight_app.engines.base import Stop


class _Ticket:
    """Somebody in the line; `called` when it is their turn, or when they need not wait any longer."""

    def __init__(self, told: Callable[[int], None]) -> None:
        self.told = told
        self.place = 0
        self.called = threading.Event()
        self.has_turn = False


class Line:
    """Lets at most `places` through at once."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._waiting: deque[_Ticket] = deque()
        self._lock = threading.Lock()

    @contextmanager
    def turn(self, stop: Stop, told: Callable[[int], None] = lambda place: None) -> Iterator[bool]:
        """Waits for a turn and holds it for the block; False where `stop` was asked first.

        `told` hears the place in the line, from 1, each time it changes; never where there is no wait. It must not
        wait itself.
        """
        me = _Ticket(told)
        with self._lock:
            self._waiting.append(me)
            self._advance()
        forget = stop.then(me.called.set)
        me.called.wait()
        forget()
        with self._lock:
            if not me.has_turn:
                self._waiting.remove(me)
                self._tell()
            elif stop.asked:
                self._give_back(me)
        try:
            yield me.has_turn
        finally:
            with self._lock:
                if me.has_turn:
                    self._give_back(me)

    def _give_back(self, ticket: _Ticket) -> None:
        ticket.has_turn = False
        self._free += 1
        self._advance()

    def _advance(self) -> None:
        while self._free and self._waiting:
            first = self._waiting.popleft()
            self._free -= 1
            first.has_turn = True
            first.called.set()
        self._tell()

    def _tell(self) -> None:
        for place, ticket in enumerate(self._waiting, 1):
            if ticket.place != place:
                ticket.place = place
                ticket.told(place)
