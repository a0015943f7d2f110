"""Memory for what uploads hold: each takes what it needs, one of each person at a time, in the order they came in."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, eq=False)
class _Ticket:
    person: str
    need: int


class Room:
    """Of so many bytes. What needs more than all of it gets all of it."""

    def __init__(self, size: int) -> None:
        self._size = self._free = size
        self._line: list[_Ticket] = []
        self._inside: set[str] = set()
        self._changed = threading.Condition()

    @contextmanager
    def taken(self, person: str, need: int) -> Iterator[None]:
        """Waits until there is so much, and until everybody who came before and may go has gone."""
        mine = _Ticket(person, min(need, self._size))
        with self._changed:
            self._line.append(mine)
            try:
                self._changed.wait_for(lambda: self._may_go(mine))
                self._inside.add(person)
                self._free -= mine.need
            finally:
                self._line.remove(mine)
                self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._inside.remove(person)
                self._free += mine.need
                self._changed.notify_all()

    def waiting(self) -> int:
        """How many wait."""
        return len(self._line)

    def free(self) -> int:
        """How many bytes nobody has."""
        return self._free

    def _may_go(self, mine: _Ticket) -> bool:
        """What is small does not go past what is large, or that would wait for ever."""
        first = next((each for each in self._line if each.person not in self._inside), None)
        return first is mine and mine.need <= self._free
