"""What is counted of each answer: that it began, and at its end what it took; a database in trouble loses nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

import structlog

from insight_app.errors import DatabaseError
from insight_app.limits.quotas import MOST, hour_of
from insight_app.limits.store import LimitStore, Place, Use

BUSY = ("loading_seconds", "reading_seconds", "thinking_seconds", "writing_seconds")


class Counting:
    """What cannot be kept now waits here, and is kept with the next answer that begins or ends. Thread-safe."""

    def __init__(self, store: LimitStore) -> None:
        self._store = store
        self._waiting: dict[Place, Use] = {}
        self._changing = threading.Lock()
        self._log = structlog.get_logger("usage")

    def begin(self, person: str, role: str, model: str) -> Place:
        """Counts an answer that is about to begin, and returns where. Raises QuotaReached."""
        waiting = self._take()
        try:
            return self._store.begin(person, role, model, waiting.items())
        except DatabaseError:
            self._put(waiting)
            raise

    def give_back(self, place: Place) -> None:
        """The answer that was counted there did not begin."""
        self._add({place: Use(answers=-1)})

    def ended(self, person: str, model: str, figures: Mapping[str, Any]) -> None:
        """Counts what an answer took; `figures` are those of chat/messages.py that are known, by name."""
        spent = [figures.get(name) or 0.0 for name in BUSY]
        use = Use(
            prompt_tokens=_whole(figures.get("prompt_tokens")),
            answer_tokens=_whole(figures.get("answer_tokens")),
            busy_seconds=sum(spent),
            writing_seconds=figures.get("answer_seconds") or sum(spent[2:]),
        )
        self._add({(person, hour_of(time.time()), model): use} if use != Use() else {})

    def flush(self) -> None:
        """Keeps what waits, if that is possible now."""
        self._add({})

    def close(self) -> None:
        """The same for the last time: what cannot be kept is lost, and the log says so."""
        self.flush()
        if lost := self._take():
            self._log.error("usage lost", rows=len(lost))

    def _add(self, uses: Mapping[Place, Use]) -> None:
        self._put(uses)
        if not (waiting := self._take()):
            return
        try:
            self._store.add(waiting.items())
        except DatabaseError:  # which has told of it itself
            self._put(waiting)
        except Exception as error:  # it would be in the way of all that comes after it
            self._log.error("usage lost", rows=len(waiting), exc_info=error)

    def _put(self, uses: Mapping[Place, Use]) -> None:
        with self._changing:
            for place, use in uses.items():
                self._waiting[place] = self._waiting.get(place, Use()) + use

    def _take(self) -> dict[Place, Use]:
        with self._changing:
            waiting, self._waiting = self._waiting, {}
        return waiting


def _whole(given: int | None) -> int:
    """An engine may say anything."""
    return min(max(0, int(given or 0)), MOST)
