"""Whose file is read next: one of each person at a time, and whoever waited longest comes first."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from insight_app.chat.line import LineInMemory
from insight_app.engines.base import Stop
from insight_app.errors import FileWaits, TooManyWaiting

AT_ONCE = 2  # of those who read: others wait, or ten people with large files would have all cores
MOST_OF_ONE = 10  # files of a person that wait
PATIENCE_SECONDS = 40.0  # what stands in front may close a connection that is silent for longer


class ReadingTurns:
    """A file may take many seconds. So that one person with many such never holds up another for more than one of
    them, each has a line of their own, and only the first of it stands in the line of everybody.
    """

    def __init__(self) -> None:
        self._own = LineInMemory(1, most_waiting=MOST_OF_ONE)
        self._everybody = LineInMemory(AT_ONCE)

    @contextmanager
    def turn(self, person: str, name: str) -> Iterator[None]:
        """The person's turn to have the file of that name read. Raises FileWaits."""
        over = Stop()
        patience = threading.Timer(PATIENCE_SECONDS, over.ask)
        patience.daemon = True
        try:
            self._own.expect_room("", person)
            patience.start()
            with self._own.turn("", person, over) as mine, self._everybody.turn(person, "", over) as now:
                patience.cancel()
                if not (mine and now):
                    raise FileWaits(name=name)
                yield
        except TooManyWaiting:
            raise FileWaits(name=name) from None
        finally:
            patience.cancel()
