"""Pulls that a server left when it ended: of all processes that look for them, one goes on with each."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import structlog

from insight_app.errors import DatabaseError
from insight_app.library.jobs import STALE_SECONDS, Pull, State
from insight_app.library.patience import PATIENCE_SECONDS
from insight_app.library.pull_store import PullStore

LOOK_SECONDS = 5.0


class Carrying:
    """Looks for them now and then until it is closed; has `carry_on` called with each."""

    def __init__(self, store: PullStore, carry_on: Callable[[Pull], object]) -> None:
        self._store = store
        self._carry_on = carry_on
        self._seen: dict[Pull, float] = {}  # since when each was seen as it is
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pulls", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._closed.set()
        self._thread.join()

    def look(self, now: float) -> None:
        """`now` is of a watch of our own, by which a run says nothing for a while: clocks differ, and are set."""
        seen = self._seen
        self._seen = {each: seen.get(each, now) for each in self._store.left(time.time() - PATIENCE_SECONDS)}
        for pull, since in self._seen.items():
            if pull.state is State.INTERRUPTED or now - since >= STALE_SECONDS:
                self._carry_on(pull)

    def _run(self) -> None:
        while not self._closed.wait(LOOK_SECONDS):
            try:
                self.look(time.monotonic())
            except DatabaseError:  # the next time
                continue
            except Exception as error:  # a fault of ours must not leave those that come later
                structlog.get_logger("pull").error("pulls not carried on", exc_info=error)
