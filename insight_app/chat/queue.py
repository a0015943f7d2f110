"""The line in front of the engine: first come, first served, a few at a time."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from insight_app.engines.base import Stop


class Line:
    """Lets at most `places` through at once."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._waiting: deque[object] = deque()
        self._changed = threading.Condition()

    @contextmanager
    def turn(self, stop: Stop) -> Iterator[bool]:
        """Waits for a turn and holds it for the block; False where `stop` was asked first."""
        me = object()
        with self._changed:
            self._waiting.append(me)
            forget = stop.then(self._wake)
            self._changed.wait_for(lambda: stop.asked or (self._free > 0 and self._waiting[0] is me))
            self._waiting.remove(me)
            mine = not stop.asked
            self._free -= mine
            self._changed.notify_all()
        forget()
        try:
            yield mine
        finally:
            with self._changed:
                self._free += mine
                self._changed.notify_all()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()
