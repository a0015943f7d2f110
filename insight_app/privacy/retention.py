"""How long what people wrote is kept, and the deletion of what is older."""

from __future__ import annotations

import time

import structlog

from insight_app.privacy.diagnostics import DAY_SECONDS, Diagnostics
from insight_app.privacy.preferences import Preferences
from insight_app.privacy.store import PersonalStore


class Retention:
    """`most_days` is HISTORY_RETENTION_DAYS: 0 where the server sets no limit."""

    def __init__(self, store: PersonalStore, diagnostics: Diagnostics, most_days: int) -> None:
        self.most_days = most_days
        self._store = store
        self._diagnostics = diagnostics
        self._log = structlog.get_logger("retention")

    def days_kept(self) -> int | None:
        """After how many days without a message a conversation is deleted; None: never."""
        return self._store.preferences().days_kept(self.most_days)

    def count_outdated(self, preferences: Preferences) -> int:
        """How many conversations are too old, if that is what somebody prefers."""
        days = preferences.days_kept(self.most_days)
        return self._store.count_outdated(_ago(days)) if days else 0

    def prune(self) -> int:
        """Deletes what is too old; returns how many conversations that were."""
        days = self.days_kept()
        self._diagnostics.delete_outdated(days)
        count = self._store.delete_outdated(_ago(days)) if days else 0
        if count:
            self._log.info("pruned", conversations=count)
        return count


def _ago(days: int) -> float:
    return time.time() - days * DAY_SECONDS
