"""What is to be gone goes: from the database each hour, and from this process's memory as soon as it was deleted."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import structlog

from insight_app.errors import DatabaseError
from insight_app.privacy.retention import Retention
from insight_app.storage.database import Database
from insight_app.storage.product import TRACES

LOOK_SECONDS = 1.0
PRUNE_SECONDS = 3600.0
BIN_LOOK_SECONDS = 10.0
# A larger file is rewritten by `flask --app wsgi prune` alone: that would hold up everybody here.
LARGEST_REWRITTEN = 64 * 2**20
# So much of the time may go into it, and at least so long it is left alone after it.
REWRITING_SHARE = 0.01
REST_SECONDS = 10.0


class Pruning:
    """One thread. Several processes may do the same at once: what is gone is not deleted twice."""

    def __init__(
        self,
        database: Database,
        retention: Retention,
        is_idle: Callable[[], bool] = lambda: True,
        also: Callable[[], object] = lambda: None,
    ) -> None:
        """`is_idle` says whether no answer is being written, by any process; `also` is called with each look."""
        self._also = also
        self._database = database
        self._is_idle = is_idle
        self._retention = retention
        self._forgotten: int | None = None  # how often something was deleted, as far as this process has heard
        self._forget: list[Callable[[], object]] = []
        self._prune_at = self._bin_at = self._rewrite_at = 0.0
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
            except DatabaseError:
                pass  # the database has told of it itself, and in a second it may be there again
            except Exception as error:
                structlog.get_logger("retention").error("not pruned", exc_info=error)
            self._closed.wait(LOOK_SECONDS)

    def look(self) -> None:
        """Does what is to be done now."""
        if (now := time.monotonic()) >= self._prune_at:
            self._retention.prune()
            self._prune_at = now + PRUNE_SECONDS
        if now >= self._bin_at:
            self._retention.empty_bin()
            self._bin_at = now + BIN_LOOK_SECONDS
        self._also()
        if (forgotten := self._database.forgotten()) != self._forgotten:
            self._forgotten = forgotten
            for forget in self._forget:
                forget()
        if self._database.has_log:
            self._database.empty_log()
        if forgotten & TRACES and now >= self._rewrite_at and self._is_idle():
            self._rewrite()

    def _rewrite(self) -> None:
        if self._database.size() > LARGEST_REWRITTEN:
            return
        began = time.monotonic()
        try:
            self._database.rewrite()
        finally:
            now = time.monotonic()
            self._rewrite_at = now + max(REST_SECONDS, (now - began) / REWRITING_SHARE)
