"""What is to be gone goes: from the database each hour, and from this process's memory as soon as it was deleted."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import structlog

from insight_app.privacy.retention import Retention
from insight_app.storage.database import Database

LOOK_SECONDS = 1.0
PRUNE_SECONDS = 3600.0


class Pruning:
    """One thread. Several processes may do the same at once: what is gone is not deleted twice."""

    def __init__(self, database: Database, retention: Retention) -> None:
        self._database = database
        self._retention = retention
        self._forgotten: int | None = None  # how often something was deleted, as far as this process has heard
        self._forget: list[Callable[[], object]] = []
        self._prune_at = 0.0
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pruning", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def on_deletion(self, forget: Callable[[], object]) -> None:
        """Has this called soon after anything was deleted, by whichever process."""
        self._forget.append(forget)

    def close(self) -> None:
        self._closed.set()

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                self.look()
            except Exception as error:  # a full disk now may be a free one in a second
                structlog.get_logger("retention").error("not pruned", exc_info=error)
            self._closed.wait(LOOK_SECONDS)

    def look(self) -> None:
        """Does what is to be done now."""
        if (now := time.monotonic()) >= self._prune_at:
            self._retention.prune()
            self._prune_at = now + PRUNE_SECONDS
        if (forgotten := self._database.forgotten()) != self._forgotten:
            self._forgotten = forgotten
            for forget in self._forget:
                forget()
        if self._database.has_log:
            self._database.empty_log()
