"""How long what people wrote is kept, and the deletion of what is older."""

from __future__ import annotations

import time

import structlog

from insight_app.limits.quotas import HOUR_SECONDS
from insight_app.privacy.diagnostics import DAY_SECONDS, Records
from insight_app.privacy.preferences import Preferences
from insight_app.privacy.store import PersonalStore

# A whole year can be compared with the one before it.
USAGE_DAYS = 400


class Retention:
    """`most_days` is HISTORY_RETENTION_DAYS: 0 where the server sets no limit."""

    def __init__(self, store: PersonalStore, diagnostics: Records, most_days: int) -> None:
        self.most_days = most_days
        self._store = store
        self._diagnostics = diagnostics
        self._log = structlog.get_logger("retention")

    def days_kept(self, person: str = "") -> int | None:
        """After how many days without a message a conversation of theirs is deleted; None: never."""
        return self._store.preferences(person).days_kept(self.most_days)

    def count_outdated(self, preferences: Preferences, person: str = "") -> int:
        """How many of a person's conversations are too old, if that is what they prefer."""
        days = preferences.days_kept(self.most_days)
        return self._store.count_outdated(_ago(days), person) if days else 0

    def empty_bin(self) -> None:
        """Deletes what was in the bin for long enough."""
        self._store.empty_bin(time.time())

    def prune(self) -> int:
        """Deletes what is too old, of everybody, and old counts; returns how many conversations that were."""
        self.empty_bin()
        self._store.delete_usage(int((time.time() - USAGE_DAYS * DAY_SECONDS) // HOUR_SECONDS))
        count = 0
        for person in self._diagnostics.people():
            self._diagnostics.of(person).delete_outdated(self.days_kept(person))
        for person in self._store.people():
            if days := self.days_kept(person):
                count += self._store.delete_outdated(_ago(days), person)
        if count:
            self._log.info("pruned", conversations=count)
        return count


def _ago(days: int) -> float:
    return time.time() - days * DAY_SECONDS
